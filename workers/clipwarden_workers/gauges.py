"""Figures of the whole installation, as Prometheus gauges read from the database and from the bus."""

from collections.abc import Iterator
from datetime import datetime

from clipwarden import metrics
from clipwarden.broker import build_counter
from clipwarden.broker.queues import Queue
from clipwarden.moderation import DeliveryStage
from clipwarden.settings import Settings
from clipwarden.store import deliveries, endpoint_states, moderations, operations
from clipwarden.store.clock import DatabaseClock
from clipwarden.store.engine import create_engine, read
from clipwarden.store.operations import PoolFigures


class Gauges:
    """Reads the figures when they are scraped; what cannot be reached then is left out."""

    def __init__(self, settings: Settings) -> None:
        self._engine = create_engine(settings.database)
        self._clock = DatabaseClock(self._engine)
        self._bus = build_counter(settings.bus_url, namespace=settings.redis.namespace, reply_timeout=2)

    def readings(self) -> list[metrics.Readings]:
        """Return the gauges, named and described."""
        return [
            metrics.Readings("clipwarden_moderations", "Moderations in a stage.", ("stage",), self._stages),
            metrics.Readings("clipwarden_oldest_seconds", "Age of the oldest in a stage.", ("stage",), self._oldest),
            metrics.Readings(
                "clipwarden_oldest_pending_seconds",
                "Age of the oldest moderation that waits for a verdict, and not for a human.",
                (),
                self._pending,
            ),
            metrics.Readings("clipwarden_deliveries", "Callbacks in a stage.", ("stage",), self._deliveries),
            metrics.Readings(
                "clipwarden_delivery_oldest_seconds",
                "Age of the oldest callback in a stage.",
                ("stage",),
                self._undelivered,
            ),
            metrics.Readings("clipwarden_endpoints", "Endpoints of callbacks.", ("state",), self._endpoints),
            metrics.Readings("clipwarden_slots_in_use", "Slots in use.", ("pool",), self._slots_in_use),
            metrics.Readings("clipwarden_slots", "Slots that a pool may use.", ("pool",), self._slots),
            metrics.Readings("clipwarden_slots_limit", "Slots that others leave to us.", ("pool",), self._limits),
            metrics.Readings(
                "clipwarden_bus_messages", "Messages of a queue of the bus.", ("queue", "state"), self._messages
            ),
        ]

    def _stages(self) -> Iterator[metrics.Sample]:
        with read(self._engine) as conn:
            yield from (((str(row.stage),), row.count) for row in moderations.stages(conn))

    def _oldest(self) -> Iterator[metrics.Sample]:
        with read(self._engine) as conn:
            rows = moderations.stages(conn)
        yield from (((str(row.stage),), self._age(row.oldest)) for row in rows if row.oldest)

    def _pending(self) -> Iterator[metrics.Sample]:
        with read(self._engine) as conn:
            oldest = moderations.oldest_pending(conn)
        yield (), self._age(oldest) if oldest is not None else 0.0

    def _deliveries(self) -> Iterator[metrics.Sample]:
        with read(self._engine) as conn:
            counted = {row.stage: row.count for row in deliveries.counts(conn)}
        # Stages without any are told too: a figure's growth cannot be seen where it was not.
        yield from (((str(stage),), counted.get(stage, 0)) for stage in DeliveryStage)

    def _undelivered(self) -> Iterator[metrics.Sample]:
        with read(self._engine) as conn:
            rows = deliveries.counts(conn)
        yield from (((str(row.stage),), self._age(row.oldest)) for row in rows if row.oldest)

    def _endpoints(self) -> Iterator[metrics.Sample]:
        with read(self._engine) as conn:
            counted = endpoint_states.counts(conn)
        yield from (((state,), counted.get(state, 0)) for state in ("well", "paused", "disabled"))

    def _slots_in_use(self) -> Iterator[metrics.Sample]:
        yield from (((pool.name,), pool.in_use) for pool in self._pools())

    def _slots(self) -> Iterator[metrics.Sample]:
        yield from (((pool.name,), pool.slots) for pool in self._pools())

    def _limits(self) -> Iterator[metrics.Sample]:
        yield from (((pool.name,), pool.limit) for pool in self._pools())

    def _pools(self) -> list[PoolFigures]:
        now = self._clock.now()
        with read(self._engine) as conn:
            return operations.pool_figures(conn, now=now)

    def _messages(self) -> Iterator[metrics.Sample]:
        for queue in Queue:
            yield from (((queue, state), count) for state, count in self._bus.messages(queue).items())

    def _age(self, since: datetime) -> float:
        return max(0.0, (self._clock.now() - since).total_seconds())
