"""The JSON that ``luna16 compare`` wrote, checked for what a monitor shows of it."""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fl_core.errors import UsageError
from fl_store.rows import ComparisonRow, utc_now

MAX_BYTES = 1_000_000
MAX_REASON_LENGTH = 200

Count = Annotated[int, Field(ge=0)]
Score = Annotated[float, Field(ge=0, le=1)]
Difference = Annotated[float, Field(ge=-1, le=1)]
Name = Annotated[str, Field(max_length=100)]
Verdict = Literal["gained", "lost", "no difference shown", "cannot be told"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, allow_inf_nan=False)


class Spread(_Part):
    """A score over the seeds."""

    values: list[Score]
    mean: Score
    sd: Annotated[float, Field(ge=0)] | None


class Arm(_Part):
    """Whose patches a model was trained on."""

    kind: Name
    site: Name


class ArmReport(_Part):
    """The scores of one arm."""

    arm: Arm
    cpm: Spread | None
    auc: Spread | None
    cpm_at_site: dict[Name, Spread | None]


class Gain(_Part):
    """The federated model beside a site's own."""

    site: Annotated[Name, Field(min_length=1)]
    num_scans: Count
    num_nodules: Count
    alone: Score | None
    federated: Score | None
    difference: Difference | None
    interval: Annotated[list[Difference], Field(min_length=2, max_length=2)] | None
    verdict: Verdict


class Comparison(_Part):
    """What a monitor reads; more may be there."""

    num_scans: Count
    num_nodules: Count
    num_seeds: Count
    rounds: Count
    steps: Count
    arms: Annotated[list[ArmReport], Field(min_length=1)]
    gains: Annotated[list[Gain], Field(min_length=1)]


def read_comparison(path: Path) -> ComparisonRow:
    """Return the row of a comparison, known by the sha256 of its JSON whatever the order of keys and blanks.

    Raises UsageError if the file cannot be read, or is none that ``luna16 compare`` wrote.
    """
    document = _read_json(path)
    try:
        Comparison.model_validate(document)
        canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    except ValidationError as error:
        fault = error.errors()[0]
        _refuse(path, f"{'.'.join(map(str, fault['loc'])) or 'the file'}: {fault['msg']}", error)
    except UnicodeEncodeError as error:
        _refuse(path, "it holds a text that is none", error)
    if b"\\u0000" in canonical:  # Postgres cannot keep it
        _refuse(path, "it holds a text that is none")
    return ComparisonRow(hashlib.sha256(canonical).hexdigest(), document, utc_now())


def _read_json(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"Cannot read {path}: {error.strerror}.") from error
    if len(content) > MAX_BYTES:
        _refuse(path, f"it has more than {MAX_BYTES} bytes")
    try:
        return json.loads(content, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        _refuse(path, "it is not JSON", error)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"JSON has no {name}")


def _refuse(path: Path, what: str, error: Exception | None = None) -> NoReturn:
    text = f"{path} is not what `luna16 compare` writes as comparison.json: {what[:MAX_REASON_LENGTH]}."
    raise UsageError("".join(letter if letter.isprintable() else " " for letter in text)) from error
