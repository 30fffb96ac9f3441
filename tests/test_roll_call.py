import logging
from dataclasses import replace
from time import sleep

import pytest
from flwr.app import Error, RecordDict

from fl_core import messages, replies
from fl_core.config import TaskSettings
from fl_core.errors import RunFailedError
from fl_core.messages import TaskId
from fl_core.replies import PrepareReply, TrainReply
from fl_server import grid as grid_module
from fl_server.grid import PromptGrid
from fl_server.recorder import Recorder
from fl_server.roll_call import RollCall
from fl_server.run_control import RunControl
from fl_store.rows import (
    DataCardRow,
    DataShiftRow,
    EventRow,
    PresenceRow,
    SiteAccessRow,
    SiteRow,
    utc_now,
)
from fl_store.run_rows import RunRequestRow, RunRow, SiteRoundRow
from fl_store.sqlite import SqliteStore
from fl_store.words import RunRequest, RunState
from luna16.config import DataConfig
from luna16.data_card import BINS, ScanFacts, make_data_card
from tests.fake_grid import FakeGrid, FakeSite

SETTINGS = TaskSettings(data=DataConfig(patch_size_vox=24))
GE = make_data_card([ScanFacts((1.0, 0.7, 0.7), vendor="ge")] * 20)
SIEMENS = make_data_card([ScanFacts((1.0, 0.7, 0.7), vendor="siemens")] * 20)


@pytest.fixture
def flower(flower_identity: None, monkeypatch: pytest.MonkeyPatch) -> FakeGrid:
    monkeypatch.setattr(grid_module, "POLL_S", 0.001)
    return FakeGrid()


@pytest.fixture
def grid(flower: FakeGrid) -> PromptGrid:
    return PromptGrid(flower)


@pytest.fixture
def roll_call(grid: PromptGrid, store: SqliteStore) -> RollCall:
    recorder = Recorder(store, RunRow("r1", "Run", RunState.WAITING, 5, {}, utc_now()))
    return RollCall(grid, recorder, SETTINGS, RunControl(store, recorder, "r1"))


def call_all(roll_call: RollCall, times: int = 9) -> None:
    """Call often enough that every answer of a few sites is taken in."""
    for _ in range(times):
        roll_call.tick()


def events(store: SqliteStore, kind: str) -> list[str]:
    return [row.text for row in store.get(EventRow, kind=kind)]


def presence(store: SqliteStore) -> dict[str, str]:
    return {row.name: row.state for row in store.get(PresenceRow)}


def test_site_joins_prepares_and_is_used(
    flower: FakeGrid, grid: PromptGrid, roll_call: RollCall, store: SqliteStore
) -> None:
    flower.nodes = {5: FakeSite("north")}
    call_all(roll_call)
    assert flower.types_sent_to(5) == [messages.JOIN, messages.PREPARE]
    assert list(grid.get_node_ids()) == [5]
    assert roll_call.site_of(5) == "north"
    (site,) = store.get(SiteRow)
    assert (site.site, site.node_id, site.num_train_scans, site.num_validation_scans) == ("north", "5", 7, 2)
    assert site.version == "0.1.0"
    assert events(store, "site_ready") == ["Site 'north' is ready: 7 scans to train on, 2 to validate on."]


def test_scans_that_a_site_cannot_use_are_told_with_those_that_it_can(
    roll_call: RollCall, flower: FakeGrid, store: SqliteStore
) -> None:
    prepared = PrepareReply(7, 2, 70, make_data_card([]), 0, num_set_aside=3)
    flower.nodes = {5: FakeSite("north", instead={messages.PREPARE: replies.pack_prepare_reply(prepared)})}
    call_all(roll_call)
    assert events(store, "site_ready") == [
        "Site 'north' is ready: 7 scans to train on, 2 to validate on; it cannot use 3 more."
    ]
    assert roll_call.member("north").num_set_aside == 3


