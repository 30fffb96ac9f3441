"""What the roles of users are called."""

from fl_monitor.language import gettext as _
from fl_store.words import Role


def role_text(role: Role) -> str:
    """Return the word for a role."""
    return {Role.SERVER: _("coordinator"), Role.CLIENT: _("site"), Role.ANALYST: _("analyst")}[role]
