import asyncio
import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from fl_monitor.exports import CSV_COLUMNS, make_csv, make_harmless, make_json
from fl_monitor.library import read_run
from fl_monitor.routes import COOKIE, make_routes
from fl_monitor.service import Service, make_service
from fl_monitor.snapshot import RunRows
from fl_store.accounts import add_user
from fl_store.metrics import FEDERATION, Metric, NotFinite
from fl_store.rows import utc_now
from fl_store.run_rows import MetricRow, RunRow
from fl_store.sqlite import SqliteStore
from fl_store.words import Role, RunState

EVIL = "=cmd|' /C calc'!A0"


def number(metric: Metric, value: float | None, *, site: str = FEDERATION, **more: Any) -> MetricRow:
    return MetricRow("run-1", 1, site, metric, value, 360, utc_now(), **more)


def rows(*metrics: MetricRow, name: str = "Rehearsal") -> RunRows:
    run = RunRow("run-1", name, RunState.FINISHED, 1, {}, utc_now(), utc_now())
    return RunRows(run, metrics=metrics)


def read_lines(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_csv_has_a_line_for_each_number_with_n_and_interval() -> None:
    found = number(Metric.AUC, 0.9375, interval_low=0.875, interval_high=0.984375)
    (line,) = read_lines(make_csv([rows(found)]))
    assert tuple(line) == CSV_COLUMNS
    assert list(line.values()) == [
        "run-1",
        "Rehearsal",
        "1",
        "*",
        "auc",
        "0.9375",
        "360",
        "0.875",
        "0.984375",
        "",
    ]


def test_csv_is_in_order_of_round_site_and_metric() -> None:
    later = replace(number(Metric.AUC, 0.5), round_no=2)
    found = [later, number(Metric.CPM, 0.5, site="north"), number(Metric.CPM, 0.5), number(Metric.AUC, 0.5)]
    lines = read_lines(make_csv([rows(*found)]))
    places = [(line["round_no"], line["site"], line["metric"]) for line in lines]
    assert places == [("1", "*", "auc"), ("1", "*", "cpm"), ("1", "north", "cpm"), ("2", "*", "auc")]


def test_number_without_a_value_is_empty_and_says_what_it_was() -> None:
    (line,) = read_lines(make_csv([rows(number(Metric.TRAIN_LOSS, None, not_finite=NotFinite.NAN))]))
    assert (line["value"], line["not_finite"]) == ("", "nan")


@pytest.mark.parametrize(
    "text", [EVIL, "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\nx", '=HYPERLINK("http://x")']
)
def test_text_that_a_spreadsheet_would_run_gets_an_apostrophe(text: str) -> None:
    (line,) = read_lines(make_csv([rows(number(Metric.AUC, 0.5), name=text)]))
    assert line["run_name"] == f"'{text}"


def test_line_break_in_a_name_begins_no_line_of_its_own() -> None:
    lines = read_lines(make_csv([rows(number(Metric.AUC, 0.5), name=f"x\r{EVIL}\n{EVIL}")]))
    assert len(lines) == 1


@pytest.mark.parametrize("cell", [-0.25, 1, None, "Rehearsal", "a=b", "north-east"])
def test_number_and_harmless_text_stay_as_they_are(cell: Any) -> None:
    assert make_harmless(cell) == cell


def test_json_says_the_same_numbers_by_run() -> None:
    found = [number(Metric.AUC, 0.9375), number(Metric.TRAIN_LOSS, None, not_finite=NotFinite.INFINITE)]
    (run,) = json.loads(make_json([rows(*found, name="Übung")], utc_now()))["runs"]
    assert (run["run_id"], run["name"], run["state"]) == ("run-1", "Übung", "finished")
    assert [line["value"] for line in run["metrics"]] == [0.9375, None]
    assert run["metrics"][1]["not_finite"] == "inf"


class Visitor:
    """A browser's side of HTTP, signed in or not."""

    def __init__(self, service: Service) -> None:
        self.service = service
        app = Starlette(routes=make_routes(service))
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://monitor")

    def sign_in(self, role: Role, site: str | None = None) -> None:
        user = add_user(self.service.store, "anna", "correct horse", role=role, site=site)
        self.http.cookies.set(COOKIE, self.service.sessions.start(user, utc_now()))

    def export(self, ending: str, *ids: str) -> httpx.Response:
        params = {"p_runs": ",".join(ids)}
        return asyncio.run(self.http.get(f"/api/export/runs.{ending}", params=params))

    def export_lines(self, *ids: str) -> list[dict[str, str]]:
        response = self.export("csv", *ids)
        assert response.status_code == 200
        return read_lines(response.text)


@pytest.fixture
def visitor(store: SqliteStore, rehearsal: Any, tmp_path: Path) -> Iterator[Visitor]:
    """A visitor of two runs, of which the first has had two rounds."""
    rehearsal.start(RunState.FINISHED)
    for round_no in (1, 2):
        rehearsal.play_round(round_no)
    store.put([replace(rehearsal.run, run_id="run-2", name=EVIL)])
    store.put([replace(number(Metric.AUC, 0.5), run_id="run-2")])
    service = make_service(store, tmp_path)
    yield Visitor(service)
    service.poller.stop()


def sites(lines: Sequence[dict[str, str]]) -> set[str]:
    return {line["site"] for line in lines}


@pytest.mark.parametrize("ending", ["csv", "json"])
def test_without_a_session_nothing_is_exported(visitor: Visitor, ending: str) -> None:
    response = visitor.export(ending, "run-1")
    assert (response.status_code, response.text) == (401, "")


@pytest.mark.parametrize("role", [Role.SERVER, Role.ANALYST])
def test_coordinator_and_analyst_export_every_number(visitor: Visitor, role: Role) -> None:
    visitor.sign_in(role)
    lines = visitor.export_lines("run-1")
    assert len(lines) == len(visitor.service.store.get(MetricRow, run_id="run-1"))
    assert sites(lines) == {"*", "east", "north", "south"}


@pytest.mark.parametrize("ending", ["csv", "json"])
def test_hospital_exports_no_other_by_name(visitor: Visitor, ending: str) -> None:
    visitor.sign_in(Role.CLIENT, "north")
    text = visitor.export(ending, "run-1").text
    assert "north" in text
    assert "east" not in text
    assert "south" not in text


def test_hospital_exports_of_a_peer_the_scores_without_n(visitor: Visitor) -> None:
    visitor.sign_in(Role.CLIENT, "north")
    lines = visitor.export_lines("run-1")
    assert sites(lines) == {"*", "north", "~1", "~2"}
    of_peers = [line for line in lines if line["site"].startswith("~")]
    assert {line["metric"] for line in of_peers} == {"auc", "cpm", "train_loss", "validation_loss"}
    assert {line["num_examples"] for line in of_peers} == {""}


def test_file_is_named_after_its_runs_and_not_kept(visitor: Visitor) -> None:
    visitor.sign_in(Role.ANALYST)
    headers = visitor.export("json", "run-1", "run-2").headers
    assert headers["content-disposition"] == 'attachment; filename="fedluna-run-1-run-2.json"'
    assert headers["cache-control"] == "no-store"
    assert headers["content-type"] == "application/json"


def test_two_runs_come_in_one_file_and_a_formula_as_text(visitor: Visitor) -> None:
    visitor.sign_in(Role.ANALYST)
    lines = visitor.export_lines("run-1", "run-2")
    assert {line["run_id"]: line["run_name"] for line in lines} == {
        "run-1": "Rehearsal",
        "run-2": f"'{EVIL}",
    }


def test_id_cannot_break_out_of_the_file_name(visitor: Visitor, rehearsal: Any) -> None:
    strange = '../x"\r\nset-cookie: a=b;é'
    visitor.service.store.put([replace(rehearsal.run, run_id=strange)])
    visitor.sign_in(Role.ANALYST)
    headers = visitor.export("csv", strange).headers
    named = 'attachment; filename="fedluna-.._x___set-cookie__a_b__.csv"'
    assert headers["content-disposition"] == named
    assert "set-cookie" not in headers


@pytest.mark.parametrize(
    ("ids", "status", "sentence"),
    [
        ([], 400, "Name one to 5 runs"),
        (["a", "b", "c", "d", "e", "f"], 400, "Name one to 5 runs"),
        (["x" * 401], 400, "Name one to 5 runs"),
        (["run-1", "gone"], 404, "There is no run gone, or no longer."),
    ],
)
def test_address_that_names_no_runs_is_refused_in_words(
    visitor: Visitor, ids: list[str], status: int, sentence: str
) -> None:
    visitor.sign_in(Role.ANALYST)
    response = visitor.export("csv", *ids)
    assert response.status_code == status
    assert sentence in response.text


def test_lost_store_is_503(visitor: Visitor, tmp_path: Path) -> None:
    visitor.sign_in(Role.ANALYST)
    visitor.service.store.close()
    for path in tmp_path.glob("fedluna.db*"):
        path.unlink()
    (tmp_path / "fedluna.db").write_bytes(b"not a database" * 400)
    assert visitor.export("csv", "run-1").status_code == 503


def test_whole_run_of_a_store_is_what_is_exported(visitor: Visitor) -> None:
    found = read_run(visitor.service.store, "run-1")
    visitor.sign_in(Role.SERVER)
    assert found is not None
    assert visitor.export("csv", "run-1").text == make_csv([found])
