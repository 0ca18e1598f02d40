"""Passwords: hashed with argon2id, a few at once, so that guessing costs memory of theirs and not all of ours."""

import threading
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from clipwarden_api.console.turned import Turned

#: Characters; NIST SP 800-63B asks for 15 where nothing else proves who signs in, and for no composition rules.
SHORTEST, LONGEST = 12, 256

_HASHER = PasswordHasher()
#: Each needs 64 MiB.
_AT_ONCE = threading.BoundedSemaphore(4)


def hashed(password: str) -> str:
    """Return what is kept of a password; raises Turned for one that is too short or too long."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise Turned(422, f"A password has {SHORTEST} to {LONGEST} characters.")
    with _AT_ONCE:
        return _HASHER.hash(password)


def fits(password: str, kept: str | None) -> bool:
    """Say whether this is the password; for a user who has none it takes as long."""
    if len(password) > LONGEST:
        return False
    with _AT_ONCE:
        try:
            return _HASHER.verify(kept or _nobodys(), password) and kept is not None
        except (VerificationError, InvalidHashError):
            return False


def is_outdated(kept: str) -> bool:
    """Say whether a password was hashed at other costs than today's."""
    return _HASHER.check_needs_rehash(kept)


@cache
def _nobodys() -> str:
    return _HASHER.hash("nobody's")
