"""Which site's data differ much from the others', and how far any two are apart, by the data cards alone.

A site is compared with the pool of the others, histogram by histogram. Few scans differ by chance: a distance
counts only if it is larger than nearly all of those that two samples of the pooled shares would have.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from luna16.data_card import BINS, DataCard
from luna16.histogram import Histogram, find_distance, find_shares, find_told, pool

LEAST_DISTANCE = 0.15
CHANCE = 0.001
NUM_SAMPLES = 5000
OTHER_BINS = "something else"


@dataclass(frozen=True)
class Shift:
    """One histogram in which a site differs; the shares are of the bin that it has most too much of.

    Of two samples that do not differ one pair in a thousand is further apart than ``by_chance``.
    """

    site: str
    histogram: str
    distance: float
    by_chance: float
    bin_name: str
    share: float
    share_elsewhere: float

    def describe(self) -> str:
        """Say in words what differs, how much, and what it means."""
        bins = BINS[self.histogram]
        return (
            f"Site '{self.site}' differs much from the rest of the federation in {bins.title}: "
            f"{100 * self.share:.0f} % of its {bins.counted} are {self.bin_name}, elsewhere "
            f"{100 * self.share_elsewhere:.0f} %. The Jensen-Shannon distance is {self.distance:.2f} of 1; "
            f"chance gives {self.by_chance:.2f} at most. The model may do worse there: watch its scores."
        )


def find_shifts(cards: Mapping[str, DataCard]) -> Iterator[Shift]:
    """Compare each site with the pool of the others, and yield in what it differs much; the oddest first.

    A site that differs is then left out of the pool, or else those that are alike would differ from a pool
    that it is in. Of two sites that differ from one another, only the first by name is told.
    """
    by_name = sorted(cards.items())
    for name in BINS:
        told = {site: card.histograms[name] for site, card in by_name if name in card.histograms}
        while shift := _find_oddest(name, told):
            yield shift
            del told[shift.site]


@dataclass(frozen=True)
class PairDistance:
    """How far two sites are apart in one histogram; None where their cards cannot tell."""

    histogram: str
    distance: float | None
    by_chance: float | None


def find_distances(one: DataCard, other: DataCard) -> Iterator[PairDistance]:
    """Compare two sites in every histogram; it cannot be told where they tell no bin in common."""
    for name in BINS:
        own, others = one.histograms.get(name), other.histograms.get(name)
        if own is None or others is None or not (is_told := find_told(own, others)).any():
            yield PairDistance(name, None, None)
        else:
            distance = find_distance(find_shares(own, is_told), find_shares(others, is_told))
            yield PairDistance(name, float(distance), find_chance_distance(own, others))


def find_chance_distance(own: Histogram, others: Histogram) -> float:
    """Return the distance that one pair in a thousand of samples of the pooled shares exceeds.

    The samples are multinomial, of as many draws as the histograms are worth; the seed is fixed.
    """
    is_told = find_told(own, others)
    totals = np.array([own.total, others.total])
    shares = np.average([find_shares(each, is_told) for each in (own, others)], axis=0, weights=totals)
    random = np.random.default_rng(0)
    samples = [
        random.multinomial(each.num_draws, shares, NUM_SAMPLES) / each.num_draws for each in (own, others)
    ]
    return float(np.quantile(find_distance(*samples), 1 - CHANCE))


def _find_oddest(name: str, told: Mapping[str, Histogram]) -> Shift | None:
    shifts = []
    for site, own in told.items():
        others = [each for other, each in told.items() if other != site]
        if others and (shift := _compare(site, name, own, pool(others))):
            shifts.append(shift)
    return max(shifts, key=lambda shift: shift.distance, default=None)


def _compare(site: str, name: str, own: Histogram, others: Histogram) -> Shift | None:
    is_told = find_told(own, others)
    here, elsewhere = find_shares(own, is_told), find_shares(others, is_told)
    distance = float(find_distance(here, elsewhere))
    if distance < LEAST_DISTANCE or distance <= (by_chance := find_chance_distance(own, others)):
        return None
    names = [*np.array(BINS[name].names)[is_told].tolist(), OTHER_BINS]
    most = int(np.argmax(here - elsewhere))
    return Shift(site, name, distance, by_chance, names[most], float(here[most]), float(elsewhere[most]))
