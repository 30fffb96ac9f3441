"""The files a browser gets from us: our scripts and styles in ``static/``, and plotly.js."""

import importlib.resources
from pathlib import Path

import plotly

STATIC = Path(__file__).parent / "static"
PLOTLY_PATH = f"/assets/plotly-{plotly.__version__}.min.js"


def read_static(name: str) -> str:
    """Return the text of a script, style or page of ours."""
    return (STATIC / name).read_text(encoding="utf-8")


def plotly_script() -> Path:
    """Return the path of plotly.min.js inside the installed plotly package."""
    return Path(str(importlib.resources.files("plotly"))) / "package_data" / "plotly.min.js"
