from datetime import timedelta
from typing import Any

from fl_store.rows import ComparisonRow, DataCardRow, PresenceRow, SiteAccessRow, SiteRow
from fl_store.words import PresenceKind
from tests.site_rows import ANALYST, NOON, NORTH, at, blocks_of, look, part, run_of, words

SITES = tuple(SiteRow(site, "1", 20, 5, NOON, NOON, "0.1.0") for site in ("north", "south"))
REVOKED = SiteAccessRow("south", False, "carl", NOON, "No consent.")
BEATS = (
    PresenceRow(PresenceKind.SITE, "north", "training", at(-2)),
    PresenceRow(PresenceKind.SITE, "south", "ready", NOON - timedelta(hours=1)),
)
GAIN: dict[str, Any] = {
    "num_scans": 28,
    "num_nodules": 37,
    "alone": 0.65,
    "federated": 0.7,
    "difference": 0.05,
    "interval": [0.02, 0.08],
    "verdict": "gained",
}
COMPARED = ComparisonRow("c", {"gains": [{"site": site, **GAIN} for site in ("north", "south")]}, NOON)
EMPTY_CARD: dict[str, Any] = {"histograms": {}}


def test_site_is_listed_with_its_state_access_and_scans() -> None:
    tables: dict[type[Any], tuple[Any, ...]] = {SiteRow: SITES, SiteAccessRow: (REVOKED,)}
    page = look("sites", ANALYST, tables=tables, presence=BEATS)
    north, south = blocks_of(page)["sites"].lines
    assert words(north) == ["north", "training", "", "allowed", "0.1.0", "", "20", "5"]
    assert words(south) == ["south", "offline", "", "revoked: No consent.", "0.1.0", "", "20", "5"]
    assert (north[2].at, north[2].is_age, south[3].tone) == (at(-2), True, "bad")


def test_hospital_sees_its_own_line_on_my_site() -> None:
    page = look("sites", NORTH, run_of(part("north"), part("south")), tables={SiteRow: SITES}, presence=BEATS)
    blocks = blocks_of(page)
    assert page.header.title == "My site"
    assert [words(line)[0] for line in blocks["sites"].lines] == ["north"]
    assert [words(line)[:2] for line in blocks["updates"].lines] == [["1", "north"]]


def test_updates_tell_when_they_came_and_how_big_they_were() -> None:
    newest = blocks_of(look("sites", ANALYST, run_of(part("north"), part("south", 2))))["updates"].lines[0]
    assert words(newest) == ["2", "south", "", "120", "1.00"]
    assert newest[2].at == at(8)


def test_traffic_is_told_in_all_and_per_round() -> None:
    rows = run_of(part("north"), part("north", 2, bytes_up=500_000))
    (line,) = blocks_of(look("sites", ANALYST, rows))["traffic-totals"].lines
    assert words(line) == ["north", "2", "4.00", "1.50", "0.75"]


def test_hospital_reads_what_it_gained_in_one_sentence() -> None:
    note = blocks_of(look("sites", NORTH, tables={ComparisonRow: (COMPARED,)}))["gains"]
    assert note.text.startswith("north gained: on 28 test scans of its own with 37 nodules")
    assert "95 % CI +0.020 to +0.080" in note.text
    assert "south" not in note.text


def test_analyst_sees_the_gains_of_all_sites() -> None:
    lines = blocks_of(look("sites", ANALYST, tables={ComparisonRow: (COMPARED,)}))["gains"].lines
    row = ["gained", "0.650", "0.700", "+0.050", "+0.020 to +0.080", "28", "37"]
    assert [words(line) for line in lines] == [["north", *row], ["south", *row]]


def test_without_a_comparison_it_says_how_to_add_one() -> None:
    assert "fl-server comparisons add FILE" in blocks_of(look("sites", NORTH))["gains"].text


def test_comparison_of_other_sites_tells_a_hospital_nothing() -> None:
    others = ComparisonRow("c", {"gains": [{"site": "south", **GAIN}]}, NOON)
    note = blocks_of(look("sites", NORTH, tables={ComparisonRow: (others,)}))["gains"]
    assert note.text == "The newest comparison is not of your site."


def test_card_that_tells_nothing_is_one_sentence() -> None:
    tables: dict[type[Any], tuple[Any, ...]] = {DataCardRow: (DataCardRow("north", EMPTY_CARD, NOON),)}
    assert "No site has told" in blocks_of(look("sites", ANALYST, tables=tables))["cards"].text
