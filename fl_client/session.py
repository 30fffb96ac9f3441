"""A hospital's session: prepare the data, connect, serve tasks, and connect again when the link is lost."""

import logging
import time
from contextlib import closing
from pathlib import Path

from rich.console import Console

from fl_client.client_app import make_client_app
from fl_client.connection import wait_for_server
from fl_client.display import SiteDisplay
from fl_client.home import SiteHome
from fl_client.site import Site
from fl_client.supernode import SuperNode
from fl_client.worker import Worker
from fl_core.config import SiteConfig
from fl_core.errors import FedLunaError, SiteDataError, SiteRefusedError, TaskDeclinedError

logger = logging.getLogger(__name__)

LAST_WORDS_S = 2.0
"""How long the link stays up after the end, so that the coordinator gets the last answer."""


class EndOfSession:
    """The error that ends the session, once a task has met it."""

    def __init__(self) -> None:
        self.error: FedLunaError | None = None

    @property
    def is_open(self) -> bool:
        """Say whether the session goes on."""
        return self.error is None

    def refuse(self, reason: str) -> None:
        """End the session because the coordinator does not want this site."""
        self.error = SiteRefusedError(reason)

    def explain(self, error: Exception) -> str:
        """Say in words without paths or patients why a task failed; bad data ends the session."""
        if isinstance(error, TaskDeclinedError):
            logger.warning("A task of the coordinator was declined. %s", error)
            return str(error)
        if isinstance(error, SiteDataError):
            self.error = error
            return "The site's data cannot be used; its own terminal says why."
        logger.error("A task failed: %s", error, exc_info=logger.isEnabledFor(logging.DEBUG))
        return f"The site's program failed ({type(error).__name__}); its own terminal says why."


def take_part(config: SiteConfig, folder: Path, console: Console) -> None:
    """Serve the coordinator until Ctrl-C.

    Raises SiteDataError if the data cannot be used, SiteRefusedError if the coordinator says no.
    """
    end = EndOfSession()
    with closing(SiteHome(folder, config.site)) as home, SiteDisplay(console) as display:
        site = Site(config, home, display)
        site.prepare(home.last_data_config())
        worker = Worker(make_client_app(site, home.instance(), end.refuse), end.explain)
        while end.is_open:
            display.show(f"looking for the coordinator at {config.server}")
            wait_for_server(config.server, display.say)
            _serve(worker, config.server, folder, display, end)
    if end.error:
        raise end.error


def _serve(worker: Worker, server: str, folder: Path, display: SiteDisplay, end: EndOfSession) -> None:
    with SuperNode.start(server, folder) as link:
        display.say(f"Found the coordinator at {server}; waiting for its tasks (Ctrl-C leaves)")
        display.rest()
        worker.serve(link.runtime_address, lambda: link.is_alive and end.is_open)
        if not end.is_open:
            time.sleep(LAST_WORDS_S)
    if end.is_open:
        display.say(f"The link to the coordinator has ended; Flower's log is {folder / 'supernode.log'}")
