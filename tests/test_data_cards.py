import pytest

from fl_monitor.data_cards import HISTOGRAMS, Histogram, bin_text, histograms_by_site
from fl_store.rows import DataCardRow
from luna16.data_card import BINS, ScanFacts, make_data_card
from tests.site_rows import NOON

SCANS = [ScanFacts((1.0, spacing, spacing)) for spacing in (0.75,) * 9 + (0.85,) * 6 + (0.55,) * 3]
CARD = DataCardRow("north", make_data_card(SCANS).to_json(), NOON)


def test_shares_are_of_all_scans_and_withheld_ones_are_unknown() -> None:
    assert histograms_by_site([CARD], "pixel_spacing_mm")["north"] == Histogram(
        ("< 0.5", "0.5–0.6", "0.6–0.7", "0.7–0.8", "0.8–0.9", "≥ 0.9"),  # noqa: RUF001 - en dashes are meant
        (0.0, None, 0.0, 0.5, None, 0.0),
    )


def test_site_that_tells_no_vendor_has_no_histogram_of_vendors() -> None:
    assert histograms_by_site([CARD], "vendor") == {}


@pytest.mark.parametrize(
    ("name", "text"),
    [("-950 to -900 HU", "−950 to −900"), ("below -950 HU", "< −950"), ("ge", "ge"), ("other", "other")],  # noqa: RUF001
)
def test_bin_is_written_without_its_unit(name: str, text: str) -> None:
    assert bin_text(name) == text


def test_every_histogram_of_a_card_is_known_here() -> None:
    assert set(HISTOGRAMS) == set(BINS)
