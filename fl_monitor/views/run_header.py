"""The header of the pages that are about one run: the one in the address, or else the newest."""

from dataclasses import replace

from fl_monitor.blocks import Header
from fl_monitor.language import gettext as _
from fl_monitor.summary import state_words
from fl_monitor.views.live import describe_no_run, describe_run
from fl_monitor.views.seen import Seen


def head_run_page(seen: Seen, title: str) -> Header:
    """Say which run a page is about and where that is, or that there is none."""
    if seen.run:
        header = describe_run(seen.run, seen.snapshot)
        state = _("{state}.").format(state=state_words(seen.run))
        return replace(header, title=title, tone="calm", text=f"{state} {header.text}".strip())
    if "run" in seen.params:
        missing = _("There is no run {run_id}, or no longer.").format(run_id=seen.params["run"])
        return Header(title, text=missing)
    return describe_no_run()
