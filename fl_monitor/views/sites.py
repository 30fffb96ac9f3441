"""The Sites page."""

from fl_monitor.blocks import Header, Page
from fl_monitor.language import gettext as _
from fl_monitor.views.seen import Seen


def make(_seen: Seen) -> Page:
    """Put it into words and charts."""
    return Page(Header(_("Sites")))
