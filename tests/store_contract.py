"""What every store promises; the tests of a store inherit ``StoreContract`` and give a ``store``."""

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from fl_core.errors import RowRefusedError, StoreError
from fl_store.base import Store
from fl_store.metrics import Curve, Metric, NotFinite
from fl_store.rows import (
    AuditRow,
    ComparisonRow,
    DataCardRow,
    DataShiftRow,
    EventRow,
    LoginAttemptRow,
    PresenceRow,
    Row,
    SessionRow,
    SiteAccessRow,
    SiteRow,
    UploadRow,
    UserRow,
)
from fl_store.run_rows import (
    CheckpointRow,
    CurveRow,
    MetricRow,
    RoundRow,
    RunRequestRow,
    RunRow,
    SiteRoundRow,
)
from fl_store.words import PresenceKind, Role, RunRequest, RunState, SiteRoundState, UploadState

NOON = datetime(2026, 3, 29, 12, 0, 0, 123456, tzinfo=UTC)
SECOND = timedelta(seconds=1)

HASH = "$2b$12$" + "a" * 53
RUN = RunRow("r1", "Run", RunState.RUNNING, 5, {"data": {"hu_min": -1000}, "subsets": [1, 2]}, NOON)
SITE = SiteRow("north", str(2**63), 7, 2, NOON, NOON, version="0.2.0")
ACCESS = SiteAccessRow("north", is_allowed=False, changed_by="dora", changed_at=NOON, reason="Moves house.")
USER = UserRow("anna", HASH, Role.CLIENT, "north", is_disabled=True, created_at=NOON, changed_at=NOON)
SITE_ROUND = SiteRoundRow(
    "r1",
    1,
    "north",
    SiteRoundState.TRAINED,
    NOON,
    NOON,
    train_s=1.25,
    bytes_up=2**40,
    train_began_at=NOON + SECOND,
)
REQUEST = RunRequestRow("r1", RunRequest.PAUSE, "dora", NOON, request_id="q1")
METRIC = MetricRow("r1", 1, "north", Metric.AUC, 0.1 + 0.2, 120, NOON)
PRESENCE = PresenceRow(PresenceKind.SITE, "north", "training", NOON)
SESSION = SessionRow("token hash", "anna", NOON, NOON, NOON + SECOND)
SHIFT = DataShiftRow("north", "south", "spacing_mm", 0.25, None, NOON)
COMPARISON = ComparisonRow("ab", {"seeds": [1, 2], "gain": {"north": None}}, NOON)
RELIABILITY = {"mean_probability": [0.1, 0.9], "share_positive": [0.0, 0.75], "num_examples": [90, 30]}
CURVE = CurveRow("r1", 1, "north", Curve.RELIABILITY, RELIABILITY, NOON)
UPLOAD = UploadRow("u1", "anna", "scan 3, .nii.gz", 2**40, 2**39, UploadState.UPLOADING, NOON, NOON)
EVENT = EventRow("round", "Round 1 is over.", run_id="r1", occurred_at=NOON, event_id="e1")
AUDIT = AuditRow("c1", 1, "events", '{"kind":"run"}', NOON, "0" * 64, "f" * 64)
EVERY_KIND: list[Row] = [
    SITE,
    ACCESS,
    USER,
    SESSION,
    LoginAttemptRow("anna", "192.0.2.7", is_accepted=False, attempted_at=NOON, attempt_id="a1"),
    RUN,
    REQUEST,
    DataCardRow("north", {"train_scans": 7, "diameters_mm": {"3-6": None}}, NOON),
    SHIFT,
    COMPARISON,
    RoundRow("r1", 1, NOON, NOON + SECOND),
    SITE_ROUND,
    METRIC,
    CURVE,
    CheckpointRow("r1", "best", 1, "best.safetensors", "ab", 2**40, None, 0.5, NOON),
    PRESENCE,
    UPLOAD,
    EVENT,
    AUDIT,
]


