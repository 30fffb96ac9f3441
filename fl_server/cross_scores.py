"""The scores of the cross-site table, as they lie in ``cross-site.json`` of a run's folder."""

import json
from dataclasses import dataclass
from pathlib import Path

FILE_NAME = "cross-site.json"


@dataclass(frozen=True)
class CrossScore:
    """What a model is worth on the scans of ``site``; ``trained_by`` is a site, or the FEDERATION."""

    trained_by: str
    site: str
    num_scans: int
    auc: float | None
    cpm: float | None


def read_cross_scores(folder: Path) -> list[CrossScore]:
    """Return the table of a run, which is empty if it has none."""
    path = folder / FILE_NAME
    if not path.is_file():
        return []
    return [CrossScore(**each) for each in json.loads(path.read_text(encoding="utf-8"))["scores"]]
