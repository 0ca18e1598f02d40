"""The loop in every worker process that turns due rows into messages; any number of them may run at once.

It also keeps the leases of what this process works on, and fills free slots. It needs the database only: while Redis
is away, or hangs, rows stay due or fall due again, and are sent later.
"""

import contextlib
import functools
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator

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
#: Does one of the things that a look consists of, and says whether more is due than it took.
_Duty = Callable[[], bool]


class Dispatcher(threading.Thread):
    """Looks for due rows until it is told to stop; outlives a database that is away."""

    def __init__(self, services: Services, queues: Collection[Queue] = tuple(Queue)) -> None:
        super().__init__(name="dispatcher", daemon=True)
        self._services = services
        self._self = workers.this_process(queues)
        self._note_at = time.monotonic()
        self._stopping = threading.Event()
        self._renewed = time.monotonic()
        self._failing = False
        self._retention = Retention(services)
        kinds = [(table, steps, Room(services.bus, queue)) for table, queue, steps in _kinds()]
        sending: list[_Duty] = [functools.partial(self._send, *kind) for kind in kinds]
        # Deliveries that wait are handed out by their endpoints.
        self._duties = deque([*sending, self._recall, self._hand_out, self._admit])

    def run(self) -> None:
        """Look, and wait for the interval or until an actor has made rows due."""
        # One that never gets through a look is to be noticed, too.
        metrics.BEGAN.labels("dispatcher").set_to_current_time()
        while not self._stopping.is_set():
            if not self._try_look():
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
        """Look once at everything, and say whether more is due than was taken; raises what keeps it from all of it."""
        self._renew()
        self._note()
        # What ends a look early, time after time, keeps nothing else from being looked at.
        self._duties.rotate(-1)
        busy = self._go_through()
        self._forget()
        return busy

    def _go_through(self) -> bool:
        """Do all duties, or up to the first whose message the bus does not take; whatever fails, the others are done.

        A bus that hangs takes seconds to refuse each message, and leases are to be kept. Raises where all have failed.
        """
        more, faults = [], []
        for duty in self._duties:
            try:
                more.append(duty())
            except errors.StoreUnavailable:
                raise
            except errors.BusUnavailable:
                more.append(False)
                break
            except Exception as exc:  # noqa: BLE001 # told, or raised, below
                faults.append(exc)
        if not more:
            raise ExceptionGroup("nothing could be looked at", faults)
        for fault in faults:
            log.error("dispatcher failed", exc_info=fault)
        return any(more)

    def _try_look(self) -> bool:
        """Look, tell that it looked, and outlive whatever goes wrong; a database that is away is no fault of ours."""
        try:
            busy = self.look()
            self._failing = _report(log.info, "database is back") if self._failing else False
        except errors.StoreUnavailable as exc:
            self._failing = self._failing or _report(log.warning, "waiting for the database", reason=str(exc))
            busy = False
        except Exception:
            log.exception("dispatcher failed")
            return False
        metrics.LOOKED.labels("dispatcher").set_to_current_time()
        return busy

    def _note(self) -> None:
        """Say now and then that this process is there."""
        if time.monotonic() < self._note_at:
            return
        with write(self._services.engine) as conn:
            workers.note(conn, self._self, now=self._services.clock.now())
        self._note_at = time.monotonic() + workers.EVERY

    def _recall(self) -> bool:
        """Let deliveries wait again of which nobody has reported in time."""
        with write(self._services.engine) as conn:
            recalled = stretches.recall(conn, now=self._services.clock.now(), limit=BATCH)
        metrics.OVERDUE.labels(Step.NOTIFY).inc(recalled)
        return recalled >= BATCH

    def _hand_out(self) -> bool:
        """Hand out deliveries of endpoints that have room."""
        services, now = self._services, self._services.clock.now()
        limits, until = tasks.limits(services.settings.callback), services.lease(now)
        with write(services.engine) as conn:
            states = endpoint_states.due(conn, now=now, limit=ENDPOINTS)
            found = [endpoint_states.hand_out(conn, state, limits, now=now, until=until) for state in states]
        handed_out = itertools.chain.from_iterable(itertools.zip_longest(*found))
        self._send_each((Step.NOTIFY, due.id, due.fence) for due in handed_out if due is not None)
        return len(states) >= ENDPOINTS

    def _admit(self) -> bool:
        """Fill the pools' free slots."""
        admission.admit(self._services)
        return False

    def _send(self, table: sqlalchemy.Table, steps: _Steps, room: Room) -> bool:
        """Send messages of rows that are due, as many as the queue has room for."""
        services, now = self._services, self._services.clock.now()
        if not (limit := min(BATCH, room.left())):
            return False
        with write(services.engine) as conn:
            stages = [stage for stage in steps if stage is not None]
            rows = leases.due(conn, table, now=now, until=services.lease(now), limit=limit, stages=stages or None)
        room.take(len(rows))
        due = [(steps[row.stage], row.id, row.fence) for row in rows]  # type: ignore[index] # of these stages only
        for step, _, _ in due:
            metrics.OVERDUE.labels(step).inc()
        self._send_each(due)
        return len(rows) >= BATCH

    def _send_each(self, messages: Iterable[tuple[Step, str, int]]) -> None:
        """Send messages; raises BusUnavailable, and leaves the others, at the first that is not taken."""
        if not self._services.bus.send_each(messages):
            raise errors.BusUnavailable("the bus does not take messages")

    def _forget(self) -> None:
        """Forget what is past its time; the work goes on without it."""
        try:
            self._retention.look()
        except errors.StoreUnavailable:
            raise
        except Exception:
            log.exception("retention failed")

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
