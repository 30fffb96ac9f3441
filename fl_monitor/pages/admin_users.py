"""What a coordinator can do about users: add one, change role, site or password, shut out and let in."""

from collections.abc import Sequence

import streamlit as st

from fl_monitor.administration import is_last_server
from fl_monitor.gate import monitor
from fl_monitor.language import gettext as _
from fl_monitor.pages.deeds import act, fresh_key, refuse
from fl_monitor.roles import role_text
from fl_store.rows import UserRow
from fl_store.words import Role

LONGEST_NAME = 32


def show(user: UserRow) -> None:
    """Draw the forms."""
    users = sorted(monitor().store.get(UserRow), key=lambda known: known.name)
    with st.expander(_("Add a user")):
        _add()
    with st.container(border=True):
        by_name = {known.name: known for known in users}
        names = list(by_name)
        picked = st.selectbox(
            _("Change a user"), names, index=names.index(user.name), key="fl-user", width=420
        )
        known = by_name[picked]
        is_last = is_last_server(users, known.name)
        is_sure = _is_sure() if is_last else True
        left, right = st.columns(2)
        with left:
            _change_role(known, is_sure=is_sure)
        with right:
            _change_password(known)
            _shut_out(known, is_sure=is_sure)


def _is_sure() -> bool:
    """Warn before the last coordinator is shut out, and return whether it is meant."""
    st.warning(
        _(
            "Nobody else may administer this monitor. Another role, or shutting this user out, leaves only "
            "the command line."
        )
    )
    return st.checkbox(_("Do it all the same"), key="fl-sure")


def _add() -> None:
    with st.form(fresh_key("fl-add"), border=False):
        name = st.text_input(_("User name"), max_chars=LONGEST_NAME, autocomplete="off")
        role, site = _ask_role(None)
        password = _ask_password()
        if st.form_submit_button(_("Add"), type="primary"):
            act(lambda administration: administration.add_user(name.strip().lower(), password, role, site))


def _change_role(known: UserRow, *, is_sure: bool) -> None:
    with st.form(fresh_key(f"fl-role-{known.name}")):
        role, site = _ask_role(known)
        if st.form_submit_button(_("Change role")):
            if role is not Role.SERVER and not is_sure:
                refuse(_unsure_text())
            act(lambda administration: administration.set_role(known.name, role, site))


def _change_password(known: UserRow) -> None:
    with st.form(fresh_key(f"fl-password-{known.name}")):
        password = _ask_password()
        if st.form_submit_button(_("Set password")):
            act(lambda administration: administration.set_password(known.name, password))


def _shut_out(known: UserRow, *, is_sure: bool) -> None:
    text = _("Let in again") if known.is_disabled else _("Disable")
    if st.button(text, key=f"fl-disable-{known.name}", width="stretch"):
        if not is_sure:
            refuse(_unsure_text())
        act(lambda administration: administration.set_disabled(known.name, is_disabled=not known.is_disabled))


def _unsure_text() -> str:
    return _("Not done: this is the last coordinator who may sign in. Tick the box if you mean it.")


def _ask_role(known: UserRow | None) -> tuple[Role, str | None]:
    """Draw the fields for a role and its site; other roles than the client's have none."""
    roles: Sequence[Role] = list(Role)
    role = st.selectbox(
        _("Role"),
        roles,
        index=roles.index(known.role if known else Role.CLIENT),
        format_func=role_text,
    )
    site = st.text_input(
        _("Name of the site, for the role '{role}'").format(role=role_text(Role.CLIENT)),
        value=(known.site if known else None) or "",
        max_chars=LONGEST_NAME,
        autocomplete="off",
    )
    return role, (site.strip() or None) if role is Role.CLIENT else None


def _ask_password() -> str:
    return st.text_input(
        _("New password"),
        type="password",
        max_chars=128,
        autocomplete="new-password",
        help=_("At least 10 characters, and not easy to guess."),
    )
