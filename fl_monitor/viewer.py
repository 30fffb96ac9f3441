"""Who looks, at which page, and in which language."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fl_store.rows import UserRow
from fl_store.words import Role


@dataclass(frozen=True)
class Viewer:
    """A user as far as it matters for what the user may see; ``site`` is set for the role client only."""

    name: str
    role: Role
    site: str | None = None

    @classmethod
    def of(cls, user: UserRow) -> "Viewer":
        """Return the viewer that a user is."""
        return cls(user.name, user.role, (user.site or "") if user.role is Role.CLIENT else None)

    @property
    def is_client(self) -> bool:
        """Say whether the viewer sees one site only."""
        return self.role is Role.CLIENT


@dataclass(frozen=True)
class Query:
    """What a viewer asks for: a page, its parameters from the address, and a language."""

    page: str
    viewer: Viewer
    language: str = "en"
    params: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> tuple[object, ...]:
        """What two queries with the same answer have in common."""
        return (self.page, self.viewer, self.language, *sorted(self.params.items()))
