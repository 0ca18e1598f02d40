"""What operators watch, as Prometheus metrics; ``docs/reference/metrics.md`` says which question each answers.

Counters and histograms are summed over processes by prometheus-client's multiprocess mode; the gauges that describe
the database and the bus are read from them at scrape time, so they are right whatever happened to any process.
"""

import contextlib
import struct
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, sleep
from typing import Any, Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, multiprocess
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from clipwarden import errors, logs
from clipwarden.taxonomy import canonical, slug

log = logs.logger(__name__)

#: Seconds; stages last from milliseconds to the hours of a long video.
_BUCKETS = (0.005, 0.02, 0.1, 0.5, 2, 10, 30, 60, 300, 900, 3600, 4 * 3600)

MODERATIONS = Counter("clipwarden_moderations_total", "Moderations that ended.", ["status", "decided_by"])
STAGE_SECONDS = Histogram("clipwarden_actor_seconds", "Time an actor took.", ["actor", "outcome"], buckets=_BUCKETS)
VERDICT_SECONDS = Histogram(
    "clipwarden_verdict_delay_seconds", "Time from acceptance to the verdict.", ["status"], buckets=_BUCKETS
)
JUDGING_SECONDS = Histogram(
    "clipwarden_judging_delay_seconds",
    "Time from when a job was seen to have ended to its verdict.",
    buckets=_BUCKETS,
)
REASONS = Counter("clipwarden_rejection_reasons_total", "Rejections for which a category was a reason.", ["category"])
OVERRIDES = Counter("clipwarden_overrides_total", "Decisions by humans.", ["was", "became"])
TAKEN_BACK = Counter(
    "clipwarden_taken_back_reasons_total", "Rejections by the rules that a human took back, by reason.", ["category"]
)
JOB_LOOKS = Histogram(
    "clipwarden_job_looks", "Looks at a job until it was seen to have ended.", buckets=(1, 2, 3, 4, 6, 10, 20, 50, 100)
)
DETECTION_SECONDS = Histogram(
    "clipwarden_detection_delay_seconds",
    "Time from the last look that saw a job run, or from its start, to the one that saw its end.",
    buckets=_BUCKETS,
)
ANALYSED_SECONDS = Counter(
    "clipwarden_analysed_seconds_total", "Length of the videos whose analysis was paid for.", ["account", "pool"]
)
COST = Counter(
    "clipwarden_estimated_cost_dollars_total", "Estimated cost of the analyses, by the price set.", ["account", "pool"]
)
SAVED_SECONDS = Counter(
    "clipwarden_saved_seconds_total", "Length of the videos whose labels were there already.", ["account", "pool"]
)
SAVED_COST = Counter(
    "clipwarden_saved_cost_dollars_total", "Estimated cost of the analyses that reuse has saved.", ["account", "pool"]
)
AWS_CALLS = Counter("clipwarden_aws_calls_total", "Calls to AWS.", ["operation", "outcome"])
AWS_SECONDS = Histogram("clipwarden_aws_call_seconds", "Time a call to AWS took.", ["operation"], buckets=_BUCKETS)
SENT = Counter("clipwarden_messages_sent_total", "Messages sent for rows.", ["actor"])
MESSAGE_WAIT = Histogram(
    "clipwarden_message_wait_seconds",
    "Time from sending a message until a worker took it.",
    ["queue"],
    buckets=_BUCKETS,
)
OVERDUE = Counter("clipwarden_overdue_total", "Rows that fell due and were sent by a dispatcher.", ["actor"])
ADMITTED = Counter("clipwarden_admitted_total", "Moderations that got a slot.", ["pool"])
START_REFUSALS = Counter("clipwarden_start_refusals_total", "Starts that Rekognition had no slot for.", ["pool"])
FAULTS = Counter("clipwarden_faults_total", "Transient faults that led to a retry.", ["actor", "code"])
FENCED = Counter("clipwarden_fenced_total", "Messages that found their row taken or moved on.", ["actor"])
DELIVERIES = Counter("clipwarden_delivery_attempts_total", "Attempts to deliver a callback.", ["outcome"])
DELIVERY_SECONDS = Histogram(
    "clipwarden_delivery_attempt_seconds", "Time an attempt to deliver took.", ["outcome"], buckets=_BUCKETS
)
DELIVERY_WAIT = Histogram(
    "clipwarden_delivery_wait_seconds", "Time from an event to the first attempt to deliver it.", buckets=_BUCKETS
)
DELIVERY_DELAY = Histogram(
    "clipwarden_delivery_delay_seconds", "Time from an event to the delivery of its callback.", buckets=_BUCKETS
)
ENDPOINTS_PAUSED = Counter("clipwarden_endpoint_pauses_total", "Pauses of endpoints that failed.")
ENDPOINTS_DISABLED = Counter("clipwarden_endpoints_disabled_total", "Endpoints that were disabled.", ["reason"])
HINTS = Counter("clipwarden_hints_total", "Messages that a job has ended.", ["outcome"])
LABELS_REUSED = Counter("clipwarden_labels_reused_total", "Moderations judged by labels that were there already.")
ERASED = Counter("clipwarden_erased_total", "Erasures that have ended.", ["scope"])
FORGOTTEN = Counter(
    "clipwarden_forgotten_total", "What was forgotten, or asked to be erased, as it was past its time.", ["what"]
)
HTTP_REQUESTS = Counter("clipwarden_http_requests_total", "Requests to the gateway.", ["route", "method", "status"])
HTTP_SECONDS = Histogram(
    "clipwarden_http_request_seconds", "Time from a request's head to its answer's end.", ["route"], buckets=_BUCKETS
)
UPLOADED_BYTES = Counter("clipwarden_uploaded_bytes_total", "Bytes of requests' bodies.")
S3_EVENTS = Counter("clipwarden_s3_events_total", "S3 events.", ["outcome"])
UPLOAD_PLACES = Gauge(
    "clipwarden_upload_places", "Memory for uploads, in places of 26 MiB.", multiprocess_mode="livesum"
)
UPLOAD_PLACES_TAKEN = Gauge(
    "clipwarden_upload_places_taken", "Places that uploads in progress hold.", multiprocess_mode="livesum"
)
LOOKED = Gauge(
    "clipwarden_loop_look_timestamp_seconds",
    "When the loop looked last, in the process where that is longest ago.",
    ["loop"],
    multiprocess_mode="livemin",
)
BEGAN = Gauge(
    "clipwarden_loop_begin_timestamp_seconds",
    "When the loop began, in the process where that is longest ago.",
    ["loop"],
    multiprocess_mode="livemin",
)
BEAT = Gauge(
    "clipwarden_gateway_beat_timestamp_seconds",
    "When the event loop went round last, in the gateway process where that is longest ago.",
    ["loop"],
    multiprocess_mode="livemin",
)
RESTARTS = Counter(
    "clipwarden_process_restarts_total",
    "Processes that a supervisor started anew, as they had ended or as they were stuck.",
    ["reason"],
)

