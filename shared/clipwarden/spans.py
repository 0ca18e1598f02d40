"""Making spans with OpenTelemetry: imported by a process that traces, and by no other."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from clipwarden import errors, traceparent
from clipwarden.traceparent import Place
from clipwarden.tracing import Facts
from clipwarden.version import VERSION

#: Seconds that a process waits at its end for a collector that does not take the last spans.
PATIENCE = 5.0
#: Seconds that a message may have waited.
_LONGEST_WAIT = 30 * 86400.0

#: The place that the next span of this thread is to have.
_chosen: ContextVar[Place | None] = ContextVar("clipwarden_chosen", default=None)


class _Ids(RandomIdGenerator):
    """Makes ids up, unless the span's place is chosen."""

    def generate_trace_id(self) -> int:
        return place.trace_id if (place := _chosen.get()) is not None else super().generate_trace_id()

    def generate_span_id(self) -> int:
        return place.span_id if (place := _chosen.get()) is not None else super().generate_span_id()


class Span:
    """A span that has begun."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def note(self, name: str, value: str | int) -> None:
        """Say one thing about it."""
        self._span.set_attribute(name, value)

    def name(self, name: str) -> None:
        """Call it otherwise than it was at first."""
        self._span.update_name(name)

    def tell(self, outcome: str) -> None:
        """Say how it went: ``ok``, or a short word for what went wrong."""
        if outcome != "ok":
            self._span.set_attribute("error.type", outcome)
            self._span.set_status(Status(StatusCode.ERROR))

    def end(self) -> None:
        """End it now."""
        self._span.end()

    @contextmanager
    def ending(self) -> Iterator[None]:
        """Be the present span for the time of the block, and end with it, as it went."""
        # What exceptions say is not ours to pass on: it may name URLs and what is signed in them.
        with trace.use_span(self._span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            try:
                yield
            except errors.ClipwardenError as exc:
                self.tell(exc.code)
                raise
            except BaseException as exc:
                self.tell(type(exc).__name__)
                raise


class Spans:
    """Makes the spans of one process, and hands them to a processor."""

    def __init__(self, service: str, processor: SpanProcessor) -> None:
        # At the end, `close` waits for as long as is decent; the library's own handler would wait for longer.
        self._provider = TracerProvider(resource=_resource(service), id_generator=_Ids(), shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("clipwarden", VERSION)

    def first(self, id: str, sender: Place | None, since: float | None) -> None:
        """Make the span that all others of the id's trace stand below."""
        chosen = _chosen.set(traceparent.root(id))
        try:
            span = self._tracer.start_span(
                "moderation",
                context=Context(),
                kind=SpanKind.CONSUMER,
                links=_links(sender),
                attributes={"clipwarden.moderation_id": id},
                start_time=_nanoseconds(since),
            )
        finally:
            _chosen.reset(chosen)
        span.end()

    @contextmanager
    def turn(self, actor: str, id: str, sender: Place | None) -> Iterator[Span]:
        """Make an actor's span in the id's trace; a sender in another trace is linked."""
        top = self._sampled(traceparent.root(id))
        same = sender is not None and sender.trace_id == top.trace_id
        span = self._tracer.start_span(
            actor,
            context=_below(sender if same and sender is not None else top),
            kind=SpanKind.CONSUMER,
            links=[] if same else _links(sender),
            attributes={"clipwarden.moderation_id": id},
        )
        made = Span(span)
        with made.ending():
            yield made

    @contextmanager
    def request(self, method: str, sender: Place | None) -> Iterator[Span]:
        """Make the span of a request."""
        context = _below(sender) if sender is not None else Context()
        facts = {"http.request.method": method}
        made = Span(self._tracer.start_span(method, context=context, kind=SpanKind.SERVER, attributes=facts))
        with made.ending():
            yield made

    def call(self, name: str, facts: Facts) -> Span:
        """Begin the span of a call, below the present one."""
        return Span(self._tracer.start_span(name, kind=SpanKind.CLIENT, attributes=dict(facts)))

    def close(self) -> None:
        """Send what is left, for a few seconds at most."""
        ending = threading.Thread(target=self._provider.shutdown, name="spans", daemon=True)
        ending.start()
        ending.join(PATIENCE)

    def _sampled(self, top: Place) -> Place:
        """Return the first span's place as the sampler has decided, which has nothing but the trace's id to go by."""
        decided = self._provider.sampler.should_sample(Context(), top.trace_id, "moderation")
        return Place(trace_id=top.trace_id, span_id=top.span_id, sampled=decided.decision is Decision.RECORD_AND_SAMPLE)


def exported(service: str) -> Spans:
    """Return spans that a thread of its own sends in batches; those that it cannot send are dropped."""
    return Spans(service, BatchSpanProcessor(OTLPSpanExporter()))


def _resource(service: str) -> Resource:
    """Say who makes the spans: what the environment says wins."""
    named = "OTEL_SERVICE_NAME" in os.environ or "service.name=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    return Resource.create({} if named else {"service.name": service})


def _nanoseconds(since: float | None) -> int | None:
    """Return when a message was sent, as far as that can be: its sender may have another clock, or be none of ours."""
    likely = since is not None and 0 <= time.time() - since < _LONGEST_WAIT
    return int(since * 1e9) if likely and since is not None else None


def _below(place: Place) -> Context:
    return trace.set_span_in_context(trace.NonRecordingSpan(_context(place)), Context())


def _links(place: Place | None) -> list[Link]:
    return [] if place is None else [Link(_context(place))]


def _context(place: Place) -> SpanContext:
    flags = TraceFlags(TraceFlags.SAMPLED if place.sampled else TraceFlags.DEFAULT)
    return SpanContext(place.trace_id, place.span_id, is_remote=True, trace_flags=flags)
