"""A hospital's session: prepare the data, connect, serve tasks, and connect again when the link is lost."""

import logging
import math
import time
from contextlib import closing
from pathlib import Path

from rich.console import Console

from fl_client.client_app import make_client_app
from fl_client.connection import wait_for_server
from fl_client.display import SiteDisplay
from fl_client.home import SiteHome
from fl_client.link import Link
from fl_client.site import Site
from fl_client.supernode import SuperNode
from fl_client.workbench import Workbench
from fl_client.worker import Worker
from fl_core.admission import Cause
from fl_core.config import SiteConfig
from fl_core.errors import FedLunaError, SiteDataError, SiteRefusedError, TaskDeclinedError, TaskOutdatedError
from fl_core.logs import SAID, kept_log

logger = logging.getLogger(__name__)

PATIENCE_S = {
    Cause.CUT_OFF: math.inf,  # the coordinator's next run knows the key, but not the link of the run before
    Cause.KEY_IN_USE: 30.0,  # a link that was lost holds the key for up to 20 seconds
    Cause.UNKNOWN_KEY: 5.0,  # a coordinator that has just started does not know the keys yet
}
"""How long each refusal may pass by itself; any other is final at once."""
LAST_WORDS_S = 2.0
"""How long the link stays up after the end, so that the coordinator gets the last answer."""


class EndOfSession:
    """The error that ends the session, once a task has met it."""

    def __init__(self) -> None:
        self.error: FedLunaError | None = None
        self._refused: tuple[Cause, float] | None = None

    @property
    def is_open(self) -> bool:
        """Say whether the session goes on."""
        return self.error is None

    def refuse(self, reason: str) -> None:
        """End the session because the coordinator does not want this site."""
        self.error = SiteRefusedError(reason)

    def take_link_end(self, refusal: Cause | None, link: Link) -> str:
        """Say what the end of a link means; the session ends too if it was refused and that does not pass."""
        if refusal is None:
            self._refused = None
            return "The link to the coordinator has ended"
        now_s = time.monotonic()
        if self._refused is None or self._refused[0] is not refusal:
            self._refused = refusal, now_s
        if now_s - self._refused[1] < PATIENCE_S.get(refusal, 0.0):
            return f"The coordinator has refused the link ({refusal}); trying again"
        self.refuse(_FINAL[refusal].format(key=link.fingerprint))
        return "The coordinator has refused this site"

    def explain(self, error: Exception) -> str:
        """Say in words without paths or patients why a task failed; bad data ends the session."""
        if isinstance(error, TaskDeclinedError):
            logger.warning("A task of the coordinator was declined. %s", error)
            return str(error)
        if isinstance(error, TaskOutdatedError):
            logger.info("A task was left for a newer one of the coordinator.")
            return str(error)
        if isinstance(error, SiteDataError):
            self.error = error
            return "The site's data cannot be used; its own terminal says why."
        logger.error("A task failed: %s", error, exc_info=logger.isEnabledFor(logging.DEBUG))
        logger.info("Where it failed:", exc_info=error, extra=SAID)
        return f"The site's program failed ({type(error).__name__}); its own terminal says why."


_FINAL = {
    Cause.NO_KEY: "The coordinator lets in enrolled sites only. Start with --kit FILE.",
    Cause.UNKNOWN_KEY: (
        "The coordinator does not accept the key of this site ({key}): it is not enrolled there, or revoked. "
        "Send the public key that `fl-client init` has made, or ask who runs the coordinator."
    ),
    Cause.KEY_IN_USE: (
        "Another program is connected with the key of this site ({key}). End it; if it is not yours, "
        "make a new key with `fl-client init --replace` and tell who runs the coordinator."
    ),
    Cause.CLOCK: "This machine's clock is over five minutes off. Set it (NTP), then start again.",
    Cause.UNSIGNED: "The coordinator cannot read this site's signature. Use the same FedLuna at both ends.",
}


def take_part(config: SiteConfig, link: Link, folder: Path, console: Console) -> None:
    """Serve the coordinator until Ctrl-C.

    Raises SiteDataError if the data cannot be used, SiteRefusedError if the coordinator says no.
    """
    end = EndOfSession()
    with (
        closing(SiteHome(folder, config.site)) as home,
        kept_log(home.log, process="fl-client", site=config.site),
        SiteDisplay(console) as display,
    ):
        bench = Workbench()
        site = Site(config, home, display, bench)
        site.prepare(home.last_data_config())
        worker = Worker(make_client_app(site, bench, home.instance(), end.refuse), end.explain)
        while end.is_open:
            display.show(f"looking for the coordinator at {link.server}")
            wait_for_server(link, display.say)
            _serve(worker, link, folder, display, end)
        if end.error:
            raise end.error


def _serve(worker: Worker, link: Link, folder: Path, display: SiteDisplay, end: EndOfSession) -> None:
    with SuperNode.start(link, folder) as node:
        display.say(f"Found the coordinator at {link.server}; waiting for its tasks (Ctrl-C leaves)")
        display.rest()
        worker.serve(node.runtime_address, lambda: node.is_alive and end.is_open)
        if not end.is_open:
            time.sleep(LAST_WORDS_S)
    if end.is_open:
        told = end.take_link_end(node.refusal, link)
        display.say(f"{told}; Flower's log is {folder / 'supernode.log'}")
