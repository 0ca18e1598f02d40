"""People who review: who they are, what they may do, and whose videos they may see."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Role(StrEnum):
    """What a person may do; each may do what those before it may."""

    READ_ONLY = "read-only"  #: Look at cases.
    REVIEWER = "reviewer"  #: Decide them.
    SUPERVISOR = "supervisor"  #: Decide many at once, see to escalated ones, and read everybody's audit trail.
    ADMIN = "admin"  #: See and mend what runs.

    def covers(self, other: "Role") -> bool:
        """Say whether whoever has this role may do what the other is needed for."""
        ranks = list(Role)
        return ranks.index(self) >= ranks.index(other)


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Somebody who signs in to the review console."""

    id: str
    name: str
    role: Role
    disabled: bool
    account_ids: tuple[str, ...] | None  #: Whose videos they may see; ``None`` for everybody's.
    has_password: bool
    settings: dict[str, Any] = field(default_factory=dict)  #: How they want the console to be.
    created_at: datetime

    def sees(self, account_id: str) -> bool:
        """Say whether they may see what is this account's."""
        return self.account_ids is None or account_id in self.account_ids
