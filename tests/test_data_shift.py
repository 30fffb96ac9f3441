import csv
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fl_server.data_shift import PairDistance, Shift, find_chance_distance, find_distances, find_shifts
from luna16.data_card import BINS, DataCard, ScanFacts, make_data_card
from luna16.histogram import Histogram, find_distance

REAL_TABLES = Path(__file__).parents[2] / "shared" / "data" / "luna16"
EMPTY = make_data_card([])


def card_of(num_ge: int, num_siemens: int) -> DataCard:
    """Return a card that tells of vendors only."""
    facts = [ScanFacts((1.0, 0.7, 0.7), vendor="ge")] * num_ge
    facts += [ScanFacts((1.0, 0.7, 0.7), vendor="siemens")] * num_siemens
    card = make_data_card(facts)
    return replace(card, histograms={"vendor": card.histograms["vendor"]})


def test_site_that_differs_is_found_with_its_distance_and_what_it_has_most_of() -> None:
    cards = {"a": card_of(60, 20), "b": card_of(20, 60), "c": card_of(60, 20), "d": card_of(60, 20)}
    (shift,) = find_shifts(cards)  # and not the three that are alike
    # p = (1/4, 3/4), q = (3/4, 1/4), m = (1/2, 1/2): the divergence is log2(3/2) * 3/4 + log2(1/2) / 4
    distance = math.sqrt(0.75 * math.log2(1.5) + 0.25 * math.log2(0.5))
    assert shift.distance == pytest.approx(distance)
    assert (shift.site, shift.histogram, shift.bin_name) == ("b", "vendor", "siemens")
    assert (shift.share, shift.share_elsewhere) == (0.75, 0.25)
    assert 0.15 < shift.by_chance < 0.35


def test_words_say_who_differs_in_what_and_how_much() -> None:
    text = Shift("north", "slice_spacing_mm", 0.623, 0.31, "2 to 2.5 mm", 0.8, 0.104).describe()
    assert text == (
        "Site 'north' differs much from the rest of the federation in slice spacing: 80 % of its scans are "
        "2 to 2.5 mm, elsewhere 10 %. The Jensen-Shannon distance is 0.62 of 1; chance gives 0.31 at most. "
        "The model may do worse there: watch its scores."
    )


def test_same_shares_of_few_scans_may_be_chance() -> None:
    assert list(find_shifts({"a": card_of(8, 5), "b": card_of(5, 8), "c": card_of(6, 6)})) == []


def test_small_difference_of_many_scans_is_not_much() -> None:
    cards = {"a": card_of(1000, 900), "b": card_of(900, 1000), "c": card_of(1000, 1000)}
    assert list(find_shifts(cards)) == []


def test_of_two_sites_the_first_is_told() -> None:
    assert [shift.site for shift in find_shifts({"b": card_of(0, 20), "a": card_of(20, 0)})] == ["a"]


@pytest.mark.parametrize(
    "cards",
    [{}, {"a": card_of(9, 0)}, {"a": card_of(9, 0), "b": EMPTY, "c": EMPTY}],
    ids=["none", "one", "alone"],
)
def test_without_another_site_that_tells_there_is_nothing_to_compare(cards: dict[str, DataCard]) -> None:
    assert list(find_shifts(cards)) == []


def test_two_sites_are_apart_as_computed_by_hand() -> None:
    one, other = card_of(60, 20), card_of(20, 60)
    apart = {each.histogram: each for each in find_distances(one, other)}
    assert apart.keys() == BINS.keys()
    by_hand = math.sqrt(0.75 * math.log2(1.5) + 0.25 * math.log2(0.5))
    assert apart["vendor"].distance == pytest.approx(by_hand)
    chance = find_chance_distance(one.histograms["vendor"], other.histograms["vendor"])
    assert apart["vendor"].by_chance == chance
    assert list(find_distances(other, one)) == list(apart.values())


def test_what_one_site_withholds_cannot_be_compared() -> None:
    assert set(find_distances(card_of(9, 0), EMPTY)) == {PairDistance(name, None, None) for name in BINS}


def test_sites_that_tell_no_bin_in_common_cannot_be_compared() -> None:
    ge = Histogram((None, 9, None, None, None, None), 20, 20)
    canon = Histogram((9, None, None, None, None, None), 20, 20)
    one, other = (replace(EMPTY, histograms={"vendor": each}) for each in (ge, canon))
    (apart,) = [each for each in find_distances(one, other) if each.histogram == "vendor"]
    assert apart == PairDistance("vendor", None, None)


def test_chance_is_larger_with_fewer_draws() -> None:
    few, many = Histogram((50, 50), 100, 10), Histogram((50, 50), 100, 100)
    assert find_chance_distance(few, few) > 2 * find_chance_distance(many, many) > 0


def test_chance_is_the_same_every_time() -> None:
    histogram = Histogram((9, 9, 9), 27, 27)
    assert find_chance_distance(histogram, histogram) == find_chance_distance(histogram, histogram)


def test_one_in_a_thousand_pairs_of_samples_exceeds_chance() -> None:
    shares, pooled = (0.5, 0.3, 0.2), Histogram((20, 12, 8), 40, 40)
    random = np.random.default_rng(1)
    one, other = random.multinomial(40, shares, (2, 20_000)) / 40
    num_above = int((find_distance(one, other) > find_chance_distance(pooled, pooled)).sum())
    assert 10 <= num_above <= 40


@pytest.fixture
def real_facts() -> dict[str, list[ScanFacts]]:
    """What the challenge's tables say of its scans, by vendor."""
    if not REAL_TABLES.is_dir():
        pytest.skip(f"the challenge's tables are not at {REAL_TABLES}")
    names = ("ge", "philips", "siemens", "canon")
    with (REAL_TABLES / "fed_lidc_metadata.csv").open(newline="") as file:
        vendors = {row["SeriesInstanceUID"]: names[int(row["Manufacturer"])] for row in csv.DictReader(file)}
    diameters_mm: dict[str, list[float]] = {}
    with (REAL_TABLES / "annotations.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            diameters_mm.setdefault(row["seriesuid"], []).append(float(row["diameter_mm"]))
    facts: dict[str, list[ScanFacts]] = {}
    for uid in (REAL_TABLES / "seriesuids.csv").read_text().split():
        scan = ScanFacts((1.0, 0.7, 0.7), tuple(diameters_mm.get(uid, ())), vendor=vendors[uid])
        facts.setdefault(vendors[uid], []).append(scan)
    return facts


def test_real_shards_by_vendor_differ_in_vendor_and_not_in_diameters(
    real_facts: dict[str, list[ScanFacts]],
) -> None:
    shifts = list(find_shifts({vendor: make_data_card(scans) for vendor, scans in real_facts.items()}))
    assert sorted(shift.site for shift in shifts) == ["canon", "ge", "philips"]  # siemens is what remains
    assert {(shift.histogram, shift.distance) for shift in shifts} == {("vendor", 1.0)}


def test_real_scans_dealt_at_random_do_not_differ(real_facts: dict[str, list[ScanFacts]]) -> None:
    scans = [scan for each in real_facts.values() for scan in each]
    order = np.random.default_rng(0).permutation(len(scans))
    ends = np.cumsum([0, *map(len, real_facts.values())])
    cards = {
        vendor: make_data_card([scans[i] for i in order[start:end]])
        for vendor, start, end in zip(real_facts, ends, ends[1:], strict=False)
    }
    assert list(find_shifts(cards)) == []
