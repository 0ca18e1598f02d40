"""Spans stand where they belong, say nothing that is secret, and are none while tracing is off."""

import json
import math
import subprocess
import sys
import time

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from clipwarden import errors, logs, traceparent, tracing
from clipwarden.message import IntakeMessage
from clipwarden.settings import LogFormat, LogSettings, TracingSettings
from clipwarden.traceparent import Place

ID, OTHER = "01934567-89ab-7cde-8f01-23456789abcd", "01934567-89ab-7cde-8f01-23456789abce"


def _named(kept: InMemorySpanExporter, name: str) -> ReadableSpan:
    (found,) = (span for span in kept.get_finished_spans() if span.name == name)
    return found


def _place(span: ReadableSpan) -> Place:
    context = span.get_span_context()
    assert context is not None
    return Place(trace_id=context.trace_id, span_id=context.span_id)


def test_a_moderations_first_span_links_who_asked_and_lasts_since_then(spans: InMemorySpanExporter) -> None:
    with tracing.request("POST", None):
        tracing.accepted(ID)
    request, first = _named(spans, "POST"), _named(spans, "moderation")
    assert (_place(first), first.parent) == (traceparent.root(ID), None)
    assert [link.context.span_id for link in first.links] == [_place(request).span_id]
    sent = float(int(time.time()) - 60)
    tracing.receive(str(_place(request)), since=sent)
    tracing.accepted(OTHER)
    tracing.receive()
    assert spans.get_finished_spans()[-1].start_time == sent * 1e9


@pytest.mark.parametrize("since", [-1e300, -1.0, 0.0, 1e300, math.nan, math.inf])
def test_a_message_from_no_possible_time_was_sent_now(spans: InMemorySpanExporter, since: float) -> None:
    before = time.time_ns()
    tracing.receive(since=since)
    tracing.accepted(ID)
    tracing.receive()
    assert before <= (_named(spans, "moderation").start_time or 0) <= time.time_ns()


def test_a_turn_stands_below_its_messages_sender_in_the_same_trace_and_links_one_in_another(
    spans: InMemorySpanExporter,
) -> None:
    with tracing.turn("start", ID):
        sender = traceparent.options()[traceparent.NAME]
    tracing.receive(sender)
    with tracing.turn("collect", ID), tracing.turn("decide", OTHER):
        pass
    tracing.receive("nonsense")
    with tracing.turn("apply", ID):
        pass
    start, collect, decide, apply = (_named(spans, name) for name in ("start", "collect", "decide", "apply"))
    assert start.parent is not None
    assert collect.parent is not None
    assert decide.parent is not None
    assert apply.parent is not None
    assert start.parent.span_id == apply.parent.span_id == traceparent.root(ID).span_id
    assert collect.parent.span_id == _place(start).span_id
    assert decide.parent.span_id == traceparent.root(OTHER).span_id
    assert [link.context.span_id for link in decide.links] == [_place(start).span_id]
    tracing.receive()


def test_an_error_leaves_its_code_and_not_its_words(spans: InMemorySpanExporter) -> None:
    with (
        pytest.raises(errors.DeliveryFailed),
        tracing.turn("notify", ID),
        tracing.call("POST", {"server.address": "a.example"}),
    ):
        raise errors.DeliveryFailed("https://a.example/?token=hunter2", status=None)
    assert [span.attributes["error.type"] for span in spans.get_finished_spans() if span.attributes] == [
        "delivery_failed",
        "delivery_failed",
    ]
    assert "hunter2" not in "".join(span.to_json() for span in spans.get_finished_spans())


def test_a_call_that_belongs_to_nothing_is_no_span(spans: InMemorySpanExporter) -> None:
    with tracing.call("POST", {}) as span:
        assert span is None
    assert spans.get_finished_spans() == ()


def test_a_sampler_decides_alike_for_all_of_a_trace(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.5")
    kept: InMemorySpanExporter = request.getfixturevalue("spans")
    names: dict[int, set[str]] = {}
    for number in range(40):
        tracing.accepted(f"id {number}")
        with tracing.turn("start", f"id {number}"), tracing.call("GET", {}):
            pass
    for span in kept.get_finished_spans():
        names.setdefault(_place(span).trace_id, set()).add(span.name)
    assert 0 < len(names) < 40
    assert set(map(frozenset, names.values())) == {frozenset({"moderation", "start", "GET"})}


def test_each_line_about_a_moderation_names_its_trace(
    spans: InMemorySpanExporter, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure(LogSettings(format=LogFormat.JSON))
    logs.logger("test").info("job started", moderation_id=ID)
    with tracing.request("GET", None):
        logs.logger("test").info("asset stored")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    expected = [traceparent.root(ID), _place(_named(spans, "GET"))]
    assert [line["trace_id"] for line in lines] == [f"{place.trace_id:032x}" for place in expected]


def test_a_receiver_is_told_the_trace_only_where_that_is_wanted(spans: InMemorySpanExporter) -> None:
    with tracing.turn("notify", ID):
        assert tracing.told() == {}
    assert len(spans.get_finished_spans()) == 1


def test_while_it_is_off_nothing_of_opentelemetry_is_imported_and_messages_say_nothing() -> None:
    # redis-py imports some of it where it is installed; here it is not.
    program = """
import sys
sys.modules["opentelemetry"] = None
from clipwarden import Client, tracing, logs, aws_calls
from clipwarden.settings import Settings
import clipwarden_workers.worker, clipwarden_api.server
from clipwarden_workers.services import build
settings = Settings()
tracing.configure(settings.tracing, "clipwarden-worker")
with tracing.turn("start", "x"), tracing.request("GET", None), tracing.call("POST", {}):
    tracing.accepted("x")
tracing.close()
print([name for name in sys.modules if name.startswith(("opentelemetry.", "clipwarden.spans"))])
"""
    ran = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert ran.stdout.strip() == "[]"
    assert traceparent.options() == {}
    assert IntakeMessage.compose(source="s3://b/k").to_dramatiq().options == {}


def test_tracing_without_its_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    monkeypatch.delitem(sys.modules, "clipwarden.spans", raising=False)
    monkeypatch.delattr("clipwarden.spans", raising=False)
    with pytest.raises(errors.ConfigurationError, match=r"clipwarden\[tracing\]"):
        tracing.configure(TracingSettings(enabled=True), "x")
