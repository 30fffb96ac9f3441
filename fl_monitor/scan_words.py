"""What the Scan page is told of a user's scans: each one's state, how far it is, and what can be done."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from fl_monitor.language import gettext as _
from fl_monitor.scan_desk import OPEN_STATES, ScanDesk
from fl_monitor.scan_folder import Upload
from fl_monitor.scan_jobs import read_progress_of
from fl_monitor.scan_limits import GB, ScanLimits
from fl_monitor.scan_models import OfferedModel
from fl_monitor.scan_slices import View
from fl_monitor.views.activity import UPLOAD_TONES, received_text, upload_state_text
from fl_monitor.wording import DASH
from fl_store.rows import UploadRow
from fl_store.words import UploadState

SCANS_SHOWN = 20


def describe_scans(desk: ScanDesk, user: str, rows: Sequence[UploadRow]) -> list[dict[str, Any]]:
    """Describe a user's scans, the newest first: those on disk, and ``rows`` that came to nothing."""
    uploads = desk.folder.list_uploads()
    here = {upload.upload_id: upload for upload in uploads if upload.row.user == user}
    gone = [row for row in rows if row.user == user and row.upload_id not in here]
    lost = [row for row in gone if row.state in {UploadState.FAILED, UploadState.CANCELLED}]
    waiting = sorted(
        (upload for upload in uploads if upload.row.state is UploadState.WAITING),
        key=lambda upload: upload.row.changed_at,
    )
    places = {upload.upload_id: place for place, upload in enumerate(waiting, start=1)}
    shown = sorted(
        [*(upload.row for upload in here.values()), *lost], key=lambda row: row.started_at, reverse=True
    )
    return [
        _describe(row) | (_follow(desk, here[row.upload_id], places) if row.upload_id in here else {})
        for row in shown[:SCANS_SHOWN]
    ]


def describe_desk(limits: ScanLimits, models: Sequence[OfferedModel]) -> dict[str, Any]:
    """Say what may be sent, with which models it can be searched, and what to do if there is none."""
    most, hours = f"{limits.upload_bytes / GB:g}", f"{limits.keep.total_seconds() / 3600:g}"
    text = _("Up to {most} GB. Only you see it; it is deleted {hours} hours after you last looked at it.")
    return {
        "note": text.format(most=most, hours=hours),
        "models": [{"name": model.name, "text": model.describe()} for model in models],
        "missing": "" if models else missing_text(),
    }


def missing_text() -> str:
    """Say why no scan can be searched here."""
    return _("There is no model here to search with: a run keeps its first at the end of its first round.")


def describe_view(view: View, files: Sequence[str]) -> dict[str, Any]:
    """Return what the viewer shows: the size of the voxels' box, the nodules, and what they came from."""
    model = view.about.get("model", {})
    run = _("run {run_id}, round {round_no}").format(
        run_id=model.get("run_id") or DASH, round_no=model.get("round_no") or DASH
    )
    origin = _("Searched with the model of {run}, sha256 {sha256}.")
    return {
        "size_zyx_vox": view.size_zyx_vox,
        "spacing_zyx_mm": view.spacing_zyx_mm,
        "nodules": view.nodules,
        "files": files,
        "origin": origin.format(run=run, sha256=str(model.get("sha256", ""))[:12]),
        "warnings": view.about.get("warnings", []),
        "notice": _("Research use only, not for diagnosis."),
    }


def _describe(row: UploadRow) -> dict[str, Any]:
    return {
        "id": row.upload_id,
        "label": row.label,
        "state": row.state,
        "tone": UPLOAD_TONES.get(row.state, "calm"),
        "title": upload_state_text(row.state),
        "text": row.reason or "",
        "share": None,
        "at": row.started_at.isoformat(),
        "until": None,
        "can": "",
    }


def _follow(desk: ScanDesk, upload: Upload, places: Mapping[str, int]) -> dict[str, Any]:
    """Say how far a scan is that is on disk."""
    row = upload.row
    if row.state is UploadState.UPLOADING:
        received = desk.folder.num_received(upload)
        text = received_text(replace(row, num_bytes_received=received))
        share = received / upload.plan.num_bytes
    elif row.state is UploadState.WAITING:
        text, share = _place_text(places.get(row.upload_id, 1)), None
    elif row.state is UploadState.RUNNING:
        text, share = _progress_text(desk, upload)
    else:
        return {"can": "delete", "until": _until(desk, upload).isoformat()}
    return {"text": text, "share": share, "can": "cancel" if row.state in OPEN_STATES else "delete"}


def _until(desk: ScanDesk, upload: Upload) -> datetime:
    return desk.folder.used_at(upload) + desk.limits.keep


def _place_text(place: int) -> str:
    return _("number {place} in the queue").format(place=place)


def _progress_text(desk: ScanDesk, upload: Upload) -> tuple[str, float | None]:
    progress = read_progress_of(desk.folder.path_of(upload.upload_id))
    if progress is None:
        return _("The search begins."), None
    stages = {
        "reading": _("reading the scan"),
        "lungs": _("finding the lungs"),
        "candidates": _("looking for candidates"),
        "classifying": _("judging the candidates"),
        "measuring": _("measuring the nodules"),
        "writing": _("writing the results"),
    }
    share = progress.done / progress.of if progress.of > 1 else None
    return stages.get(progress.stage, progress.stage), share
