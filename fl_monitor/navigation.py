"""Which pages there are, in the order of the menu, and who gets to which."""

import logging
from collections.abc import Callable, Mapping

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from fl_core.errors import StoreError
from fl_monitor.assets import read_static
from fl_monitor.board import show_board
from fl_monitor.gate import current_user, require_user, spoken_language
from fl_monitor.language import gettext as _
from fl_monitor.language import speaking
from fl_monitor.pages import account, activity, admin, login, quality, rounds, runs, sites, topbar
from fl_monitor.views import VIEWS
from fl_store.rows import UserRow
from fl_store.words import Role

logger = logging.getLogger(__name__)

Show = Callable[[UserRow], None]


def show_page() -> None:
    """Draw the page that this browser asked for, or the login in its place."""
    st.set_page_config(page_title="FedLuna", page_icon=read_static("icon.svg"), layout="wide")
    st.html(f"<style>{read_static('page.css')}</style>")
    with speaking(spoken_language()):
        try:
            _navigate(current_user())
        except StoreError as error:
            logger.warning("%s", error)
            st.error(
                _(
                    "The monitor cannot use its store at the moment. Load the page again; the coordinator's "
                    "log says more."
                )
            )
        st.caption(_("Research use only, not for diagnosis."), text_alignment="center")


def _navigate(user: UserRow | None) -> None:
    """Run the page at this address; whoever has no session gets the login at every address."""
    pages: dict[str, StreamlitPage] = {}
    for name, title in list_titles(user.role if user else None).items():
        pages[name] = st.Page(
            _guard(name, pages) if user else login.show,
            title=title,
            url_path=name,
            default=name == "live",
            visibility="hidden" if name == "account" else "visible",
        )
    st.navigation(list(pages.values()), position="top" if user else "hidden").run()


def list_titles(role: Role | None) -> dict[str, str]:
    """Return the pages that a role may see, with what the menu calls them; all for somebody unknown."""
    titles = {
        "live": _("Live"),
        "sites": _("My site") if role is Role.CLIENT else _("Sites"),
        "rounds": _("Rounds"),
        "quality": _("Quality"),
        "runs": _("Runs"),
        "models": _("Models"),
        "scan": _("Scan"),
        "activity": _("Activity"),
        "admin": _("Admin"),
        "account": _("Account"),
    }
    return {name: title for name, title in titles.items() if role is None or role in VIEWS[name].roles}


def _guard(name: str, pages: Mapping[str, StreamlitPage]) -> Callable[[], None]:
    """Return the page as Streamlit runs it: with a live session of a role that may see it, or not at all."""

    def run() -> None:
        user = require_user()
        if user.role in VIEWS[name].roles:
            topbar.show(user, pages["account"])
            if name in _PAGES:
                _PAGES[name](user)
            else:
                show_board(name)

    return run


_PAGES: Mapping[str, Show] = {
    "sites": sites.show,
    "rounds": rounds.show,
    "quality": quality.show,
    "runs": runs.show,
    "activity": activity.show,
    "admin": admin.show,
    "account": account.show,
}
"""The pages that have more than a board."""
