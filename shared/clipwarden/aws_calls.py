"""Calls to AWS as Prometheus figures and as spans: where boto3 makes them, whoever asks for them."""

from functools import partial
from time import perf_counter
from typing import Any, TypeVar

from clipwarden import metrics, tracing

C = TypeVar("C")

#: What a call's own context remembers of us.
_BEGAN, _SPAN = "clipwarden_began", "clipwarden_span"


def counted(client: C) -> C:
    """Return a client of boto3, whose calls are counted and timed from now on, attempts of one call as one.

    An outcome is ``ok``, the name of AWS's error, or that of the exception where no answer came. A call that brings an
    object ends with its head.
    """
    meta: Any = getattr(client, "meta")  # noqa: B009 # clients share no type
    events, region = meta.events, meta.region_name or "none"
    events.register("before-call", partial(_begin, region=region))
    events.register("after-call", _answered)
    events.register("after-call-error", _failed)
    return client


def _begin(event_name: str, context: dict[str, Any], *, region: str, **_: Any) -> None:
    service, operation = event_name.split(".")[1:]
    facts: tracing.Facts = {
        "rpc.system": "aws-api",
        "rpc.service": service,
        "rpc.method": operation,
        "cloud.region": region,
    }
    context[_SPAN] = tracing.begin(f"{service}.{operation}", facts)
    context[_BEGAN] = perf_counter()


def _answered(event_name: str, parsed: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    _tell(event_name, context, str(parsed["Error"].get("Code", "unknown")) if "Error" in parsed else "ok")


def _failed(event_name: str, exception: Exception, context: dict[str, Any], **_: Any) -> None:
    _tell(event_name, context, type(exception).__name__)


def _tell(event_name: str, context: dict[str, Any], outcome: str) -> None:
    operation = event_name.rpartition(".")[2]
    metrics.AWS_SECONDS.labels(operation).observe(perf_counter() - context[_BEGAN])
    metrics.AWS_CALLS.labels(operation, outcome).inc()
    if (span := context[_SPAN]) is not None:
        span.tell(outcome)
        span.end()