def test_site_is_told_how_to_cut_its_patches(flower: FakeGrid, roll_call: RollCall) -> None:
    flower.nodes = {5: FakeSite("north")}
    call_all(roll_call)
    assert messages.unpack_settings(flower.sent[-1].content) == SETTINGS


def test_site_is_used_only_after_it_has_prepared(
    flower: FakeGrid, grid: PromptGrid, roll_call: RollCall, store: SqliteStore
) -> None:
    flower.nodes = {5: FakeSite("north", instead={messages.PREPARE: None})}
    call_all(roll_call)
    assert list(grid.get_node_ids()) == []
    assert presence(store) == {"server": "waiting for sites", "north": "preparing"}


def test_name_that_another_live_site_holds_is_refused(
    flower: FakeGrid, grid: PromptGrid, roll_call: RollCall, store: SqliteStore
) -> None:
    flower.nodes = {5: FakeSite("north", instance="first")}
    call_all(roll_call)
    flower.nodes[6] = FakeSite("north", instance="second")
    call_all(roll_call)
    assert flower.types_sent_to(6) == [messages.JOIN, messages.REFUSE]
    reason = messages.unpack_reason(flower.sent[-1].content)
    assert reason == "A connected site has the name 'north' already. Choose another."
    assert list(grid.get_node_ids()) == [5]
    assert events(store, "site_refused") == [f"A node was refused: {reason}"]


def test_site_that_is_not_who_its_key_says_is_refused(
    flower: FakeGrid, grid: PromptGrid, roll_call: RollCall, store: SqliteStore
) -> None:
    flower.names = {5: "south", 6: "north"}
    flower.nodes = {5: FakeSite("north", instance="liar"), 6: FakeSite("north", instance="true")}
    call_all(roll_call)
    assert flower.types_sent_to(5) == [messages.JOIN, messages.REFUSE]
    assert list(grid.get_node_ids()) == [6]
    (event,) = store.get(EventRow, kind="site_refused")
    assert event.text == "A node was refused: It calls itself 'north', but its key is that of 'south'."
    assert event.site == "south"


def test_site_that_comes_back_with_its_key_is_asked_anew(
    flower: FakeGrid, grid: PromptGrid, roll_call: RollCall, store: SqliteStore
) -> None:
    flower.names = {5: "north"}
    flower.nodes = {5: FakeSite("north", card=GE)}
    call_all(roll_call)
    flower.nodes = {}
    call_all(roll_call)
    flower.nodes = {5: FakeSite("north", instance="second", card=SIEMENS)}
    call_all(roll_call)
    assert list(grid.get_node_ids()) == [5]
    assert [row.card for row in store.get(DataCardRow)] == [SIEMENS.to_json()]


def test_site_that_comes_back_has_what_it_had_until_it_has_prepared_anew(
    flower: FakeGrid, grid: PromptGrid, roll_call: RollCall
) -> None:
    north = FakeSite("north", num_train_patches=900)
    flower.nodes = {5: north}
    call_all(roll_call)
    flower.nodes = {}
    call_all(roll_call)
    flower.nodes = {5: replace(north, instead={messages.PREPARE: None})}
    call_all(roll_call)
    assert list(grid.get_node_ids()) == []
    assert roll_call.member("north").num_train_patches == 900


def test_name_of_a_site_that_has_gone_is_free(
    flower: FakeGrid, grid: PromptGrid, roll_call: RollCall
) -> None:
    flower.nodes = {5: FakeSite("north", instance="first")}
    call_all(roll_call)
    flower.nodes = {6: FakeSite("north", instance="second")}
    call_all(roll_call)
    assert list(grid.get_node_ids()) == [6]


