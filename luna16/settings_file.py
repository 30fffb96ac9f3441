"""How a TOML file becomes checked settings: an unknown key is an error that names the nearest known one."""

import difflib
import tomllib
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

SettingsT = TypeVar("SettingsT", bound="Settings")


class Settings(BaseModel):
    """A frozen group of settings; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def read_table(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises FileNotFoundError if there is no such file, and ValueError, with one line, if it is not TOML.
    """
    if not path.is_file():
        raise FileNotFoundError(f"No configuration file {path}.")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not valid TOML: {error}.") from error


def check_settings(table: dict[str, Any], model: type[SettingsT], *, source: str) -> SettingsT:
    """Check a table of settings against ``model``.

    Raises ValueError with one line about the first fault: source, key, value and what was expected.
    """
    try:
        return model.model_validate(table)
    except ValidationError as error:
        fault = error.errors()[0]
        fault["loc"] = _locate(fault, table)
        raise ValueError(f"{source}: {_describe(fault, model)}") from error


def _locate(fault: ErrorDetails, table: Any) -> tuple[int | str, ...]:
    """Give the place of a fault in the file: pydantic adds which kind of table it took one for."""
    place: list[int | str] = []
    for part in fault["loc"]:
        is_in_file = isinstance(part, int) or (isinstance(table, dict) and part in table)
        if is_in_file or (fault["type"] == "missing" and part == fault["loc"][-1]):
            place.append(part)
        if is_in_file:
            table = table[part]
    return tuple(place)


def _describe(fault: ErrorDetails, model: type[Settings]) -> str:
    key = ".".join(str(part) for part in fault["loc"])
    match fault["type"]:
        case "extra_forbidden":
            return f"unknown key '{key}'.{_nearest_key(fault['loc'], model)}"
        case "missing":
            return f"key '{key}' is missing."
        case "union_tag_invalid" | "union_tag_not_found":
            return _describe_name(f"{key}.", fault["ctx"])
        case "value_error" if "ctx" in fault:
            return f"{key} {fault['ctx']['error']}.".lstrip()
        case "string_pattern_mismatch":
            return f"{key} is {fault['input']!r}, expected text of the pattern {fault['ctx']['pattern']}."
        case _:
            expected = fault["msg"].removeprefix("Input should be ")
            return f"{key} is {fault['input']!r}, expected {expected}."


def _describe_name(prefix: str, context: dict[str, Any]) -> str:
    """Say what is wrong with the name that tells which of several kinds of table one is."""
    key = prefix + context["discriminator"].strip("'")
    if "tag" not in context:
        return f"key '{key}' is missing."
    return f"{key} is {context['tag']!r}, expected one of {context['expected_tags']}."


def _nearest_key(location: tuple[int | str, ...], model: type[Settings]) -> str:
    """Suggest the known key that looks most like the unknown one, wherever in the file it belongs."""
    known = list(_known_keys(model))
    unknown = ".".join(str(part) for part in location)
    same_name = difflib.get_close_matches(str(location[-1]), [key.rsplit(".", 1)[-1] for key in known], n=1)
    if near := difflib.get_close_matches(unknown, known, n=1):
        return f" Did you mean '{near[0]}'?"
    if same_name:
        return f" Did you mean '{next(key for key in known if key.rsplit('.', 1)[-1] == same_name[0])}'?"
    return ""


def _known_keys(model: type[Settings], prefix: str = "") -> list[str]:
    keys = []
    for name, field in model.model_fields.items():
        keys.append(prefix + name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, Settings):
            keys += _known_keys(field.annotation, f"{prefix}{name}.")
    return keys
