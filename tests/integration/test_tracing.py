"""A moderation is one trace, from the message that asks for it to its callback, and losing spans loses nothing else."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from clipwarden import traceparent, tracing
from clipwarden.settings import TracingSettings
from clipwarden.traceparent import Place
from clipwarden_local.ports import free_port
from fixtures.pipeline import Pipeline
from waiting import eventually

ID = "01934567-89ab-7cde-8f01-23456789abcd"


@pytest.fixture
def traced(spans: InMemorySpanExporter, pipeline: Pipeline) -> tuple[InMemorySpanExporter, Pipeline]:
    """Return a pipeline that traces, and what keeps its spans."""
    return spans, pipeline


def _of(kept: InMemorySpanExporter, trace_id: int) -> dict[str, ReadableSpan]:
    """Return the trace's spans by their names, of each name the last."""
    return {span.name: span for span in kept.get_finished_spans() if span.context and span.context.trace_id == trace_id}


def _parent(span: ReadableSpan) -> int | None:
    return span.parent.span_id if span.parent is not None else None


def _id(span: ReadableSpan) -> int:
    assert span.context is not None
    found: int = span.context.span_id
    return found


def test_a_moderation_is_one_trace_from_its_message_to_its_callback(
    traced: tuple[InMemorySpanExporter, Pipeline],
) -> None:
    kept, pipeline = traced
    asking = Place(trace_id=0xA, span_id=0xB)
    context = trace.SpanContext(asking.trace_id, asking.span_id, is_remote=False, trace_flags=trace.TraceFlags(1))
    with trace.use_span(trace.NonRecordingSpan(context)):
        moderation_id = pipeline.submit()
    root = traceparent.root(moderation_id)
    found = eventually(lambda: spans if "notify" in (spans := _of(kept, root.trace_id)) else None)
    assert found is not None
    assert {"moderation", "probe", "start", "collect", "decide", "notify", "POST"} < found.keys()
    first, post = found["moderation"], found["POST"]
    assert (_id(first), _parent(first)) == (root.span_id, None)
    assert [link.context.span_id for link in first.links] == [asking.span_id]
    # What is sent for a row that fell due has no sender, and stands below the first.
    assert {_parent(found[name]) for name in ("start", "notify")} <= {root.span_id, _id(found["probe"])}
    assert _parent(found["probe"]) == root.span_id
    assert _parent(found["decide"]) == _id(found["collect"])
    assert _parent(post) == _id(found["notify"])
    _check_calls(kept, root.trace_id)
    assert post.attributes is not None
    assert (post.attributes["server.address"], post.attributes["http.response.status_code"]) == ("127.0.0.1", 200)
    said = "".join(span.to_json() for span in kept.get_finished_spans())
    assert pipeline.receiver.url not in said
    assert "in/plain.mp4" not in said
    callback = pipeline.receiver.wait_for(moderation_id, within=20)
    assert callback is not None
    assert "traceparent" not in {name.lower() for name in callback.headers}


def _check_calls(kept: InMemorySpanExporter, trace_id: int) -> None:
    found = _of(kept, trace_id)
    started = found["rekognition.StartContentModeration"]
    assert _parent(started) == _id(found["start"])
    assert dict(started.attributes or {}) == {
        "rpc.system": "aws-api",
        "rpc.service": "rekognition",
        "rpc.method": "StartContentModeration",
        "cloud.region": "us-east-1",
    }
    looks = {_id(span) for span in kept.get_finished_spans() if span.name == "collect"}
    assert _parent(found["rekognition.GetContentModeration"]) in looks


class _Collector:
    """Takes what is exported over OTLP."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        take = self._take

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                take(self.path, self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 # the base class's parameter
                """Say nothing."""

        return Handler

    def _take(self, path: str, body: bytes) -> None:
        assert path == "/v1/traces"
        asked = ExportTraceServiceRequest.FromString(body)
        for resource in asked.resource_spans:
            service = {one.key: one.value.string_value for one in resource.resource.attributes}["service.name"]
            self.names += [f"{service} {span.name}" for scope in resource.scope_spans for span in scope.spans]


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """Return what lets this process trace to a port of this machine."""

    def configure(port: int) -> None:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
        tracing.configure(TracingSettings(enabled=True, callbacks=True), "clipwarden-worker")

    yield configure
    tracing.close()


def test_what_is_left_at_the_end_is_sent_to_where_the_environment_says(configured: Callable[[int], None]) -> None:
    collector = _Collector()
    try:
        configured(collector.server.server_port)
        with tracing.turn("start", ID):
            assert tracing.told() == traceparent.options() != {}
        tracing.close()
        assert collector.names == ["clipwarden-worker start"]
        assert not tracing.enabled()
    finally:
        collector.server.shutdown()
        collector.server.server_close()


def test_a_collector_that_is_away_costs_a_warning_and_no_end_waits_for_it(
    configured: Callable[[int], None], caplog: pytest.LogCaptureFixture
) -> None:
    configured(free_port())
    for number in range(5000):
        with tracing.turn("start", f"id {number}"):
            pass
    tracing.close()
    assert not tracing.enabled()
    assert [record for record in caplog.records if record.name.startswith("opentelemetry")]