def test_site_that_comes_back_replaces_its_old_node(
    flower: FakeGrid, grid: PromptGrid, roll_call: RollCall, store: SqliteStore
) -> None:
    flower.nodes = {5: FakeSite("north")}
    call_all(roll_call)
    flower.nodes[6] = FakeSite("north")  # Flower believes the old node to live for a minute
    call_all(roll_call)
    assert list(grid.get_node_ids()) == [6]
    assert roll_call.site_of(5) == roll_call.site_of(6) == "north"
    assert [row.node_id for row in store.get(SiteRow)] == ["6"]


def test_time_of_the_first_visit_is_kept(flower: FakeGrid, roll_call: RollCall, store: SqliteStore) -> None:
    flower.nodes = {5: FakeSite("north")}
    call_all(roll_call)
    (first,) = store.get(SiteRow)
    flower.nodes = {6: FakeSite("north")}
    call_all(roll_call)
    (again,) = store.get(SiteRow)
    assert again.first_seen_at == first.first_seen_at
    assert again.joined_at > first.joined_at


def test_answer_of_an_old_node_does_not_make_the_new_one_ready(
    flower: FakeGrid, grid: PromptGrid, roll_call: RollCall
) -> None:
    flower.nodes = {5: FakeSite("north", instead={messages.PREPARE: None})}
    call_all(roll_call)
    flower.nodes[6] = FakeSite("north", instead={messages.PREPARE: None})
    call_all(roll_call)
    flower.answer_late(
        node_id=5, answer=replies.pack_prepare_reply(PrepareReply(7, 2, 70, make_data_card([]), 0))
    )
    call_all(roll_call)
    assert list(grid.get_node_ids()) == []


@pytest.mark.parametrize("name", ["North", "*", "../../etc", "a" * 10_000])
def test_site_with_an_impossible_name_is_refused_with_the_rule(
    name: str, flower: FakeGrid, grid: PromptGrid, roll_call: RollCall
) -> None:
    flower.nodes = {5: FakeSite(name)}
    call_all(roll_call)
    reason = messages.unpack_reason(flower.sent[-1].content)
    assert "is not accepted: 1 to 32 of a-z, 0-9 and '-'" in reason
    assert len(reason) < 200
    assert list(grid.get_node_ids()) == []


@pytest.mark.parametrize("answer", [RecordDict(), Error(0, "boom")])
def test_node_that_does_not_say_who_it_is_is_left_out(
    answer: RecordDict | Error, flower: FakeGrid, grid: PromptGrid, roll_call: RollCall, store: SqliteStore
) -> None:
    flower.nodes = {5: FakeSite("north", instead={messages.JOIN: answer}), 6: FakeSite("south")}
    call_all(roll_call)
    assert list(grid.get_node_ids()) == [6]
    (text,) = events(store, "site_failed")
    assert text.startswith("Site 'unknown' cannot join: ")


def test_site_whose_data_cannot_be_used_is_named(
    flower: FakeGrid, grid: PromptGrid, roll_call: RollCall, store: SqliteStore
) -> None:
    flower.nodes = {5: FakeSite("north", instead={messages.PREPARE: Error(0, "No scans.")})}
    call_all(roll_call)
    assert list(grid.get_node_ids()) == []
    assert events(store, "site_failed") == ["Site 'north' cannot join: No scans."]


def test_site_that_declines_the_run_does_not_take_part(
    flower: FakeGrid, grid: PromptGrid, roll_call: RollCall, store: SqliteStore
) -> None:
    declined = Error(messages.DECLINED, "Its consent is for the model resnet18.")
    flower.nodes = {5: FakeSite("north", instead={messages.PREPARE: declined})}
    call_all(roll_call)
    assert list(grid.get_node_ids()) == []
    assert events(store, "site_declined") == [
        "Site 'north' declined to prepare for this run: Its consent is for the model resnet18."
    ]


