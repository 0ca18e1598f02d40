"""Where a span stands among others, as W3C Trace Context writes it: ``00-TRACE-SPAN-FLAGS``.

A moderation's trace has an id that follows from the moderation's, so that all processes agree on it without asking.
Nothing of OpenTelemetry is imported here: a producer that uses it has done so.
"""

import hashlib
import re
import sys
from dataclasses import dataclass
from typing import Any, Self

#: The option of a message, and the header of a request, that carries it.
NAME = "traceparent"

_FORM = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A span's place: neither number is 0."""

    trace_id: int
    span_id: int
    sampled: bool = True

    @classmethod
    def parse(cls, text: object) -> Self | None:
        """Return the place that a text from anywhere names; ``None`` where it is none, or of a later version."""
        found = _FORM.fullmatch(text) if isinstance(text, str) else None
        if found is None or not (trace_id := int(found[1], 16)) or not (span_id := int(found[2], 16)):
            return None
        return cls(trace_id=trace_id, span_id=span_id, sampled=bool(int(found[3], 16) & 1))

    def __str__(self) -> str:
        """Return its text."""
        return f"00-{self.trace_id:032x}-{self.span_id:016x}-{self.sampled:02x}"


def root(id: str) -> Place:
    """Return the place of the first span of what has this id, such as a moderation; others stand below it.

    All bits are as good as random, because samplers decide by some of them: those of the id itself are not.
    """
    digest = hashlib.blake2b(f"clipwarden:{id}".encode(), digest_size=24).digest()
    return Place(trace_id=int.from_bytes(digest[:16]) or 1, span_id=int.from_bytes(digest[16:]) or 1)


def present() -> Place | None:
    """Return the place of the span in which this code runs, if the process has such a thing."""
    if (library := sys.modules.get("opentelemetry.trace")) is None:
        return None
    context: Any = library.get_current_span().get_span_context()
    if not context.is_valid:
        return None
    return Place(trace_id=context.trace_id, span_id=context.span_id, sampled=bool(context.trace_flags & 1))


def options() -> dict[str, str]:
    """Return the option by which a message tells where it was sent."""
    return {NAME: str(place)} if (place := present()) is not None else {}