#: The media type of an exposition.
CONTENT_TYPE = CONTENT_TYPE_LATEST

#: Seconds between tries to read what processes are just beginning to write.
_PAUSES = (0.05, 0.2, 0.5)
#: Label values and the figure.
Sample = tuple[tuple[str, ...], float]

Seen = TypeVar("Seen")


def categories(labels: Iterable[str]) -> set[str]:
    """Return what labels are counted by: Rekognition may make up new names, which must not become new series."""
    return {canonical(slug(label)) or "unknown" for label in labels}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading(Generic[Seen]):
    """A gauge, and its figures in what is seen when it is scraped."""

    name: str
    documentation: str
    labels: tuple[str, ...]
    figures: Callable[[Seen], Iterable[Sample]]

    def of(self, seen: Seen) -> Metric:
        """Return the gauge with its figures."""
        family = GaugeMetricFamily(self.name, self.documentation, labels=self.labels)
        for labels, value in self.figures(seen):
            family.add_metric(labels, value)
        return family


@dataclass(frozen=True, slots=True, kw_only=True)
class Source(Generic[Seen]):
    """What is looked at once, and then no more, for all the gauges that are read in it."""

    name: str
    look: Callable[[], Seen]
    readings: Sequence[Reading[Seen]]


def _reached(outcomes: Sequence[tuple[str, bool]]) -> Iterator[Sample]:
    return (((name,), float(reached)) for name, reached in outcomes)