def test_site_that_is_not_connected_is_not_shown_as_present(
    flower: FakeGrid, roll_call: RollCall, store: SqliteStore
) -> None:
    flower.nodes = {5: FakeSite("north")}
    call_all(roll_call)
    before = presence(store)
    seen_at = {row.name: row.last_seen_at for row in store.get(PresenceRow)}
    flower.nodes = {}
    call_all(roll_call)
    after = {row.name: row.last_seen_at for row in store.get(PresenceRow)}
    assert before == {"server": "waiting for sites", "north": "ready"}
    assert after["north"] == seen_at["north"]
    assert after["server"] > seen_at["server"]


def test_each_node_is_asked_once(flower: FakeGrid, roll_call: RollCall) -> None:
    flower.nodes = {5: FakeSite("north", instead={messages.JOIN: None})}
    call_all(roll_call)
    assert flower.types_sent_to(5) == [messages.JOIN]


def test_waiting_ends_when_enough_sites_are_ready(flower: FakeGrid, roll_call: RollCall) -> None:
    flower.nodes = {5: FakeSite("north"), 6: FakeSite("south")}
    roll_call.wait_for(2, timeout_s=20)


@pytest.mark.parametrize(
    ("names", "ready"), [((), "none"), (("south", "north"), "north, south")], ids=["none", "two"]
)
def test_waiting_too_long_tells_who_was_there_and_what_to_do(
    names: tuple[str, ...], ready: str, flower: FakeGrid, roll_call: RollCall
) -> None:
    flower.nodes = {5 + i: FakeSite(name) for i, name in enumerate(names)}
    with pytest.raises(RunFailedError) as failure:
        roll_call.wait_for(3, timeout_s=0.2)
    assert str(failure.value) == (
        f"Waited 0 s for 3 sites; ready were: {ready}. Start more sites, or lower min_sites in [federation]."
    )


def test_site_that_has_gone_does_not_count_as_ready(flower: FakeGrid, roll_call: RollCall) -> None:
    flower.nodes = {5: FakeSite("north")}
    call_all(roll_call)
    flower.nodes = {}
    with pytest.raises(RunFailedError, match="ready were: none"):
        roll_call.wait_for(1, timeout_s=0.05)


def test_data_card_of_a_ready_site_is_kept(flower: FakeGrid, roll_call: RollCall, store: SqliteStore) -> None:
    flower.nodes = {5: FakeSite("north", card=GE)}
    call_all(roll_call)
    assert [(row.site, row.card) for row in store.get(DataCardRow)] == [("north", GE.to_json())]


def test_site_whose_card_is_not_ours_cannot_join(
    flower: FakeGrid, grid: PromptGrid, roll_call: RollCall, store: SqliteStore
) -> None:
    answer = replies.pack_prepare_reply(PrepareReply(7, 2, 70, GE, 0))
    answer.config_records[messages.CONFIG]["card"] = "{}"
    flower.nodes = {5: FakeSite("north", instead={messages.PREPARE: answer})}
    call_all(roll_call)
    assert list(grid.get_node_ids()) == []
    (text,) = events(store, "site_failed")
    assert text.startswith("Site 'north' cannot join: The data card is not in the form")
    assert store.get(DataCardRow) == []


def test_site_that_differs_is_told_before_the_first_round(
    flower: FakeGrid, roll_call: RollCall, store: SqliteStore, caplog: pytest.LogCaptureFixture
) -> None:
    cards = {"east": GE, "north": SIEMENS, "south": GE, "west": GE}
    flower.nodes = {5 + i: FakeSite(name, card=card) for i, (name, card) in enumerate(cards.items())}
    roll_call.wait_for(4, timeout_s=20)
    (event,) = store.get(EventRow, kind="site_differs")
    assert event.site == "north"
    assert "Site 'north' differs much from the rest of the federation in scanner vendor" in event.text
    assert [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING] == [event.text]


def test_sites_that_are_alike_are_not_told(flower: FakeGrid, roll_call: RollCall, store: SqliteStore) -> None:
    flower.nodes = {5 + i: FakeSite(name, card=GE) for i, name in enumerate(("east", "north", "south"))}
    roll_call.wait_for(3, timeout_s=20)
    assert events(store, "site_differs") == []


