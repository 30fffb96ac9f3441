"""Takes out of a text what must not be told: names of scans and patients' UIDs, secrets, and paths.

``hide_names`` is for every line of a log; ``scrub`` is for what goes to others, and hides paths as well.
Where a name begins and ends cannot always be told: then more is taken out rather than less.
"""

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SECRET, SCAN, UID, PATH, HOME = "<secret>", "<scan>", "<uid>", "<path>", "<home>"
SECRET_VARIABLES = ("SUPABASE_KEY",)
SHORTEST_SECRET = 8

_SECRETS = (
    re.compile(r"-----BEGIN (?P<what>[A-Z0-9 ]+)-----.*?(?:-----END (?P=what)-----|\Z)", re.DOTALL),
    re.compile(r"\bsb_(?:secret|publishable)_[\w-]+"),
    re.compile(r"\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*"),  # a JSON web token, as the older Supabase keys are
    re.compile(r"\$2[abxy]?\$\d\d\$[./A-Za-z0-9]{53}"),  # bcrypt
    re.compile(r"(?i)(?<=bearer )[^\s\"',;]+"),
)
_KEY_WORD = r"(?:password|passwd|secret|token|api[_-]?key|private[_-]?key|supabase_key|signature)"
_ASSIGNED = re.compile(
    rf"(?i)({_KEY_WORD}"
    r"[\w-]{0,40}[\"']?\s{0,3}[:=]\s{0,3})(\"[^\"\n]*\"|'[^'\n]*'|[^\s\"',;]+)"
)
_SUFFIX = r"\.(?:mhd|mha|raw|zraw|dcm|dicom|ima|img|hdr|nrrd|nhdr|nii(?:\.gz)?)\b"
_SEGMENT = r"[^/\n\"'<>|:;,()]{1,80}/"
_START = r"(?<![^\s\"'<>=:;,()])"
_SCANS = (
    re.compile(rf"\"[^\"\n]*{_SUFFIX}\"|'[^'\n]*{_SUFFIX}'", re.IGNORECASE),
    re.compile(rf"{_START}/(?:{_SEGMENT}){{0,30}}[^/\n\"'<>|:;,()]{{0,255}}?{_SUFFIX}", re.IGNORECASE),
    re.compile(rf"{_START}[^\s\"'<>=:;,()]{{0,4096}}{_SUFFIX}", re.IGNORECASE),
)
_UID = re.compile(r"(?<![\d.])(?:[0-2](?:\.\d+){4,}|(?=[\d.]{16})[0-2](?:\.\d+){2,})")  # or 2.25.N of a UUID
_PATH = re.compile(
    rf"(?:file://|(?<![\w/.<>-]))/(?=[^\s/])(?:{_SEGMENT})+(?P<last>[^/\s\"'<>|:;,()\]\\]*)", re.IGNORECASE
)
_REST = r"(?:/[^\n\"'<>|:;,()]*)?"
_TELLING_NAME = re.compile(r"[\w.-]+\.(?:py|jsonl|log|toml|safetensors|db|html)")
"""The file names that a path may keep: those of programs and of our own files."""


def hide_names(text: str) -> str:
    """Return a text without UIDs, names of scans and secrets."""
    return _UID.sub(UID, _hide_scans(_hide_secrets(text)))


def scrub(text: str, home: Path | None = None, folders: Sequence[Path] = ()) -> str:
    """Return a text without names, secrets and absolute paths.

    What lies in ``home`` keeps its place there. In ``folders`` names may hold blanks, as of patients.
    """
    text = _hide_scans(_hide_secrets(text))
    if home:
        text = text.replace(str(home), HOME)
    for folder in (path for each in folders for path in (each.absolute(), each) if len(path.parts) > 1):
        text = re.sub(re.escape(str(folder)) + _REST, PATH, text)
    return _UID.sub(UID, _PATH.sub(_shorten, text))


def scrub_json(value: Any, home: Path | None = None, folders: Sequence[Path] = ()) -> Any:
    """Return a JSON value of which every text is scrubbed, and what stands under a secret's name hidden."""
    if isinstance(value, str):
        return scrub(value, home, folders)
    if isinstance(value, list):
        return [scrub_json(each, home, folders) for each in value]
    if isinstance(value, dict):
        return {
            scrub(key, home, folders): SECRET
            if isinstance(each, str) and re.search(_KEY_WORD, key, re.IGNORECASE)
            else scrub_json(each, home, folders)
            for key, each in value.items()
        }
    return value


def scrub_lines(text: str, home: Path | None = None, folders: Sequence[Path] = ()) -> str:
    """Return JSON lines, each scrubbed; one that was cut off is scrubbed as text."""
    return "".join(f"{_scrub_line(line, home, folders)}\n" for line in text.splitlines())


def _scrub_line(line: str, home: Path | None, folders: Sequence[Path]) -> str:
    try:
        return json.dumps(scrub_json(json.loads(line), home, folders))
    except (ValueError, RecursionError):
        return scrub(line, home, folders)


def _hide_secrets(text: str) -> str:
    for name in SECRET_VARIABLES:
        value = os.environ.get(name, "")
        if len(value) >= SHORTEST_SECRET:
            text = text.replace(value, SECRET)
    for pattern in _SECRETS:
        text = pattern.sub(SECRET, text)
    return _ASSIGNED.sub(rf"\1{SECRET}", text)


def _hide_scans(text: str) -> str:
    for pattern in _SCANS:
        text = pattern.sub(SCAN, text)
    return text


def _shorten(path: re.Match[str]) -> str:
    last = path["last"].rstrip(".")
    return f"{PATH}/{last}" if _TELLING_NAME.fullmatch(last) else PATH
