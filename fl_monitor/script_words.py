"""What the scripts in ``static/`` say themselves, since it changes with the clock of the browser."""

from fl_monitor.language import current_language
from fl_monitor.language import gettext as _


def words_of_scripts() -> dict[str, str]:
    """Return what the scripts say themselves, in the language that is spoken."""
    return {
        "locale": current_language(),
        "loading": _("Loading"),
        "federation": _("Federation"),
        "rounds_finished": _("Rounds finished"),
        "choose_round": _("Choose a round"),
        "save_picture": _("Save as PNG"),
        "no_data": _("No data yet."),
        "seconds": _("{n} s"),
        "minutes": _("{n} min"),
        "hours": _("{n} h {m} min"),
        "days": _("{n} days"),
        "ago": _("{time} ago"),
        "was_so": _("All this was so at {time}."),
        "silent": _("Nothing heard from the coordinator for {time}."),
        "left": _("About {to} left."),
        "left_between": _("{from} to {to} left."),
        "any_moment": _("Should end any moment."),
        "ended": _("Ended {time}."),
        "started": _("Started {time}."),
        "live": _("Live"),
        "stale": _("Stale, {time}"),
        "stale_store": _("Stale, {time}: store not readable"),
        "not_readable": _("Store not readable"),
        "reconnecting": _("Reconnecting"),
        "refused": _("Not for your role"),
    }
