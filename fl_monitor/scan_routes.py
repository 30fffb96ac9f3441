"""The routes of the Scan page that give something: how far scans are, slices to look at, and results.

Everybody, coordinators too, gets their own scans only. The browser keeps nothing: what was deleted is gone.
"""

import gzip
import re
from collections.abc import Callable
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from fl_monitor.language import gettext as _
from fl_monitor.language import speaking
from fl_monitor.replies import NO_STORE, Reply, attachment, language_of, refuse
from fl_monitor.scan_folder import Upload
from fl_monitor.scan_models import offer_models
from fl_monitor.scan_plan import ScanRefusedError
from fl_monitor.scan_slices import list_files, read_slice, read_view
from fl_monitor.scan_words import describe_desk, describe_scans, describe_view
from fl_monitor.service import Service
from fl_store.rows import UploadRow, UserRow, utc_now
from fl_store.run_rows import CheckpointRow, RunRow

TABLES = (CheckpointRow, RunRow, UploadRow)

Show = Callable[[Request, Upload, Path], Response]


def scan_replies(service: Service) -> dict[str, Reply]:
    """Return the answers by their paths."""
    return {
        "/api/scans": _list_reply(service),
        "/api/scans/{upload_id}/view": _of_own_scan(service, _view_reply),
        "/api/scans/{upload_id}/slices/{plane}/{number}": _of_own_scan(service, _slice_reply),
        "/api/scans/{upload_id}/files/{name}": _of_own_scan(service, _file_reply),
    }


def _list_reply(service: Service) -> Reply:
    def reply(request: Request, user: UserRow) -> Response:
        snapshot = service.poller.latest(TABLES)
        if snapshot is None:
            return Response(status_code=503, headers=NO_STORE)
        with speaking(language_of(request)):
            models = offer_models(snapshot.table(CheckpointRow), snapshot.table(RunRow), service.home)
            scans = describe_scans(service.scans, user.name, snapshot.table(UploadRow))
            told = describe_desk(service.scans.limits, models) | {"scans": scans}
            return JSONResponse(told, headers=NO_STORE)

    return reply


def _of_own_scan(service: Service, show: Show) -> Reply:
    """Let a route show a user's own scan that has been searched, and note that it was looked at."""
    desk = service.scans

    def reply(request: Request, user: UserRow) -> Response:
        with speaking(language_of(request)):
            try:
                upload = desk.find_searched(user.name, request.path_params["upload_id"])
                desk.folder.look_at(upload, utc_now())
                return show(request, upload, desk.folder.path_of(upload.upload_id))
            except ScanRefusedError as error:
                return refuse(error.status, str(error))
            except FileNotFoundError:  # it was deleted at this very moment
                return refuse(404, _("There is no such scan, or it has been deleted."))

    return reply


def _view_reply(_request: Request, _upload: Upload, folder: Path) -> Response:
    return JSONResponse(describe_view(read_view(folder), list_files(folder)), headers=NO_STORE)


def _slice_reply(request: Request, _upload: Upload, folder: Path) -> Response:
    plane, number = request.path_params["plane"], request.path_params["number"]
    pixels = read_slice(folder, plane, int(number)) if re.fullmatch("[0-9]{1,5}", number) else None
    if pixels is None:
        return refuse(404, _("There is no such slice."))
    packed = gzip.compress(pixels, compresslevel=1)
    headers = NO_STORE | {"content-encoding": "gzip"}
    return Response(packed, media_type="application/octet-stream", headers=headers)


def _file_reply(request: Request, upload: Upload, folder: Path) -> Response:
    name = request.path_params["name"]
    if name not in list_files(folder):
        return refuse(404, _("There is no such result."))
    number = upload.row.label.split(",")[0].replace(" ", "-")
    headers = attachment(f"fedluna-{number}-research-use-only-{name}")
    return FileResponse(folder / "out" / name, media_type="application/octet-stream", headers=headers)
