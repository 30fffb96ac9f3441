"""How a data set is dealt out to sites: what the command line asks for, and each manifest keeps."""

from dataclasses import dataclass
from enum import StrEnum


class By(StrEnum):
    """By what the scans are dealt out."""

    SUBSET = "subset"
    SCANNER = "scanner"
    EQUAL = "equal"
    DIRICHLET = "dirichlet"


class Link(StrEnum):
    """How a shard comes to its scans."""

    SYMLINK = "symlink"
    HARD = "hard"
    COPY = "copy"


@dataclass(frozen=True)
class Recipe:
    """All that decides on the shards of a data set; no site is named where each vendor is one."""

    sites: tuple[str, ...] = ()
    by: By = By.SUBSET
    link: Link = Link.SYMLINK
    alpha: float = 0.5
    seed: int = 0
