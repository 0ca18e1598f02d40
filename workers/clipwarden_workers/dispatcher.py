"""The loop in every worker process that turns due rows into messages; any number of them may run at once.

It also keeps the leases of what this process works on, and fills free slots. It needs the database only: while Redis
is away, rows stay due and are sent later.
"""

import contextlib
import itertools
import threading
import time
from collections.abc import Callable, Collection, Iterator

import sqlalchemy

from clipwarden import errors, logs, metrics
from clipwarden.moderation import Stage
from clipwarden.store import endpoint_states, leases, schema, stretches, workers
from clipwarden.store.engine import write
from clipwarden_workers import admission, tasks
from clipwarden_workers.bus import QUEUE_OF, STEP_OF, Queue, Step
from clipwarden_workers.retention import Retention
from clipwarden_workers.room import Room
from clipwarden_workers.services import Services

log = logs.logger(__name__)

#: Rows that one look takes at most from one table; more are taken by the next look, at once.
BATCH = 200
#: Endpoints that one look hands out deliveries of; more are looked at by the next look, at once.
ENDPOINTS = 50
_Steps = dict[Stage | None, Step]


class Dispatcher(threading.Thread):
    """Looks for due rows until it is told to stop; outlives a database that is away."""

    def __init__(self, services: Services, queues: Collection[Queue] = tuple(Queue)) -> None:
        super().__init__(name="dispatcher", daemon=True)
        self._services = services
        self._self = workers.this_process(queues)
        self._note_at = time.monotonic()
        self._stopping = threading.Event()
        self._renewed = time.monotonic()
        self._retention = Retention(services)
        self._kinds = [(table, steps, Room(services.bus, queue)) for table, queue, steps in _kinds()]

    def run(self) -> None:
        """Look, and wait for the interval or until an actor has made rows due."""
        failing = False
        while not self._stopping.is_set():
            try:
                busy = self.look()
                failing = _report(log.info, "database is back") if failing else False
            except errors.StoreUnavailable as exc:
                failing = failing or _report(log.warning, "waiting for the database", reason=str(exc))
                busy = False
            except Exception:
                log.exception("dispatcher failed")
                busy = False
            metrics.LOOKED.labels("dispatcher").set_to_current_time()
            if not busy:
                self._services.wake.wait(self._services.settings.worker.dispatch_interval)
                self._services.wake.clear()

    def stop(self) -> None:
        """End the loop and wait for it."""
        self._stopping.set()
        self._services.wake.set()
        self.join(timeout=10)
        with contextlib.suppress(errors.StoreUnavailable), write(self._services.engine) as conn:
            workers.forget(conn, self._self.id)

    def look(self) -> bool:
        """Look once at everything, and say whether more is due than was taken."""
        self._renew()
        self._note()
        sent = [
            *(self._send(*kind) for kind in self._kinds),
            # Deliveries that wait are handed out by their endpoints.
            self._recall(),
        ]
        looked_at = self._hand_out()
        admission.admit(self._services)
        self._retention.look()
        return max(sent) >= BATCH or looked_at >= ENDPOINTS

    def _note(self) -> None:
        """Say now and then that this process is there."""
        if time.monotonic() < self._note_at:
            return
        with write(self._services.engine) as conn:
            workers.note(conn, self._self, now=self._services.clock.now())
        self._note_at = time.monotonic() + workers.EVERY

    def _recall(self) -> int:
        """Let deliveries wait again of which nobody has reported in time, and return how many."""
        with write(self._services.engine) as conn:
            recalled = stretches.recall(conn, now=self._services.clock.now(), limit=BATCH)
        metrics.OVERDUE.labels(Step.NOTIFY).inc(recalled)
        return recalled

    def _hand_out(self) -> int:
        """Hand out deliveries of endpoints that have room, and return how many endpoints were looked at."""
        services, now = self._services, self._services.clock.now()
        limits, until = tasks.limits(services.settings.callback), services.lease(now)
        with write(services.engine) as conn:
            states = endpoint_states.due(conn, now=now, limit=ENDPOINTS)
            found = [endpoint_states.hand_out(conn, state, limits, now=now, until=until) for state in states]
        for due in itertools.chain.from_iterable(itertools.zip_longest(*found)):
            if due is not None:
                services.bus.send(Step.NOTIFY, due.id, due.fence)
        return len(states)

    def _send(self, table: sqlalchemy.Table, steps: _Steps, room: Room) -> int:
        """Send messages of rows that are due, as many as the queue has room for, and return how many."""
        services, now = self._services, self._services.clock.now()
        if not (limit := min(BATCH, room.left())):
            return 0
        with write(services.engine) as conn:
            stages = [stage for stage in steps if stage is not None]
            rows = leases.due(conn, table, now=now, until=services.lease(now), limit=limit, stages=stages or None)
        for row in rows:
            step = steps[row.stage]  # type: ignore[index] # the statement returns these stages only
            metrics.OVERDUE.labels(step).inc()
            services.bus.send(step, row.id, row.fence)
        room.take(len(rows))
        return len(rows)

    def _renew(self) -> None:
        services = self._services
        if time.monotonic() - self._renewed < services.settings.worker.lease / 3:
            return
        until = services.lease(services.clock.now())
        for table, claims in services.claims.held().items():
            with write(services.engine) as conn:
                leases.renew(conn, table, claims, until=until)
        self._renewed = time.monotonic()


def _kinds() -> Iterator[tuple[sqlalchemy.Table, Queue, _Steps]]:
    """Yield tables whose rows fall due, the queue for their messages, and what works on them in each stage."""
    for queue in (Queue.MODERATE, Queue.MEDIA):
        yield schema.moderations, queue, {stage: step for stage, step in STEP_OF.items() if QUEUE_OF[step] is queue}
    for table, step in (
        (schema.assets, Step.APPLY),
        (schema.leftovers, Step.SWEEP),
        (schema.erasures, Step.ERASE),
        (schema.bulk_jobs, Step.BULK),
    ):
        yield table, QUEUE_OF[step], {None: step}


def _report(say: Callable[..., None], event: str, **context: str) -> bool:
    say(event, **context)
    return event.startswith("waiting")
