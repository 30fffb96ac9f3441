"""Compares the data cards of the sites whenever one is new, and says whose data differ much."""

from collections.abc import Callable, Mapping
from itertools import combinations

from fl_server.data_shift import find_distances, find_shifts
from fl_server.recorder import Recorder
from luna16.data_card import DataCard


class CardWatch:
    """Names each thing in which a site differs once; ``on_pair`` is called between the pairs of sites.

    Many sites take a while.
    """

    def __init__(self, recorder: Recorder, on_pair: Callable[[], None]) -> None:
        self._recorder = recorder
        self._on_pair = on_pair
        self._compared: dict[str, DataCard] = {}
        self._told: set[tuple[str, str]] = set()

    def compare(self, cards: Mapping[str, DataCard]) -> None:
        """Say what differs much, and keep how far any two sites are apart, if a card is new."""
        is_new = {site: self._compared.get(site) != card for site, card in cards.items()}
        if not any(is_new.values()):
            return
        self._compared |= cards
        for shift in find_shifts(cards):
            what = (shift.site, shift.histogram)
            if what not in self._told:
                self._told.add(what)
                self._recorder.keep_event("site_differs", shift.describe(), shift.site)
        for one, other in combinations(sorted(cards), 2):
            if is_new[one] or is_new[other]:
                self._recorder.keep_distances(one, other, find_distances(cards[one], cards[other]))
                self._on_pair()
