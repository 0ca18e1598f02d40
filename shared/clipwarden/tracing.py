"""Spans of what is done for a moderation, from its door to its callbacks; none, and nothing imported, while it is off.

``docs/decisions/0014-traces-without-a-row.md`` says which span stands below which. Spans carry operations and outcomes:
no content, no URLs, no messages of errors.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from clipwarden import errors, traceparent
from clipwarden.settings import TracingSettings
from clipwarden.traceparent import Place

if TYPE_CHECKING:
    from clipwarden.spans import Span, Spans

#: Attributes of a span.
Facts = Mapping[str, str | int]

#: Where and when the message was sent that this thread works on.
_sent: ContextVar[tuple[Place | None, float | None]] = ContextVar("clipwarden_sent", default=(None, None))


class _Process:
    """What this process was configured with; like logs, there is one of it."""

    spans: "Spans | None" = None
    callbacks = False


def configure(settings: TracingSettings, service: str) -> None:
    """Send this process's spans to where ``OTEL_EXPORTER_OTLP_ENDPOINT`` says, if the settings want any.

    Raises ConfigurationError where OpenTelemetry is not installed.
    """
    if not settings.enabled:
        return
    try:
        from clipwarden import spans  # noqa: PLC0415 # who traces nothing imports nothing of it
    except ModuleNotFoundError as exc:
        raise errors.ConfigurationError(f"tracing needs {exc.name}: pip install 'clipwarden[tracing]'") from exc
    use(spans.exported(service), callbacks=settings.callbacks)


def use(spans: "Spans | None", *, callbacks: bool = False) -> None:
    """Make spans with these from now on, or none; ``callbacks`` says whether receivers are told their trace."""
    _Process.spans, _Process.callbacks = spans, callbacks


def close() -> None:
    """Send what has not been sent, within a few seconds, and make no more spans."""
    spans, _Process.spans = _Process.spans, None
    if spans is not None:
        spans.close()


def enabled() -> bool:
    """Say whether spans are made."""
    return _Process.spans is not None


def receive(sender: object = None, since: float | None = None) -> None:
    """Let this thread work on a message that says where it was sent, at seconds since the epoch; or on none."""
    _sent.set((Place.parse(sender), since))


def accepted(*ids: str) -> None:
    """Make the first span of moderations that are rows now; the span that asked for them is linked."""
    if (spans := _Process.spans) is not None:
        sender, since = _sent.get()
        for id in ids:
            spans.first(id, sender or traceparent.present(), since)


@contextmanager
def turn(actor: str, id: str) -> Iterator["Span | None"]:
    """Make the span of an actor's turn with what has this id, below who sent its message for the same."""
    if (spans := _Process.spans) is None:
        yield None
        return
    with spans.turn(actor, id, _sent.get()[0]) as span:
        yield span


@contextmanager
def request(method: str, sender: object) -> Iterator["Span | None"]:
    """Make the span of a request to the gateway, below its sender's if that names one."""
    if (spans := _Process.spans) is None:
        yield None
        return
    with spans.request(method, Place.parse(sender)) as span:
        yield span


@contextmanager
def call(name: str, facts: Facts) -> Iterator["Span | None"]:
    """Make the span of a call to somebody else, where there is a span to stand below."""
    if (span := begin(name, facts)) is None:
        yield None
        return
    with span.ending():
        yield span


def begin(name: str, facts: Facts) -> "Span | None":
    """Begin such a span, which whoever has it ends."""
    spans = _Process.spans
    return spans.call(name, facts) if spans is not None and traceparent.present() is not None else None


def told() -> dict[str, str]:
    """Return the headers that tell a callback's receiver its trace, if the settings want that."""
    return traceparent.options() if _Process.callbacks and enabled() else {}
