"""Self-hosted moderation of user-uploaded videos: the light client, the policy language and the rules."""

from typing import TYPE_CHECKING

from clipwarden.errors import ClipwardenError, PermanentError, PolicyError, TransientError
from clipwarden.moderation import Kind, Moderation, Stage, Status
from clipwarden.policy import Policy
from clipwarden.rules import Rule
from clipwarden.verdict import Judge, Reason, Verdict, judge

if TYPE_CHECKING:
    from clipwarden.client import Client

__all__ = [
    "Client",
    "ClipwardenError",
    "Judge",
    "Kind",
    "Moderation",
    "PermanentError",
    "Policy",
    "PolicyError",
    "Reason",
    "Rule",
    "Stage",
    "Status",
    "TransientError",
    "Verdict",
    "judge",
]


def __getattr__(name: str) -> object:
    """Import the client when it is asked for: Redis' and Dramatiq's modules take longer to load than all the rest."""
    if name == "Client":
        from clipwarden.client import Client  # noqa: PLC0415 # see above

        return Client
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
