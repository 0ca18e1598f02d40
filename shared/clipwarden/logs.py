"""Structured logs on standard error: for people or as JSON, with secrets struck out."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from clipwarden import traceparent, tracing
from clipwarden.settings import LogFormat, LogSettings

#: Keys whose values are never shown, whoever logs them.
SECRET_KEYS = frozenset({"api_secret", "authorization", "password", "secret", "signature", "url_secret"})

#: What in a path is a secret: the signature of a delivery URL, and the token of a link to choose a password.
_SECRET_PARTS = re.compile(r"(?<=/s--)[^/]+(?=--(?:/|$))|(?<=/welcome/)[^/]+")


def configure(settings: LogSettings) -> None:
    """Send this process's logs, the libraries' warnings among them, to standard error."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _strike_secrets,
        _name_trace,
    ]
    renderer = _renderer(settings.format)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(settings.level.upper())),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processors=_final(renderer), foreign_pre_chain=shared))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("clipwarden").setLevel(settings.level.upper())


def logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """Return the logger of a module; ``name`` is its ``__name__``."""
    bound: structlog.typing.FilteringBoundLogger = structlog.get_logger(f"clipwarden.{name}")
    return bound


def _final(renderer: structlog.typing.Processor) -> list[structlog.typing.Processor]:
    return [structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer]


def _renderer(form: LogFormat) -> structlog.typing.Processor:
    if form is LogFormat.JSON:
        return structlog.processors.JSONRenderer()
    # Plain: the other formatter shows what variables hold, secrets too.
    return structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), pad_event_to=28, exception_formatter=structlog.dev.plain_traceback
    )


def _name_trace(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Say which trace a line belongs to: its moderation's, or that of the request which is at work."""
    if tracing.enabled() and "trace_id" not in event:
        of = event.get("moderation_id")
        place = traceparent.root(of) if isinstance(of, str) else traceparent.present()
        if place is not None:
            event["trace_id"] = f"{place.trace_id:032x}"
    return event


def _strike_secrets(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key in SECRET_KEYS & event.keys():
        event[key] = "***"
    if isinstance(path := event.get("path"), str):
        event["path"] = _SECRET_PARTS.sub("***", path)
    return event
