"""The route that gives a model file: only the one that its row describes, and never unseen."""

import hashlib
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from fl_monitor.language import gettext as _
from fl_monitor.language import speaking
from fl_monitor.replies import Reply, attachment, language_of, refuse
from fl_monitor.service import Service
from fl_monitor.views.models import MAY_DOWNLOAD, why_not_for_analysts
from fl_store.base import Store
from fl_store.rows import EventRow, UserRow
from fl_store.run_rows import CheckpointRow

CHUNK_BYTES = 1 << 20


def model_replies(service: Service) -> dict[str, Reply]:
    """Return the answer by its path."""

    def reply(request: Request, user: UserRow) -> Response:
        with speaking(language_of(request)):
            if user.role not in MAY_DOWNLOAD:
                return refuse(403, why_not_for_analysts())
            return _send_model(service, user, request.path_params["run_id"], request.path_params["kind"])

    return {"/api/models/{run_id}/{kind}": reply}


def open_model(home: Path, row: CheckpointRow) -> BufferedReader | None:
    """Open a model's file; None if it is not there, or would lie outside its run's folder.

    Neither a row nor a link on disk leads out of the folder: rows may come from Supabase, to which others
    have the key.
    """
    runs = (home / "runs").resolve()
    try:
        path = (runs / row.run_id / row.file_name).resolve()
        is_own = path.parent == runs / row.run_id and path.parent.parent == runs
        return path.open("rb") if is_own and path.is_file() else None
    except (OSError, ValueError, RuntimeError):  # no right to read, no possible name, or links in a circle
        return None


def _send_model(service: Service, user: UserRow, run_id: str, kind: str) -> Response:
    found = service.store.get(CheckpointRow, run_id=run_id, kind=kind)
    if not found:
        return refuse(404, _("There is no model {kind} of run {run_id}.").format(kind=kind, run_id=run_id))
    (row,) = found
    file = open_model(service.home, row)
    if file is None:
        return refuse(404, _("This model's file is not here: it is on the coordinator's machine."))
    if hashlib.file_digest(file, "sha256").hexdigest() != row.sha256:
        file.close()
        return refuse(409, _changed_text())
    _note_download(service.store, user, row)
    return _stream(file, row)


def _changed_text() -> str:
    return _(
        "This model's file is not the one that was written down: its sha256 differs. If the run goes on, try "
        "again in a moment; otherwise somebody has changed the file."
    )


def _note_download(store: Store, user: UserRow, row: CheckpointRow) -> None:
    text = f"The {row.kind} model of round {row.round_no} was downloaded, sha256 {row.sha256}."
    store.put([EventRow("download", text, run_id=row.run_id, user=user.name)])


def _stream(file: BufferedReader, row: CheckpointRow) -> Response:
    """Send the very file that was checked, even if a newer model takes its place meanwhile."""
    num_bytes = file.tell()
    file.seek(0)

    def read_chunks() -> Iterator[bytes]:
        with file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk

    headers = attachment(f"fedluna-{row.run_id}-{row.kind}.safetensors") | {"content-length": str(num_bytes)}
    return StreamingResponse(read_chunks(), media_type="application/octet-stream", headers=headers)
