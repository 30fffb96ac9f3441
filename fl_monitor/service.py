"""The one object that routes and pages of a monitor process share."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fl_core.config import home_folder
from fl_monitor.auth import Sessions
from fl_monitor.feed import Feed
from fl_monitor.library import RunLibrary
from fl_monitor.login import Login, Tickets
from fl_monitor.poller import Poller
from fl_monitor.scan_desk import ScanDesk
from fl_monitor.scan_folder import ScanFolder
from fl_monitor.scan_limits import ScanLimits
from fl_store.base import Store
from fl_store.connect import open_monitor_store


@dataclass(frozen=True)
class Service:
    """Everything a monitor needs while it runs; ``home`` is the coordinator's folder, where models are."""

    store: Store
    home: Path
    sessions: Sessions
    login: Login
    tickets: Tickets
    poller: Poller
    library: RunLibrary
    feed: Feed
    scans: ScanDesk


def make_service(store: Store, home: Path | None = None) -> Service:
    """Put a monitor together over a store; its folder is this process's if no other is given."""
    sessions = Sessions(store)
    home = home or home_folder()
    return Service(
        store=store,
        home=home,
        sessions=sessions,
        login=Login(store, sessions),
        tickets=Tickets(),
        poller=Poller(store),
        library=RunLibrary(store),
        feed=Feed(),
        scans=ScanDesk(store, ScanFolder(home / "scans"), ScanLimits.read()),
    )


@cache
def service_of(home: Path) -> Service:
    """Return this process's monitor of the coordinator whose folder is ``home``."""
    return make_service(open_monitor_store(home), home)
