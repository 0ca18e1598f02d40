"""Figures of the whole installation, as Prometheus gauges read from the database and from the bus."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from clipwarden.broker import build_counter
from clipwarden.broker.queues import Queue
from clipwarden.metrics import Reading, Sample, Source
from clipwarden.settings import Settings
from clipwarden.store import deliveries, operations, paces
from clipwarden.store.engine import create_scraping_engine
from clipwarden.store.operations import Operations, PoolFigures

#: How many messages of each queue are in which state.
Messages = dict[Queue, dict[str, int]]


class Gauges:
    """Looks at the database and at the bus, once for each scrape."""

    def __init__(self, settings: Settings) -> None:
        self._engine = create_scraping_engine(settings.database)
        self._bus = build_counter(settings.bus_url, namespace=settings.redis.namespace, reply_timeout=2)

    def sources(self) -> list[Source[Any]]:
        """Return what is looked at, and the gauges that are read in it."""
        return [
            Source(name="database", look=lambda: operations.look(self._engine), readings=_DATABASE),
            Source(name="bus", look=self._messages, readings=_BUS),
        ]

    def _messages(self) -> Messages:
        return {queue: self._bus.messages(queue) for queue in Queue}


def _of_pools(figure: Callable[[PoolFigures], float]) -> Callable[[Operations], Iterator[Sample]]:
    return lambda seen: (((pool.name,), figure(pool)) for pool in seen.pools)


def _oldest(seen: Operations) -> Iterator[Sample]:
    return (((str(one.stage),), seen.age(one.oldest).total_seconds()) for one in seen.stages if one.oldest)


def _undelivered(seen: Operations) -> Iterator[Sample]:
    return (((str(one.stage),), seen.age(one.oldest).total_seconds()) for one in seen.deliveries if one.oldest)


# Stages and states without any are told too: a figure's growth cannot be seen where it was not.
def _callbacks(seen: Operations) -> Iterator[Sample]:
    counted = {one.stage: one.count for one in seen.deliveries}
    return (((str(stage),), counted.get(stage, 0)) for stage in deliveries.COUNTED)


def _endpoints(seen: Operations) -> Iterator[Sample]:
    return (((state,), seen.endpoints.get(state, 0)) for state in ("well", "paused", "disabled"))


def _paces(seen: Operations) -> Iterator[Sample]:
    for pool in seen.pools:
        yield (pool.name, paces.Call.START), pool.start_pace
        yield (pool.name, paces.Call.GET), pool.get_pace


def _in_queues(seen: Messages) -> Iterable[Sample]:
    return [((queue, state), count) for queue, states in seen.items() for state, count in states.items()]


_DATABASE: tuple[Reading[Operations], ...] = (
    Reading(
        name="clipwarden_moderations",
        documentation="Moderations in a stage.",
        labels=("stage",),
        figures=lambda seen: (((str(one.stage),), one.count) for one in seen.stages),
    ),
    Reading(
        name="clipwarden_oldest_seconds",
        documentation="How long the one is in a stage that is there for longest.",
        labels=("stage",),
        figures=_oldest,
    ),
    Reading(
        name="clipwarden_oldest_pending_seconds",
        documentation="Age of the oldest moderation that waits for a verdict, and not for a human.",
        labels=(),
        figures=lambda seen: [((), seen.age(seen.pending_since).total_seconds())],
    ),
    Reading(
        name="clipwarden_deliveries",
        documentation="Callbacks in a stage.",
        labels=("stage",),
        figures=_callbacks,
    ),
    Reading(
        name="clipwarden_delivery_oldest_seconds",
        documentation="Age of the oldest callback in a stage.",
        labels=("stage",),
        figures=_undelivered,
    ),
    Reading(
        name="clipwarden_endpoints",
        documentation="Endpoints of callbacks.",
        labels=("state",),
        figures=_endpoints,
    ),
    Reading(
        name="clipwarden_slots_in_use",
        documentation="Slots in use.",
        labels=("pool",),
        figures=_of_pools(lambda pool: pool.in_use),
    ),
    Reading(
        name="clipwarden_slots",
        documentation="Slots that a pool may use.",
        labels=("pool",),
        figures=_of_pools(lambda pool: pool.slots),
    ),
    Reading(
        name="clipwarden_slots_limit",
        documentation="Slots that others leave to us.",
        labels=("pool",),
        figures=_of_pools(lambda pool: pool.limit),
    ),
    Reading(
        name="clipwarden_slots_waiting",
        documentation="Moderations that a free slot would start, counted up to 2000.",
        labels=("pool",),
        figures=_of_pools(lambda pool: pool.startable),
    ),
    Reading(
        name="clipwarden_call_pace",
        documentation="Share of a rate of calls that is used, less than 1 after AWS found it too fast.",
        labels=("pool", "call"),
        figures=_paces,
    ),
)

_BUS: tuple[Reading[Messages], ...] = (
    Reading(
        name="clipwarden_bus_messages",
        documentation="Messages of a queue of the bus.",
        labels=("queue", "state"),
        figures=_in_queues,
    ),
)
