"""A model file and the JSON beside it, which tells its network and how its patches are cut."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from luna16.config import DataConfig, ModelConfig
from luna16.model import build_model
from luna16.settings_file import check_settings
from luna16.whole_files import to_json, written_whole


@dataclass(frozen=True)
class Checkpoint:
    """A network with its weights, and how the patches that it was trained on were cut.

    ``has_site_per_subset`` tells that each subset was divided into training and validation on its own.
    """

    model: torch.nn.Module
    data: DataConfig
    has_site_per_subset: bool = False


@dataclass(frozen=True)
class PackedWeights:
    """What a .safetensors file holds."""

    content: bytes = field(repr=False)
    sha256: str

    @classmethod
    def pack(cls, weights: Mapping[str, Tensor]) -> Self:
        """Bring weights into the form of the file."""
        content = save({name: tensor.contiguous() for name, tensor in weights.items()})
        return cls(content, hashlib.sha256(content).hexdigest())


def save_model(path: Path, weights: PackedWeights, about: Mapping[str, Any]) -> None:
    """Write a .safetensors file and the JSON beside it; OSError leaves both as they were.

    The JSON gets the sha256 of the weights besides.
    """
    with written_whole(path, path.with_suffix(".json")) as (model, description):
        model.write_bytes(weights.content)
        description.write_text(to_json({**about, "sha256": weights.sha256}), encoding="utf-8")


def load_checkpoint(path: Path) -> Checkpoint:
    """Build the network of a .safetensors file; nothing is unpickled.

    Raises FileNotFoundError if it or its JSON is missing, and ValueError, with one line, if one of them is
    damaged or they do not belong together.
    """
    if not path.is_file():
        raise FileNotFoundError(f"No model file {path}.")
    about = read_about(path)
    source = path.with_suffix(".json").name
    settings = about["settings"]
    model_config = check_settings(settings.get("model", {}), ModelConfig, source=source)
    data_config = check_settings(settings.get("data", {}), DataConfig, source=source)
    model = build_model(model_config)
    model.load_state_dict(_read_weights(path, about, model.state_dict(), name=model_config.name))
    return Checkpoint(model, data_config, has_site_per_subset=about.get("site_per_subset") is True)


def read_about(path: Path) -> dict[str, Any]:
    """Read the JSON beside a model file; FileNotFoundError or ValueError as in ``load_checkpoint``."""
    about_path = path.with_suffix(".json")
    if not about_path.is_file():
        raise FileNotFoundError(
            f"No {about_path.name} beside {path}: it tells the network and how patches are cut. Copy both."
        )
    try:
        about = json.loads(about_path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{about_path.name} is not JSON. Copy it again with its model file.") from error
    if not isinstance(about, dict) or not isinstance(about.get("settings"), dict):
        raise ValueError(  # noqa: TRY004 - a fault of the file, not of a caller
            f"{about_path.name} holds no 'settings': it is not the JSON of a model file."
        )
    return about


def _read_weights(
    path: Path, about: dict[str, Any], expected: dict[str, Tensor], *, name: str
) -> dict[str, Tensor]:
    try:
        weights = load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path.name} is no whole safetensors file ({error}).") from error
    _check_shapes(path, weights, expected, name=name)
    if about.get("sha256", sha256 := sha256_of(path)) != sha256:
        raise ValueError(f"{path.name} is not the file that its JSON was written for: its sha256 differs.")
    return weights


def _check_shapes(path: Path, weights: dict[str, Tensor], expected: dict[str, Tensor], *, name: str) -> None:
    """Raise ValueError about the first tensor that differs from those of the network ``name``."""
    for tensor in [*expected, *weights]:
        found, wanted = (list(each[tensor].shape) if tensor in each else None for each in (weights, expected))
        if found != wanted:
            raise ValueError(
                f"{path.name} does not fit the network '{name}': tensor '{tensor}' is "
                f"{found or 'missing'}, expected {wanted or 'none of that name'}."
            )


def sha256_of(path: Path) -> str:
    """Give the sha256 of a file in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
