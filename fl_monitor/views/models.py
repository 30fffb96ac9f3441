"""The Models page: every model that was kept, and where to get it."""

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from fl_monitor.blocks import Block, Cell, Column, Header, Note, Page, Part, Table
from fl_monitor.language import gettext as _
from fl_monitor.views.seen import Seen
from fl_monitor.wording import number_text, size_text
from fl_store.run_rows import CheckpointRow, RunRow
from fl_store.words import Role

MAY_DOWNLOAD = frozenset({Role.SERVER, Role.CLIENT})


def make(seen: Seen) -> Page:
    """Put the models into words."""
    names = {run.run_id: run.name for run in seen.snapshot.table(RunRow)}
    models = seen.snapshot.table(CheckpointRow)
    return Page(
        Header(_("Models"), text=_("Of each run the last model, and the best: the one of highest CPM.")),
        (Part((models, names, seen.viewer.role), _list_models),),
    )


def why_not_for_analysts() -> str:
    """Say why somebody who reads the monitor gets no model."""
    return _(
        "Models are for the coordinator and the sites: an analyst's account reads the monitor and takes no "
        "model away."
    )


def _list_models(models: Sequence[CheckpointRow], names: Mapping[str, str], role: Role) -> list[Block]:
    may_download = role in MAY_DOWNLOAD
    newest_first = sorted(models, key=lambda row: (row.written_at, row.kind), reverse=True)
    download = (Column(_("File")),) if may_download else ()
    table = Table(
        "models",
        _("Models"),
        columns=(
            Column(_("Run")),
            Column(_("Model")),
            *download,
            Column(_("Round"), is_number=True),
            Column(_("CPM"), is_number=True),
            Column(_("AUC"), is_number=True),
            Column(_("Size"), is_number=True),
            Column(_("Written")),
            Column("sha256"),
        ),
        lines=tuple(_model_line(row, names, may_download=may_download) for row in newest_first),
        empty=_("No model has been kept yet: a run keeps its first at the end of its first round."),
    )
    return [table] if may_download else [Note("no-download", "", text=why_not_for_analysts()), table]


def _model_line(
    row: CheckpointRow, names: Mapping[str, str], *, may_download: bool
) -> tuple[Cell | str, ...]:
    href = f"/api/models/{quote(row.run_id, safe='')}/{quote(row.kind, safe='')}"
    download = (Cell(_("Download"), href=href),) if may_download else ()
    run_id = quote(row.run_id, safe="")
    return (
        Cell(_run_text(row.run_id, names), href=f"/runs?runs={run_id}"),
        kind_text(row.kind),
        *download,
        str(row.round_no),
        number_text(row.cpm),
        number_text(row.auc),
        size_text(row.num_bytes),
        Cell("", at=row.written_at),
        Cell(row.sha256),
    )


def _run_text(run_id: str, names: Mapping[str, str]) -> str:
    return f"{names[run_id]} · {run_id}" if run_id in names else run_id


def kind_text(kind: str) -> str:
    """Return the word for which model of a run it is."""
    return {"last": _("last"), "best": _("best")}.get(kind, kind)
