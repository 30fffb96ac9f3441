"""Which programs run here, as far as both ends of the federation have to agree."""

import platform
from importlib import metadata

SAME = ("fedluna", "flwr")
"""Packages whose version must be the same at both ends."""
ALIKE = ("torch",)


def find_versions() -> dict[str, str]:
    """Return the version of each package that matters to the other end, and Python's without its patch."""
    versions = {name: metadata.version(name) for name in (*SAME, *ALIKE)}
    return versions | {"python": ".".join(platform.python_version_tuple()[:2])}