def test_site_that_joins_later_is_compared_and_no_site_is_told_twice(
    flower: FakeGrid, roll_call: RollCall, store: SqliteStore
) -> None:
    flower.nodes = {5: FakeSite("east", card=GE), 6: FakeSite("north", card=SIEMENS)}
    roll_call.wait_for(2, timeout_s=20)
    roll_call.wait_for(2, timeout_s=20)
    first = [event.site for event in store.get(EventRow, kind="site_differs")]
    flower.nodes |= {7: FakeSite("south", card=GE)}
    roll_call.wait_for(3, timeout_s=20)
    assert first == ["east"]  # of two, none is the odd one
    assert [event.site for event in store.get(EventRow, kind="site_differs")] == ["east", "north"]


def shifts(store: SqliteStore) -> dict[tuple[str, str], DataShiftRow]:
    return {(row.site, row.other_site): row for row in store.get(DataShiftRow, histogram="vendor")}


def test_how_far_each_two_sites_are_apart_is_kept(
    flower: FakeGrid, roll_call: RollCall, store: SqliteStore
) -> None:
    cards = {"south": GE, "east": GE, "north": SIEMENS, "west": make_data_card([])}
    flower.nodes = {5 + i: FakeSite(name, card=card) for i, (name, card) in enumerate(cards.items())}
    roll_call.wait_for(4, timeout_s=20)
    distances = {pair: row.distance for pair, row in shifts(store).items()}
    told = {("east", "north"): 1.0, ("east", "south"): 0.0, ("north", "south"): 1.0}
    assert distances == told | dict.fromkeys([("east", "west"), ("north", "west"), ("south", "west")])
    assert 0 < (shifts(store)["east", "north"].by_chance or 0) < 1
    assert len(store.get(DataShiftRow)) == 6 * len(BINS)


def test_only_pairs_of_a_site_with_a_new_card_are_compared_anew(
    flower: FakeGrid, roll_call: RollCall, store: SqliteStore
) -> None:
    flower.nodes = {5: FakeSite("east", card=GE), 6: FakeSite("north", card=GE)}
    roll_call.wait_for(2, timeout_s=20)
    flower.nodes[7] = FakeSite("south", card=GE)
    roll_call.wait_for(3, timeout_s=20)
    first = shifts(store)
    flower.nodes[8] = FakeSite("south", card=SIEMENS)  # it is back, with other data
    call_all(roll_call)
    roll_call.wait_for(3, timeout_s=20)
    assert shifts(store)["east", "north"] == first["east", "north"]
    assert (first["east", "south"].distance, shifts(store)["east", "south"].distance) == (0, 1)


def test_clock_of_a_site_is_learned_when_it_prepares(
    flower: FakeGrid, roll_call: RollCall, store: SqliteStore
) -> None:
    flower.nodes = {5: FakeSite("north", clock_ahead_s=60)}
    call_all(roll_call)
    recorder = roll_call._recorder
    recorder.start_round(1, ["north"], bytes_down=0)
    sent_at_s = store.get(SiteRoundRow)[0].train_sent_at.timestamp()
    update = TrainReply(TaskId("r1", 1), {}, num_examples=1, loss=0, train_s=0, began_at_s=sent_at_s + 60.001)
    sleep(0.2)  # this answer alone would put the begin at 0.1 s
    recorder.keep_trained("north", update, bytes_up=0)
    began_at = store.get(SiteRoundRow)[0].train_began_at
    assert began_at
    assert began_at.timestamp() - sent_at_s < 0.06


def say(store: SqliteStore, *, is_allowed: bool, site: str = "north") -> None:
    store.put([SiteAccessRow(site, is_allowed, "anna", utc_now())])