#: Of every source, by its name.
REACHABLE = Reading(
    name="clipwarden_reachable",
    documentation="Whether this supervisor could read the database, and the bus: 1, or 0.",
    labels=("what",),
    figures=_reached,
)


@contextmanager
def timed_turn(actor: str) -> Iterator[Callable[[str], None]]:
    """Count and time one turn of an actor; tell the yielded function the code of a fault that was dealt with."""
    outcome = "ok"

    def tell(value: str) -> None:
        nonlocal outcome
        outcome = value

    began = perf_counter()
    try:
        yield tell
    except errors.ClipwardenError as exc:
        outcome = exc.code
        raise
    except Exception:
        outcome = "bug"
        raise
    finally:
        STAGE_SECONDS.labels(actor, outcome).observe(perf_counter() - began)


class Scrape(Collector):
    """The gauges of some sources. Whatever goes wrong with one is logged, and only its gauges are missing."""

    def __init__(self, sources: Iterable[Source[Any]]) -> None:
        self._sources = sources

    def describe(self) -> Iterable[Metric]:
        """Return no metric: registering must not read."""
        return []

    def collect(self) -> Iterable[Metric]:
        """Look at each source now."""
        outcomes = []
        for source in self._sources:
            found = _found(source)
            outcomes.append((source.name, found is not None))
            yield from found or ()
        if outcomes:
            yield REACHABLE.of(outcomes)


def _found(source: Source[Any]) -> list[Metric] | None:
    """Return the gauges of a source; ``None`` where it cannot be looked at."""
    try:
        seen = source.look()
    except errors.TransientError as exc:
        log.warning("metrics not read", source=source.name, reason=str(exc))
        return None
    except Exception:
        log.exception("metrics not read", source=source.name)
        return None
    return [metric for reading in source.readings if (metric := _read(reading, seen)) is not None]


def _read(reading: Reading[Any], seen: Any) -> Metric | None:
    try:
        return reading.of(seen)
    except Exception:
        log.exception("metric not read", metric=reading.name)
        return None


class OfSupervisor(Collector):
    """What a supervisor itself counts; when it began to is left out, as it is of what its processes count."""

    def collect(self) -> Iterable[Metric]:
        """Return the figures."""
        for family in RESTARTS.collect():
            family.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
            yield family


def exposition(directory: str, ours: Iterable[Collector] = ()) -> bytes:
    """Return the text of ``/metrics``: the sum over the processes that write to this directory, and what is ours."""
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry, path=directory)  # type: ignore[no-untyped-call] # the library's gap
    for collector in ours:
        registry.register(collector)
    for pause in _PAUSES:
        # A file that a process is just making has nothing to read yet.
        with contextlib.suppress(struct.error):
            return generate_latest(registry)
        sleep(pause)
    return generate_latest(registry)


def forget(directory: str, living: Callable[[], Collection[int]]) -> None:
    """Remove what processes that have ended had of something at the moment; what they have counted stays."""
    # Files first: of a process that starts meanwhile, none may be taken for a dead one's.
    files = {file: _pid(file) for file in Path(directory).glob("gauge_live*_*.db")}
    alive = living()
    for file, pid in files.items():
        if pid not in alive:
            file.unlink(missing_ok=True)


def signs(directory: str) -> dict[int, dict[str, float]]:
    """Return what each process has told of its loop: when it began, and when it looked or went round last.

    By process id and metric, in seconds since the epoch.
    """
    found: dict[int, dict[str, float]] = {}
    for file in Path(directory).glob("gauge_livemin_*.db"):
        # One that is just being made has nothing to read yet.
        with contextlib.suppress(struct.error):
            merged = multiprocess.MultiProcessCollector.merge([str(file)])  # type: ignore[no-untyped-call]
            samples = [sample for metric in merged for sample in metric.samples]
            # A gauge is at zero from when it is made until it is set.
            found[_pid(file)] = {sample.name: sample.value for sample in samples if sample.value}
    return found


def _pid(file: Path) -> int:
    return int(file.stem.rpartition("_")[2])
