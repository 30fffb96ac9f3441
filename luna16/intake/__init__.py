"""Open a chest CT that somebody hands over, or say in one sentence why it cannot be used."""

from luna16.intake.ct import Ct
from luna16.intake.limits import LIMITS, Limits
from luna16.intake.opening import open_ct

__all__ = ["LIMITS", "Ct", "Limits", "open_ct"]
