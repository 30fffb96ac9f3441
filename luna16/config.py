"""Settings of data, model, training and evaluation; every key has its unit in its name."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from luna16.settings_file import Settings, check_settings, read_table

PositiveInt = Annotated[int, Field(ge=1)]
Epochs = Annotated[int, Field(ge=1, le=100)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]

NetworkName = Literal["resnet_slim", "resnet18", "densenet121", "seresnet50"]

OF_FEDERATION = frozenset({"name", "server", "federation", "screening", "strategy"})
"""What a run's file says that concerns no learning."""


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