def test_site_that_is_shut_out_is_not_admitted(
    flower: FakeGrid, grid: PromptGrid, roll_call: RollCall, store: SqliteStore
) -> None:
    say(store, is_allowed=False)
    flower.nodes = {5: FakeSite("north"), 6: FakeSite("south")}
    call_all(roll_call)
    assert flower.types_sent_to(5) == [messages.JOIN, messages.REFUSE]
    reason = messages.unpack_reason([m for m in flower.sent if m.metadata.dst_node_id == 5][-1].content)
    assert reason == "The coordinator does not let site 'north' take part. Ask who runs it."
    assert list(grid.get_node_ids()) == [6]


def test_site_that_is_shut_out_is_used_until_the_round_is_over(
    flower: FakeGrid, grid: PromptGrid, roll_call: RollCall, store: SqliteStore
) -> None:
    flower.nodes = {5: FakeSite("north"), 6: FakeSite("south")}
    roll_call.wait_for(2, timeout_s=20)
    say(store, is_allowed=False)
    call_all(roll_call)
    assert list(grid.get_node_ids()) == [5, 6]
    assert presence(store)["north"] == "revoked"
    roll_call.wait_for(1, timeout_s=20)
    assert list(grid.get_node_ids()) == [6]
    assert flower.types_sent_to(5) == [messages.JOIN, messages.PREPARE]


def test_site_that_is_let_in_again_is_used_from_the_next_round(
    flower: FakeGrid, grid: PromptGrid, roll_call: RollCall, store: SqliteStore
) -> None:
    flower.nodes = {5: FakeSite("north"), 6: FakeSite("south")}
    roll_call.wait_for(2, timeout_s=20)
    say(store, is_allowed=False)
    roll_call.wait_for(1, timeout_s=20)
    say(store, is_allowed=True)
    roll_call.wait_for(2, timeout_s=20)
    assert list(grid.get_node_ids()) == [5, 6]
    assert flower.types_sent_to(5) == [messages.JOIN, messages.PREPARE]


def test_site_that_is_shut_out_does_not_count_as_ready(
    flower: FakeGrid, roll_call: RollCall, store: SqliteStore
) -> None:
    flower.nodes = {5: FakeSite("north"), 6: FakeSite("south")}
    call_all(roll_call)
    say(store, is_allowed=False)
    with pytest.raises(RunFailedError, match="ready were: south"):
        roll_call.wait_for(2, timeout_s=0.05)


def test_time_in_a_pause_is_not_waited_for(
    flower: FakeGrid, grid: PromptGrid, roll_call: RollCall, store: SqliteStore
) -> None:
    store.put([RunRequestRow("r1", RunRequest.PAUSE, "anna", utc_now())])

    def join_and_resume() -> None:
        sleep(0.2)  # longer than it would wait
        flower.nodes = {5: FakeSite("north")}
        call_all(roll_call)
        store.put([RunRequestRow("r1", RunRequest.RESUME, "anna", utc_now())])
        roll_call.tick()

    grid.on_tick = join_and_resume
    roll_call.wait_for(1, timeout_s=0.1)
    assert [row.state for row in store.get(RunRow)] == [RunState.WAITING]


def test_site_that_goes_while_it_joins_has_not_failed_and_is_asked_when_it_is_back(
    flower: FakeGrid, roll_call: RollCall, store: SqliteStore
) -> None:
    flower.nodes = {5: FakeSite("north", instead={messages.PREPARE: None})}
    call_all(roll_call)
    del flower.nodes[5]
    call_all(roll_call)
    assert events(store, "site_failed") == []
    flower.nodes[5] = FakeSite("north")
    call_all(roll_call)
    assert roll_call.ready_nodes() == {"north": 5}


def test_question_that_flower_has_lost_is_asked_again(flower: FakeGrid, roll_call: RollCall) -> None:
    flower.nodes = {5: FakeSite("north", instead={messages.JOIN: Error(3, "lost")})}
    call_all(roll_call, 2)
    flower.nodes[5] = FakeSite("north")
    call_all(roll_call)
    assert roll_call.ready_nodes() == {"north": 5}
