import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from luna16.data_card import (
    BINS,
    DataCard,
    ScanFacts,
    count_hu_parts,
    make_data_card,
    read_data_card,
)

HU = (0, 0, 500, 500, 0, 0, 0, 0, 0, 0, 0)
THIN = ScanFacts((0.625, 0.7, 0.7), (5.0, 12.0), HU, "siemens")
THICK = ScanFacts((2.5, 0.85, 0.85), (), HU, "ge-medical-systems")


def test_card_counts_scans_and_nodules() -> None:
    card = make_data_card([THIN] * 6 + [THICK] * 5)
    assert (card.num_scans, card.num_scans_with_nodules, card.num_nodules) == (11, 6, 12)
    assert card.histograms["nodule_diameter_mm"].counts == (0, 6, 0, 0, 6, 0, 0)
    assert card.histograms["pixel_spacing_mm"].counts == (0, 0, 0, 6, 5, 0)
    assert card.histograms["slice_spacing_mm"].counts == (6, 0, 0, 0, 0, 0, 5)
    assert card.histograms["hu"].counts == (0, 0, 5500, 5500, 0, 0, 0, 0, 0, 0, 0)


def test_number_on_an_edge_is_in_the_bin_above_it() -> None:
    card = make_data_card([ScanFacts((1.0, 0.5, 0.5), (4.0, 20.0))] * 5)
    assert card.histograms["nodule_diameter_mm"].counts == (0, 5, 0, 0, 0, 0, 5)


def test_unknown_diameter_is_10_mm_as_in_the_challenge() -> None:
    card = make_data_card([ScanFacts((1.0, 0.5, 0.5), (-1.0,))] * 5)
    assert card.histograms["nodule_diameter_mm"].counts == (0, 0, 0, 0, 5, 0, 0)


@pytest.mark.parametrize(
    ("vendor", "bin_name"),
    [
        ("ge-medical-systems", "ge"),
        ("general-electric", "ge"),
        ("siemens", "siemens"),
        ("philips-phantom", "philips"),
        ("toshiba", "canon"),
        ("canon-mec", "canon"),
        ("scanner-0", "other"),
        ("", "unknown"),
    ],
)
def test_vendor_has_a_fixed_name(vendor: str, bin_name: str) -> None:
    card = make_data_card([ScanFacts((1.0, 0.5, 0.5), vendor=vendor)] * 5 + [THIN] * 5)
    counts = dict(zip(BINS["vendor"].names, card.histograms["vendor"].counts, strict=True))
    assert counts[bin_name] == (10 if bin_name == "siemens" else 5)


def test_vendors_are_left_out_where_none_is_known() -> None:
    assert "vendor" not in make_data_card([ScanFacts((1.0, 0.5, 0.5))] * 9).histograms


def test_card_of_few_scans_tells_nothing() -> None:
    for few in ([THIN] * 4, [THICK] * 4, []):
        assert make_data_card(few) == DataCard(None, None, None, {})


@pytest.mark.parametrize(("num_with", "num_without", "num_nodules"), [(3, 8, None), (8, 3, 16)])
def test_few_scans_with_nodules_or_without_are_withheld(
    num_with: int, num_without: int, num_nodules: int | None
) -> None:
    card = make_data_card([THIN] * num_with + [THICK] * num_without)
    assert (card.num_scans, card.num_scans_with_nodules, card.num_nodules) == (11, None, num_nodules)


def test_few_scans_of_a_vendor_are_withheld_with_the_next() -> None:
    philips = ScanFacts((1.0, 0.5, 0.5), vendor="philips")
    card = make_data_card([THIN] * 9 + [THICK] * 6 + [philips] * 2)
    assert card.histograms["vendor"].counts == (0, None, None, 9, 0, 0)


def test_hu_is_left_out_where_few_scans_have_no_patch() -> None:
    bare = ScanFacts((1.0, 0.5, 0.5))
    assert "hu" not in make_data_card([THIN] * 9 + [bare] * 2).histograms
    assert make_data_card([THIN] * 9 + [bare] * 5).histograms["hu"].total == 9000


