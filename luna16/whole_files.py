"""Files that are there whole or not at all; without torch, which takes a second to import."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON, whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        give_name(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def give_name(partial: Path, path: Path) -> None:
    """Give a complete file its name, once its bytes are on disk."""
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.replace(path)
