"""Text of others within Streamlit's own elements, most of which read Markdown."""

import re


def as_text(text: str) -> str:
    """Return Markdown that shows just this text: no link, picture, colour or formula in it."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", text).replace("\n", " ")