def test_voxels_are_counted_in_thousandths() -> None:
    voxels_hu = np.array([-1000, -950, -949, 400], np.int16).reshape(1, 2, 2)
    assert count_hu_parts(voxels_hu) == (250, 500, 0, 0, 0, 0, 0, 0, 0, 0, 250)


def test_card_arrives_as_it_was() -> None:
    card = make_data_card([THIN] * 9 + [THICK] * 6 + [ScanFacts((1.0, 0.5, 0.5))] * 3)
    assert card.histograms["pixel_spacing_mm"].counts == (0, None, 0, 9, None, 0)
    assert read_data_card(json.dumps(card.to_json(), allow_nan=False)) == card


def test_largest_card_is_not_too_long() -> None:
    card = make_data_card([THIN] * 5_000 + [THICK] * 5_000)
    assert len(json.dumps(card.to_json())) < 5_000


Change = Callable[[dict[str, Any]], Any]


def spoil(change: Change) -> str:
    """Return a sound card that was changed, as JSON."""
    table = make_data_card([THIN] * 9 + [THICK] * 6).to_json()
    change(table)
    return json.dumps(table)


def in_vendor(**changes: Any) -> Change:
    return lambda table: table["histograms"]["vendor"].update(changes)


NOT_OURS = "not in the form of this version's"
NO_COUNT = "a count that is neither withheld, 0, nor a whole number from 5"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda table: table.pop("num_scans"), NOT_OURS),
        (lambda table: table.update(path="/data/north"), NOT_OURS),
        (lambda table: table.update(histograms=[]), NOT_OURS),
        (in_vendor(note="2.25.1"), NOT_OURS),
        (in_vendor(bins=["ge"] * 6), NOT_OURS),
        (in_vendor(counts=[0, 6, 0, 9, 0]), "vendor has 5 bins, expected 6"),
        (in_vendor(counts=None), NOT_OURS),
        (lambda table: table["histograms"].update(names={}), "a histogram that is not known here"),
        (lambda table: table.update(num_scans=4), NO_COUNT),
        (lambda table: table.update(num_scans=-5), NO_COUNT),
        (lambda table: table.update(num_scans=15.0), NO_COUNT),
        (lambda table: table.update(num_scans=True), NO_COUNT),
        (lambda table: table.update(num_scans=10**30), NO_COUNT),
        (lambda table: table.update(num_scans=float("nan")), NO_COUNT),
        (lambda table: table.update(num_nodules="18"), NO_COUNT),
        (in_vendor(counts=[0, 6, 0, 9, 0, "2.25.1"]), NO_COUNT),
        (in_vendor(counts=[0, 6, 0, 9, 1, 0]), NO_COUNT),
        (in_vendor(counts=[0, 6, 0, 9, 0, 7]), "vendor does not add up to its total"),
        (in_vendor(counts=[0, 6, 0, 8, 0, 0]), "vendor does not add up to its total"),
        (in_vendor(counts=[0, None, 0, 9, 0, 0]), "vendor does not add up to its total"),
        (in_vendor(counts=[0, None, None, 12, 0, 0]), "vendor does not add up to its total"),
        (in_vendor(num_draws=0), "vendor has a number of draws"),
        (in_vendor(num_draws=16), "vendor has a number of draws"),
        (in_vendor(num_draws=1.5), "vendor has a number of draws"),
        (
            in_vendor(counts=[0, 6, 0, 6, 0, 0], total=12, num_draws=9),
            "vendor has another total than its scans",
        ),
        (lambda table: table.update(num_nodules=20), "diameter_mm has another total than its nodules"),
        (lambda table: table.update(num_scans_with_nodules=16), "more scans with nodules than scans"),
    ],
)
def test_card_that_is_not_as_we_make_it_is_refused_without_repeating_it(change: Change, words: str) -> None:
    with pytest.raises(ValueError, match=words) as refusal:
        read_data_card(spoil(change))
    assert "2.25" not in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "null", "[" * 9_999, "1" * 9_999])
def test_text_that_is_no_card_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=NOT_OURS):
        read_data_card(text)


def test_endless_card_is_not_even_read() -> None:
    with pytest.raises(ValueError, match="The data card has 10001 letters, expected at most 10000"):
        read_data_card(" " * 10_001)
