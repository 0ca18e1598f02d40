"""Cloudinary's notification signature: the hex hash of body, timestamp and API secret, one after the other.

Not an HMAC: receivers check it with the SDKs' ``verify_notification_signature``, which hash exactly this.
"""

import hashlib
import hmac
import time
from typing import Literal, cast

Algorithm = Literal["sha1", "sha256"]

#: Seconds for which a signature is accepted, as the SDKs have it.
VALID_FOR = 7200
#: Seconds that a signer's clock may be ahead of the verifier's.
FUTURE_SKEW = 300


def sign(body: str | bytes, timestamp: int, secret: str, algorithm: str = "sha1") -> str:
    """Return the signature, in hex, of a body sent at ``timestamp`` (seconds since the epoch).

    Raises ValueError for an algorithm other than ``sha1`` and ``sha256``, and for an empty secret.
    """
    if not secret:
        raise ValueError("a signature needs a secret")
    digest = hashlib.new(_algorithm(algorithm), _octets(body))
    digest.update(f"{timestamp}{secret}".encode())
    return digest.hexdigest()


def verify(
    body: str | bytes,
    timestamp: int | str,
    signature: str,
    secret: str,
    algorithm: str = "sha1",
    *,
    valid_for: float = VALID_FOR,
    now: float | None = None,
) -> bool:
    """Say whether the signature is right and not older than ``valid_for`` seconds; takes the same time for any text.

    ``timestamp`` may be the header's text; ``now`` is the verifier's clock, in seconds since the epoch.
    """
    try:
        stamped = int(timestamp)
        age = (time.time() if now is None else now) - stamped
    except (ValueError, OverflowError):  # A number of hundreds of digits is none that a clock is subtracted from.
        return False
    expected = sign(body, stamped, secret, algorithm)
    return hmac.compare_digest(expected.encode(), _octets(signature)) and -FUTURE_SKEW <= age <= valid_for


def _octets(text: str | bytes) -> bytes:
    # A lone surrogate, which JSON can smuggle into a text, has no UTF-8; it must not break the check.
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")


def _algorithm(name: str) -> Algorithm:
    if name not in ("sha1", "sha256"):
        raise ValueError(f"signatures are made with sha1 or sha256, not {name!r}")
    return cast("Algorithm", name)
