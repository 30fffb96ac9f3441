"""How numbers are written: one that is not known is a dash, never zero."""

DASH = "–"  # noqa: RUF001 - an en dash is meant


def number_text(value: float | None, *, digits: int = 3) -> str:
    """Write a number, or a dash if there is none."""
    return DASH if value is None else f"{value:.{digits}f}"


def count_text(value: int | None) -> str:
    """Write a count with thin spaces between thousands, or a dash if there is none."""
    return DASH if value is None else f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
