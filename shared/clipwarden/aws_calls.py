"""Calls to AWS as Prometheus figures: counted and timed where boto3 makes them, whoever asks for them."""

from time import perf_counter
from typing import Any, TypeVar

from clipwarden import metrics

C = TypeVar("C")

#: What a call's own context remembers of us.
_BEGAN = "clipwarden_began"


def counted(client: C) -> C:
    """Return a client of boto3, whose calls are counted and timed from now on, attempts of one call as one.

    An outcome is ``ok``, the name of AWS's error, or that of the exception where no answer came. A call that brings an
    object ends with its head.
    """
    events: Any = getattr(client, "meta").events  # noqa: B009 # clients share no type
    events.register("before-call", _begin)
    events.register("after-call", _answered)
    events.register("after-call-error", _failed)
    return client


def _begin(context: dict[str, Any], **_: Any) -> None:
    context[_BEGAN] = perf_counter()


def _answered(event_name: str, parsed: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    _tell(event_name, context, str(parsed["Error"].get("Code", "unknown")) if "Error" in parsed else "ok")


def _failed(event_name: str, exception: Exception, context: dict[str, Any], **_: Any) -> None:
    _tell(event_name, context, type(exception).__name__)


def _tell(event_name: str, context: dict[str, Any], outcome: str) -> None:
    operation = event_name.rpartition(".")[2]
    metrics.AWS_SECONDS.labels(operation).observe(perf_counter() - context[_BEGAN])
    metrics.AWS_CALLS.labels(operation, outcome).inc()
