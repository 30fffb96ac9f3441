from dataclasses import replace

from fl_monitor.stragglers import Straggler, find_stragglers
from fl_store.words import SiteRoundState
from tests.site_rows import ROUND, at, part, run_of


def test_last_to_answer_is_named_with_the_seconds_in_which_all_others_waited() -> None:
    rows = run_of(
        part("east", train_received_at=at(5)),
        part("north", train_received_at=at(6), evaluate_received_at=at(17.5)),
        part("south", train_received_at=at(9), evaluate_received_at=at(16)),
    )
    assert find_stragglers(rows) == [
        Straggler(1, "south", is_training=True, waited_s=3.0),
        Straggler(1, "north", is_training=False, waited_s=1.5),
    ]


def test_silent_site_is_last_until_the_others_went_on() -> None:
    silent = part("south", state=SiteRoundState.LATE, train_received_at=None, evaluate_sent_at=None)
    rows = run_of(part("north", evaluate_received_at=None), silent)
    assert find_stragglers(rows) == [Straggler(1, "south", is_training=True, waited_s=2.0)]


def test_silent_sites_share_the_wait() -> None:
    silent = [part(site, state=SiteRoundState.LATE, evaluate_received_at=None) for site in ("east", "south")]
    found = [each for each in find_stragglers(run_of(part("north"), *silent)) if not each.is_training]
    assert [(each.site, each.waited_s) for each in found] == [("east", 3.0), ("south", 3.0)]


def test_site_alone_waits_for_nobody() -> None:
    assert find_stragglers(run_of(part("north"))) == []


def test_nobody_is_last_before_the_step_is_over() -> None:
    parts = [part(site, evaluate_sent_at=None, evaluate_received_at=None) for site in ("north", "south")]
    assert find_stragglers(run_of(*parts, rounds=[replace(ROUND, ended_at=None)])) == []