class StoreContract:
    """Facts that hold for every store."""

    @pytest.mark.parametrize("row", EVERY_KIND, ids=lambda row: type(row).__name__)
    def test_row_comes_back_as_it_was(self, store: Store, row: Row) -> None:
        store.put([row])
        (found,) = store.get(type(row))
        assert found == row
        assert [type(value) for value in vars(found).values()] == [
            type(value) for value in vars(row).values()
        ]

    @pytest.mark.parametrize("row", EVERY_KIND, ids=lambda row: type(row).__name__)
    def test_replay_changes_nothing(self, store: Store, row: Row) -> None:
        store.put([row])
        store.put([row, row])
        assert store.get(type(row)) == [row]

    def test_new_store_is_empty(self, store: Store) -> None:
        assert all(store.get(type(row)) == [] for row in EVERY_KIND)

    def test_nothing_to_put_is_no_error(self, store: Store) -> None:
        store.put([])

    def test_row_with_a_known_key_replaces_the_one_before(self, store: Store) -> None:
        store.put([RUN])
        finished = replace(RUN, state=RunState.FINISHED, ended_at=NOON)
        store.put([finished])
        assert store.get(RunRow) == [finished]

    def test_of_one_key_twice_in_a_put_the_last_counts(self, store: Store) -> None:
        store.put([METRIC, replace(METRIC, value=0.5)])
        assert [row.value for row in store.get(MetricRow)] == [0.5]

    def test_undefined_metric_is_none(self, store: Store) -> None:
        store.put([METRIC])
        store.put([replace(METRIC, value=None, num_examples=None)])
        assert [(row.value, row.num_examples) for row in store.get(MetricRow)] == [(None, None)]

    def test_event_is_never_changed(self, store: Store) -> None:
        store.put([EVENT])
        store.put([replace(EVENT, text="Nothing happened.")])
        assert store.get(EventRow) == [EVENT]

    def test_audit_entry_is_never_changed(self, store: Store) -> None:
        store.put([AUDIT])
        store.put([replace(AUDIT, document="{}")])
        assert store.get(AuditRow) == [AUDIT]

    def test_request_is_never_changed(self, store: Store) -> None:
        store.put([REQUEST])
        store.put([replace(REQUEST, request=RunRequest.STOP, requested_at=NOON + SECOND)])
        assert store.get(RunRequestRow) == [REQUEST]

    def test_session_that_was_ended_stays_ended(self, store: Store) -> None:
        store.put([replace(SESSION, ended_at=NOON)])
        store.put([replace(SESSION, ended_at=None)])
        assert store.get(SessionRow)[0].ended_at == NOON

    def test_ended_session_stays_ended(self, store: Store) -> None:
        session = SessionRow("token hash", "anna", NOON, NOON, NOON + SECOND)
        store.put([session])
        store.put([replace(session, ended_at=NOON)])
        store.put([replace(session, seen_at=NOON + SECOND)])
        assert store.get(SessionRow) == [replace(session, seen_at=NOON + SECOND, ended_at=NOON)]

    def test_presence_never_moves_back(self, store: Store) -> None:
        store.put([PRESENCE])
        store.put([replace(PRESENCE, state="ready", last_seen_at=NOON - SECOND)])
        assert store.get(PresenceRow) == [PRESENCE]

    def test_presence_moves_on(self, store: Store) -> None:
        later = replace(PRESENCE, state="ready", last_seen_at=NOON + SECOND)
        store.put([PRESENCE, later])
        assert store.get(PresenceRow) == [later]

    def test_presence_of_a_site_and_of_a_user_of_that_name_are_two(self, store: Store) -> None:
        user = replace(PRESENCE, kind=PresenceKind.USER)
        store.put([PRESENCE, user])
        assert store.get(PresenceRow, kind=PresenceKind.USER) == [user]
        assert len(store.get(PresenceRow, name="north")) == 2

    @pytest.mark.parametrize(
        "bad_row",
        [
            replace(SITE_ROUND, train_sent_at=None),
            replace(METRIC, recorded_at=datetime(2026, 1, 1)),  # noqa: DTZ001 - to be refused
            replace(RUN, state="resting"),
        ],
        ids=["missing value", "naive time", "unknown word"],
    )
    def test_put_keeps_all_rows_or_none(self, store: Store, bad_row: Row) -> None:
        with pytest.raises(StoreError):
            store.put([EVENT, PRESENCE, bad_row])
        assert store.get(EventRow) == store.get(PresenceRow) == store.get(type(bad_row)) == []

    def test_time_without_a_zone_is_refused_with_the_reason(self, store: Store) -> None:
        naive = datetime(2026, 1, 1)  # noqa: DTZ001 - to be refused
        with pytest.raises(StoreError, match="2026-01-01 00:00:00 has no time zone"):
            store.put([replace(PRESENCE, last_seen_at=naive)])

    def test_time_of_any_zone_comes_back_in_utc(self, store: Store) -> None:
        there = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))
        store.put([replace(PRESENCE, last_seen_at=there)])
        (found,) = store.get(PresenceRow)
        assert found.last_seen_at == NOON
        assert found.last_seen_at.utcoffset() == timedelta(0)

    def test_rows_are_found_by_the_value_of_their_columns(self, store: Store) -> None:
        rows = [
            replace(METRIC, round_no=round_no, site=site)
            for round_no in (1, 2)
            for site in ("north", "south")
        ]
        store.put(rows)
        assert store.get(MetricRow, site="south", round_no=2) == [rows[3]]
        assert store.get(MetricRow, site="north", metric=Metric.AUC) == [rows[0], rows[2]]
        assert store.get(MetricRow, site="nowhere") == []

    def test_rows_are_found_by_a_column_without_value(self, store: Store) -> None:
        store.put([EVENT, replace(EVENT, event_id="e2", run_id=None)])
        assert [row.event_id for row in store.get(EventRow, run_id=None)] == ["e2"]

    def test_rows_come_oldest_first_however_they_were_put(self, store: Store) -> None:
        times = [NOON + minutes * 60 * SECOND for minutes in (3, 1, 2)]
        store.put([replace(EVENT, event_id=str(time), occurred_at=time) for time in times])
        assert [row.occurred_at for row in store.get(EventRow)] == sorted(times)

    def test_newest_keeps_the_last_oldest_first(self, store: Store) -> None:
        store.put([replace(METRIC, round_no=round_no) for round_no in (10, 9, 2, 1)])
        assert [row.round_no for row in store.get(MetricRow, newest=2)] == [9, 10]
        assert [row.round_no for row in store.get(MetricRow, newest=99)] == [1, 2, 9, 10]

    def test_several_thousand_rows_come_back(self, store: Store) -> None:
        rows = [replace(METRIC, round_no=round_no) for round_no in range(2500)]
        store.put(rows)
        assert store.get(MetricRow) == rows

    def test_threads_may_write_at_once(self, store: Store) -> None:
        rows: list[Any] = [replace(METRIC, round_no=round_no) for round_no in range(40)]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda row: store.put([row]), rows))
        assert store.get(MetricRow) == rows

    def test_words_of_others_are_data_not_commands(self, store: Store) -> None:
        text = "Robert'); DROP TABLE events;-- \n\N{GREEK SMALL LETTER ALPHA}"
        store.put([replace(EVENT, text=text)])
        assert store.get(EventRow, text=text)[0].text == text

    def test_what_postgres_cannot_hold_in_a_text_becomes_a_replacement_character(self, store: Store) -> None:
        store.put([replace(EVENT, text="cut\0off\ud800")])
        assert store.get(EventRow)[0].text.startswith(
            "cut\N{REPLACEMENT CHARACTER}off\N{REPLACEMENT CHARACTER}"
        )

    @pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
    def test_number_that_is_not_finite_is_refused(self, store: Store, value: float) -> None:
        with pytest.raises(RowRefusedError, match=f"number is {value}, expected a finite one"):
            store.put([replace(METRIC, value=value)])

    def test_metric_that_was_not_finite_says_what_it_was(self, store: Store) -> None:
        row = replace(METRIC, value=None, not_finite=NotFinite.INFINITE)
        store.put([row])
        assert store.get(MetricRow) == [row]

    def test_metric_has_a_value_or_was_not_finite(self, store: Store) -> None:
        with pytest.raises(RowRefusedError, match="not_finite_has_no_value"):
            store.put([replace(METRIC, not_finite=NotFinite.NAN)])

    def test_password_that_is_no_hash_is_refused(self, store: Store) -> None:
        with pytest.raises(RowRefusedError, match="is_bcrypt"):
            store.put([replace(USER, password_hash="correct horse battery")])

    def test_first_visit_of_a_site_stays(self, store: Store) -> None:
        store.put([SITE])
        store.put([replace(SITE, first_seen_at=NOON + SECOND, joined_at=NOON + SECOND)])
        assert store.get(SiteRow) == [replace(SITE, joined_at=NOON + SECOND)]

    def test_account_never_moves_back(self, store: Store) -> None:
        disabled = replace(USER, is_disabled=True, changed_at=NOON + SECOND)
        store.put([disabled])
        store.put([replace(USER, is_disabled=False)])
        assert store.get(UserRow) == [disabled]

    def test_access_of_a_site_never_moves_back(self, store: Store) -> None:
        store.put([ACCESS])
        store.put([replace(ACCESS, is_allowed=True, changed_at=NOON - SECOND)])
        assert store.get(SiteAccessRow) == [ACCESS]

    def test_access_of_a_site_moves_on(self, store: Store) -> None:
        later = replace(ACCESS, is_allowed=True, changed_at=NOON + SECOND, reason=None)
        store.put([ACCESS, later])
        assert store.get(SiteAccessRow) == [later]

    def test_upload_never_moves_back(self, store: Store) -> None:
        done = replace(UPLOAD, state=UploadState.DONE, changed_at=NOON + SECOND)
        store.put([done])
        store.put([UPLOAD])
        assert store.get(UploadRow) == [done]

    def test_upload_moves_on(self, store: Store) -> None:
        later = replace(UPLOAD, num_bytes_received=2**40, changed_at=NOON + SECOND)
        store.put([UPLOAD, later])
        assert store.get(UploadRow) == [later]

    def test_what_is_found_out_again_replaces_what_was_known(self, store: Store) -> None:
        store.put([CURVE, SHIFT, COMPARISON])
        again: list[Row] = [
            replace(CURVE, points={}, recorded_at=NOON - SECOND),
            replace(SHIFT, distance=0.5, recorded_at=NOON - SECOND),
            replace(COMPARISON, document={}, added_at=NOON - SECOND),
        ]
        store.put(again)
        assert [row for kept in again for row in store.get(type(kept))] == again

    def test_session_is_never_seen_earlier_than_before(self, store: Store) -> None:
        store.put([replace(SESSION, seen_at=NOON + SECOND)])
        store.put([SESSION])
        assert store.get(SessionRow)[0].seen_at == NOON + SECOND
