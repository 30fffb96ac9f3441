"""Settings of data, model, training and evaluation, and how a TOML file becomes a checked model.

Every key has its unit in its name. An unknown key is an error that names the nearest known one.
"""

import difflib
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

PositiveInt = Annotated[int, Field(ge=1)]
Epochs = Annotated[int, Field(ge=1, le=100)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]

NetworkName = Literal["resnet_slim", "resnet18", "densenet121", "seresnet50"]

OF_FEDERATION = frozenset({"name", "server", "federation", "screening", "strategy"})
"""What a run's file says that concerns no learning."""

SettingsT = TypeVar("SettingsT", bound="Settings")


class Settings(BaseModel):
    """A frozen group of settings; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DataConfig(Settings):
    """How a shard is divided into training, validation and test scans, and which patches are cut and how.

    Of each training scan ``max_negatives_per_scan`` candidates that are no nodule are kept; of the others
    all are, as the score needs them. Test scans are looked at once, at the end; 0 means that there are none.
    """

    patch_size_vox: Annotated[int, Field(ge=8, le=128)] = 32
    patch_spacing_mm: Annotated[float, Field(gt=0, le=5)] = 1.0
    hu_min: Annotated[int, Field(ge=-1024, le=3071)] = -1000
    hu_max: Annotated[int, Field(ge=-1024, le=3071)] = 400
    validation_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.3
    test_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.0
    split_seed: Seed = 0
    max_negatives_per_scan: Annotated[int, Field(ge=1, le=1_000_000)] = 200

    @model_validator(mode="after")
    def _window_is_not_empty(self) -> Self:
        if self.hu_min >= self.hu_max:
            raise ValueError(f"has hu_min {self.hu_min}, expected less than hu_max ({self.hu_max})")
        return self

    @model_validator(mode="after")
    def _some_scans_are_for_training(self) -> Self:
        if self.validation_fraction + self.test_fraction >= 1:
            raise ValueError(
                f"has validation_fraction {self.validation_fraction:g} and test_fraction "
                f"{self.test_fraction:g}, expected less than 1 together"
            )
        return self


class ModelConfig(Settings):
    """Which network is trained; all have GroupNorm, so no running statistics go over the wire."""

    name: NetworkName = "resnet_slim"
    seed: Seed = 0


class AugmentationConfig(Settings):
    """How much training patches are changed at random; 0 and false leave a change out."""

    turn: bool = True
    mirror: bool = True
    max_tilt_deg: Annotated[float, Field(ge=0, le=45)] = 0.0
    max_zoom_percent: Annotated[float, Field(ge=0, le=50)] = 0.0
    max_shift_vox: Annotated[float, Field(ge=0, le=16)] = 0.0
    intensity_scale_sd: Annotated[float, Field(ge=0, le=1)] = 0.05
    intensity_shift_sd: Annotated[float, Field(ge=0, le=1)] = 0.02
    noise_sd: Annotated[float, Field(ge=0, le=1)] = 0.02


class TrainingConfig(Settings):
    """One site's work in one round.

    ``steps``, if not 0, ends the round after so many batches, whatever ``epochs`` says: so all sites take
    equally many. ``epochs_cycle``, if not empty, has the epochs of the first round, the second and so on, in
    place of ``epochs``, and begins again at its end. ``schedule_rounds`` says over how many rounds the
    learning rate falls; 0 means those of the run. 0 switches ``max_gradient_norm`` and ``proximal_mu`` off.
    """

    epochs: Epochs = 3
    epochs_cycle: Annotated[tuple[Epochs, ...], Field(max_length=1000)] = ()
    steps: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 16
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 5e-4
    optimizer: Literal["adamw", "sgd"] = "adamw"
    schedule: Literal["constant", "cosine", "step", "cyclic"] = "constant"
    schedule_rounds: Annotated[int, Field(ge=0)] = 0
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 1e-2
    max_gradient_norm: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    proximal_mu: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    negatives_per_positive: Annotated[float, Field(gt=0, le=1000)] = 3.0
    amp: Literal["off", "bf16", "fp16", "auto"] = "off"
    channels_last: bool = False
    augmentation: AugmentationConfig = AugmentationConfig()
    seed: Seed = 0

    @model_validator(mode="after")
    def _cycle_has_a_length(self) -> Self:
        if self.schedule == "cyclic" and self.schedule_rounds == 0:
            raise ValueError("has schedule 'cyclic', expected in schedule_rounds the rounds of one cycle")
        return self

    @model_validator(mode="after")
    def _counts_epochs_or_steps(self) -> Self:
        if self.steps and self.epochs_cycle:
            raise ValueError("has steps and epochs_cycle, expected one of the two")
        return self

    def epochs_in_round(self, round_no: int) -> int:
        """Give the number of epochs of a round, counted from 1."""
        cycle = self.epochs_cycle or (self.epochs,)
        return cycle[(round_no - 1) % len(cycle)]

    @property
    def most_epochs(self) -> int:
        """The epochs of the longest round."""
        return max(self.epochs_cycle, default=self.epochs)

    def spread_over(self, rounds: int) -> Self:
        """Give the settings of a training of so many rounds: a schedule without a length lasts as long."""
        return self.model_copy(update={"schedule_rounds": self.schedule_rounds or rounds})


class EvaluationConfig(Settings):
    """How a model is scored on validation scans."""

    batch_size: Annotated[int, Field(ge=1, le=4096)] = 64


class LearningConfig(Settings):
    """All that decides what is learnt from given scans in one round."""

    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()
    evaluation: EvaluationConfig = EvaluationConfig()


class CourseConfig(LearningConfig):
    """A whole training, of so many rounds."""

    rounds: PositiveInt = 20

    def with_seed(self, seed: int) -> Self:
        """Give the same course from other first weights and with other draws; the split stays."""
        model = self.model.model_copy(update={"seed": seed})
        training = self.training.model_copy(update={"seed": seed})
        return self.model_copy(update={"model": model, "training": training})


def read_course(path: Path | None) -> CourseConfig:
    """Read from a run's file what concerns the learning; defaults without a file.

    Raises FileNotFoundError if there is no such file, and ValueError, with one line, for a fault in it.
    """
    table = read_table(path) if path else {}
    learning = {key: value for key, value in table.items() if key not in OF_FEDERATION}
    match table.get("federation"):
        case {"rounds": rounds}:
            learning["rounds"] = rounds
    return check_settings(learning, CourseConfig, source=str(path))


def read_data_config(path: Path | None) -> DataConfig:
    """Read from a run's file how patches are cut; errors and defaults as in ``read_course``."""
    table = read_table(path).get("data", {}) if path else {}
    return check_settings(table, DataConfig, source=str(path))


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
