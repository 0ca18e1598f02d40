"""Standard Webhooks' signature: an HMAC-SHA256 over id, timestamp and body, under a secret that begins with ``whsec_``.

Several secrets sign side by side while one replaces another, so that a receiver may know either of them.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
import time
from collections.abc import Iterable

#: What a secret begins with.
PREFIX = "whsec_"
#: Seconds that sender's and receiver's clocks may differ.
TOLERANCE = 300
_SECRET_BYTES = 32
#: Fewer bytes can be guessed; more are not what the standard has.
_SHORTEST, _LONGEST = 24, 64


def new_secret() -> str:
    """Return a secret that nobody else has."""
    return PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def sign(body: str | bytes, id: str, timestamp: int, keys: Iterable[str]) -> str:
    """Return the header ``webhook-signature``: a signature by each secret, separated by spaces.

    Raises ValueError for what is not a secret.
    """
    return " ".join(_signed(body, id, timestamp, _bytes(key)) for key in keys)


def verify(body: str | bytes, id: str, timestamp: str, signatures: str, key: str, *, now: float | None = None) -> bool:
    """Say whether one of the signatures is by this secret, and not older or newer than five minutes."""
    try:
        stamped = int(timestamp)
        fresh = abs((time.time() if now is None else now) - stamped) <= TOLERANCE
    except (ValueError, OverflowError):  # A number of hundreds of digits is none that a clock is subtracted from.
        return False
    expected = _signed(body, id, stamped, _bytes(key)).encode()
    known = [hmac.compare_digest(expected, one.encode("utf-8", "surrogatepass")) for one in signatures.split(" ")]
    return any(known) and fresh


def _signed(body: str | bytes, id: str, timestamp: int, key: bytes) -> str:
    # A lone surrogate, which JSON can smuggle into a text, has no UTF-8; it must not break the check.
    octets = body if isinstance(body, bytes) else body.encode("utf-8", "surrogatepass")
    digest = hmac.digest(key, f"{id}.{timestamp}.".encode("utf-8", "surrogatepass") + octets, hashlib.sha256)
    return f"v1,{base64.b64encode(digest).decode()}"


def _bytes(key: str) -> bytes:
    try:
        found = base64.b64decode(key.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        found = b""
    if not key.startswith(PREFIX) or not _SHORTEST <= len(found) <= _LONGEST:
        # The secret itself is not told: the message may be shown.
        raise ValueError(f"a webhook secret is {PREFIX} and {_SHORTEST} to {_LONGEST} bytes in base64")
    return found
