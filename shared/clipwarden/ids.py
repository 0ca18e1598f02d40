"""Identifiers: ordered by time where we make them up, derived where a caller's key must lead back to the same one."""

import re
import secrets
import time
import uuid

#: Root of all derived ids; any fixed UUID would do, changing it would break idempotency.
_NAMESPACE = uuid.UUID("6f0c6c1e-6d3f-5f0a-9b53-2c1b7f0f4d2a")

_HEX = re.compile(r"[0-9a-fA-F]{32}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def new_id() -> str:
    """Return a UUIDv7 (RFC 9562 §5.7): its text sorts by the millisecond of its making."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & ((1 << 48) - 1)) << 80 | 0x7 << 76 | secrets.randbits(12) << 64
    return str(uuid.UUID(int=value | 0b10 << 62 | secrets.randbits(62)))


def read(text: str) -> str | None:
    """Return the id that a text is, with or without its dashes; ``None`` for any other text."""
    try:
        return str(uuid.UUID(hex=text)) if _HEX.fullmatch(text) else None
    except ValueError:
        return None


def derived_id(*parts: str) -> str:
    """Return the UUIDv5 (RFC 9562 §5.5) that these parts, and no others, always lead to."""
    return str(uuid.uuid5(_NAMESPACE, "".join(f"{len(part)}:{part}" for part in parts)))


def request_token(moderation_id: str, attempt: int) -> str:
    """Return Rekognition's ClientRequestToken for one attempt: at most 64 of ``[a-zA-Z0-9-_]``."""
    return f"cw-{moderation_id}-{attempt}"
