"""The routes that give the numbers of runs as files, of each role what its pages show."""

from collections.abc import Callable, Mapping, Sequence

from starlette.requests import Request
from starlette.responses import Response

from fl_monitor.access import limit_runs
from fl_monitor.exports import make_csv, make_json, name_export
from fl_monitor.language import gettext as _
from fl_monitor.language import speaking
from fl_monitor.library import MOST_COMPARED, ChosenRuns, named_ids, read_run
from fl_monitor.replies import Reply, attachment, language_of, read_params, refuse
from fl_monitor.service import Service
from fl_monitor.snapshot import RunRows
from fl_monitor.viewer import Viewer
from fl_store.rows import UserRow, utc_now

Write = Callable[[Sequence[RunRows]], str]


def export_replies(service: Service) -> dict[str, Reply]:
    """Return the answers by their paths."""
    return {
        "/api/export/runs.csv": _export(service, make_csv, "csv", "text/csv"),
        "/api/export/runs.json": _export(
            service, lambda runs: make_json(runs, utc_now()), "json", "application/json"
        ),
    }


def _export(service: Service, write: Write, ending: str, media_type: str) -> Reply:
    def reply(request: Request, user: UserRow) -> Response:
        with speaking(language_of(request)):
            found = _find_runs(service, read_params(request))
            if isinstance(found, Response):
                return found
            snapshot = service.poller.latest()
            if snapshot is None:
                return refuse(503, _("The store cannot be read at the moment."))
        runs = limit_runs(Viewer.of(user), ChosenRuns(compared=found), snapshot).compared
        headers = attachment(name_export(runs, ending))
        return Response(write(runs), media_type=media_type, headers=headers)

    return reply


def _find_runs(service: Service, params: Mapping[str, str]) -> tuple[RunRows, ...] | Response:
    """Read the runs that an address names, or say what is wrong with it."""
    ids = named_ids(params)
    if not 1 <= len(ids) <= MOST_COMPARED:
        sentence = _("Name one to {number} runs, as in {example}.")
        return refuse(400, sentence.format(number=MOST_COMPARED, example="?p_runs=ID,ID"))
    found = {run_id: read_run(service.store, run_id) for run_id in ids}
    if missing := [run_id for run_id, rows in found.items() if rows is None]:
        return refuse(404, _("There is no run {run_id}, or no longer.").format(run_id=", ".join(missing)))
    return tuple(rows for rows in found.values() if rows)
