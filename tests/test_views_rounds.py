from fl_store.words import SiteRoundState
from tests.site_rows import ANALYST, NORTH, at, blocks_of, look, part, run_of, words

FAILED = part("south", state=SiteRoundState.FAILED, reason="Out of memory.")
ROWS = run_of(part("north"), part("south", train_received_at=at(9), evaluate_received_at=at(15)))


def test_page_says_which_run_it_is_about_and_where_that_is() -> None:
    header = look("rounds", ANALYST, ROWS).header
    assert (header.title, header.kicker, header.text) == ("Rounds", "Pilot", "Running round 1 of 4.")


def test_run_that_is_not_there_is_named_in_one_sentence() -> None:
    page = look("rounds", ANALYST, ROWS, params={"run": "run-9"})
    assert page.header.text == "There is no run run-9, or no longer."
    assert page.parts == ()


def test_store_without_a_run_says_how_to_start_one() -> None:
    assert "fl-server" in look("rounds", ANALYST).header.text


def test_last_sites_are_counted_with_what_the_others_waited() -> None:
    (line,) = blocks_of(look("rounds", ANALYST, ROWS))["last"].lines
    assert words(line) == ["south", "1", "1", "2.0", "1.0, round 1"]


def test_failures_have_their_reason_and_the_newest_comes_first() -> None:
    late = part("north", 2, state=SiteRoundState.LATE)
    lines = blocks_of(look("rounds", ANALYST, run_of(FAILED, late)))["failures"].lines
    assert [words(line) for line in lines] == [
        ["2", "north", "no answer", "–"],  # noqa: RUF001 - an en dash is meant
        ["1", "south", "failed", "Out of memory."],
    ]


def test_hospital_sees_its_own_phases_and_no_times_or_reasons_of_others() -> None:
    blocks = blocks_of(look("rounds", NORTH, run_of(part("north"), FAILED)))
    assert "last" not in blocks
    assert list(blocks["stragglers"].figure.data[0].y) == [8.0]
    assert {trace.meta["site"] for trace in blocks["phases"].figure.data} == {"north", ""}
    assert {trace.meta["site"] for trace in blocks["traffic"].figure.data} == {"north", ""}
    assert [words(line) for line in blocks["failures"].lines] == [
        ["1", "Other site 1", "failed", "–"]  # noqa: RUF001 - an en dash is meant
    ]
