"""The strategies that a run can name in ``[strategy]``, each with the parameters that it takes.

They have the names that Flower gives them (``flwr.serverapp.strategy``), so that its documentation holds.
"""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from itertools import count
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from luna16.settings_file import Settings

Positive = Annotated[float, Field(gt=0, le=10, allow_inf_nan=False)]
Decay = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
LayerPattern = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.*?-]{1,100}$")]


def match_layers(names: Iterable[str], patterns: Sequence[str]) -> set[str]:
    """Return the names of tensors that one of the patterns fits; ``*`` and ``?`` stand for other letters."""
    return {name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)}


class StrategySettings(Settings):
    """What every strategy takes: patterns of the names of tensors that stay at the site (FedBN and its like).

    ``fewest_sites`` is how many updates it needs to be what its name says, and ``reason`` is why.
    """

    name: str
    personal_layers: tuple[LayerPattern, ...] = ()

    reason: ClassVar[str] = "any number will do"

    @property
    def fewest_sites(self) -> int:
        """The number of updates below which the strategy makes no sense."""
        return 1

    @property
    def parameters(self) -> dict[str, Any]:
        """What Flower's class is told."""
        return self.model_dump(exclude={"name", "personal_layers"})

    @model_validator(mode="before")
    @classmethod
    def _has_own_parameters_only(cls, table: Any) -> Any:
        for key in table if isinstance(table, dict) else ():
            if key not in cls.model_fields:
                takes = ", ".join(name for name in cls.model_fields if name != "name")
                raise ValueError(f"has '{key}', which '{table['name']}' does not take, expected {takes}")
        return table


class FedAvgSettings(StrategySettings):
    """The average, weighed by examples (McMahan et al. 2017, https://arxiv.org/abs/1602.05629)."""

    name: Literal["fedavg"] = "fedavg"


class FedProxSettings(StrategySettings):
    """FedAvg of sites that are held near the model they received (Li et al. 2020, arXiv:1812.06127)."""

    name: Literal["fedprox"] = "fedprox"
    proximal_mu: Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)] = 0.01


class FedAvgMSettings(StrategySettings):
    """FedAvg with momentum at the coordinator (Hsu et al. 2019, https://arxiv.org/abs/1909.06335)."""

    name: Literal["fedavgm"] = "fedavgm"
    server_learning_rate: Positive = 1.0
    server_momentum: Decay = 0.9


class AdaptiveSettings(StrategySettings):
    """An optimizer at the coordinator, given the mean change as gradient (Reddi et al., arXiv:2003.00295).

    ``eta`` is its learning rate; changes much smaller than ``tau`` are not scaled up.
    """

    eta: Positive = 0.01
    beta_1: Decay = 0.9
    beta_2: Decay = 0.99
    tau: Positive = 1e-3


class FedAdamSettings(AdaptiveSettings):
    """Adam at the coordinator."""

    name: Literal["fedadam"] = "fedadam"


class FedYogiSettings(AdaptiveSettings):
    """Yogi at the coordinator: its steps grow more slowly than Adam's where changes become rare."""

    name: Literal["fedyogi"] = "fedyogi"


class FedMedianSettings(StrategySettings):
    """The median of each weight, every site alike (Yin et al. 2018, https://arxiv.org/abs/1803.01498)."""

    name: Literal["fedmedian"] = "fedmedian"
    reason: ClassVar[str] = "the median of two is their mean"

    @property
    def fewest_sites(self) -> int:
        """Three, of which one may be wrong."""
        return 3


class FedTrimmedAvgSettings(StrategySettings):
    """The mean of each weight without the ``beta`` lowest and highest, every site alike (Yin et al. 2018)."""

    name: Literal["fedtrimmedavg"] = "fedtrimmedavg"
    beta: Annotated[float, Field(ge=0.01, lt=0.5, allow_inf_nan=False)] = 0.2
    reason: ClassVar[str] = "beta times the number of sites are cut off at each end, and that must be one"

    @property
    def fewest_sites(self) -> int:
        """As many as it takes for one to be cut off, in Flower's own arithmetic."""
        return next(num_sites for num_sites in count(3) if int(self.beta * num_sites))


class KrumSettings(StrategySettings):
    """The one update that has the nearest neighbours (Blanchard et al. 2017, arXiv:1703.02757)."""

    name: Literal["krum"] = "krum"
    num_malicious_nodes: Annotated[int, Field(ge=0, le=100)] = 1
    reason: ClassVar[str] = "twice num_malicious_nodes and 3 more"

    @property
    def fewest_sites(self) -> int:
        """2 f + 3 if f of them are wrong."""
        return 2 * self.num_malicious_nodes + 3


class MultiKrumSettings(StrategySettings):
    """The average of the updates that have the nearest neighbours, weighed by examples (Blanchard et al.)."""

    name: Literal["multikrum"] = "multikrum"
    num_malicious_nodes: Annotated[int, Field(ge=0, le=100)] = 1
    num_nodes_to_select: Annotated[int, Field(ge=1, le=1000)] = 3
    reason: ClassVar[str] = "twice num_malicious_nodes and 3 more, and those and num_nodes_to_select together"

    @property
    def fewest_sites(self) -> int:
        """2 f + 3 if f of them are wrong, and enough that no wrong one has to be selected."""
        return max(2 * self.num_malicious_nodes + 3, self.num_malicious_nodes + self.num_nodes_to_select)


AnyStrategy = Annotated[
    FedAvgSettings
    | FedProxSettings
    | FedAvgMSettings
    | FedAdamSettings
    | FedYogiSettings
    | FedMedianSettings
    | FedTrimmedAvgSettings
    | KrumSettings
    | MultiKrumSettings,
    Field(discriminator="name"),
]
