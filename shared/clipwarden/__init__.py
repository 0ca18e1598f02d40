"""Self-hosted moderation of user-uploaded videos: the light client, the policy language and the rules."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clipwarden.client import Client
    from clipwarden.errors import ClipwardenError, PermanentError, PolicyError, TransientError
    from clipwarden.moderation import Kind, Moderation, Stage, Status
    from clipwarden.policy import Policy
    from clipwarden.rules import Rule
    from clipwarden.verdict import Judge, Reason, Verdict, judge

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

#: The modules in which the names are at home.
_HOMES = {
    "client": ("Client",),
    "errors": ("ClipwardenError", "PermanentError", "PolicyError", "TransientError"),
    "moderation": ("Kind", "Moderation", "Stage", "Status"),
    "policy": ("Policy",),
    "rules": ("Rule",),
    "verdict": ("Judge", "Reason", "Verdict", "judge"),
}


def __getattr__(name: str) -> object:
    """Import a name when it is asked for: every process imports this package, and few need all that it offers."""
    from importlib import import_module  # noqa: PLC0415 # not one of the package's names

    for module, names in _HOMES.items():
        if name in names:
            found = globals()[name] = getattr(import_module(f"{__name__}.{module}"), name)
            return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the names, those included that nobody has asked for yet."""
    return sorted({*globals(), *__all__})
