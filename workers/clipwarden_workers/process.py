"""One worker process: Dramatiq's threads and a dispatcher, from the first signal of life to a clean end."""

import threading
from collections.abc import Collection

import dramatiq
from sqlalchemy import Engine

from clipwarden import errors, logs, metrics, tracing
from clipwarden.moderation import Status
from clipwarden.settings import Settings
from clipwarden.store import migrating
from clipwarden.store.engine import write
from clipwarden_workers import actors, completions, pools, s3_events, sqs
from clipwarden_workers.bus import Queue
from clipwarden_workers.dispatcher import Dispatcher
from clipwarden_workers.pools import Pool
from clipwarden_workers.services import Services, build

log = logs.logger(__name__)

#: Milliseconds after which an idle thread looks whether it is to end; messages wake it at once.
_IDLE_MS = 500
#: Seconds between two looks whether the database is there.
_PAUSE = 2.0


def serve(settings: Settings, queues: Collection[Queue], *, stop: threading.Event) -> None:
    """Work on the queues until told to stop; running actors then get the time that the settings give them."""
    tracing.configure(settings.tracing, "clipwarden-worker")
    services = build(settings)
    actors.declare(services)
    count_from_nought()
    if not _prepare(services, stop):
        services.close()
        tracing.close()
        return
    workers = consumers(services, queues)
    for worker in workers:
        worker.start()
    dispatcher = Dispatcher(services, queues)
    dispatcher.start()
    listening = readers(services)
    for reader in listening:
        reader.start()
    if Queue.MEDIA in queues:
        services.prober.warm()
    log.info("worker started", queues=sorted(queues), threads=settings.worker.threads, pools=sorted(services.pools))
    while not stop.wait(0.5):
        # A signal that the kernel gives to another thread does not end a wait without a limit.
        continue
    log.info("worker stopping")
    # The dispatcher goes last: it keeps the leases of the actors that are still running.
    drain(workers, settings.worker.drain)
    for reader in listening:
        reader.stop()
    dispatcher.stop()
    services.close()
    tracing.close()
    log.info("worker stopped")


def count_from_nought() -> None:
    """Tell of verdicts and aborts before there are any: Prometheus sees no growth in the first value of a series."""
    for status in (Status.APPROVED, Status.REJECTED, Status.ABORTED):
        metrics.MODERATIONS.labels(status, "policy")


def consumers(services: Services, queues: Collection[Queue]) -> list[dramatiq.Worker]:
    """Return what works on the queues: callbacks have threads of their own, so that slow receivers hold up no video."""
    settings = services.settings
    threads = {Queue.NOTIFY: settings.callback.threads}
    groups = [[queue for queue in queues if queue not in threads], [queue for queue in queues if queue in threads]]
    return [
        dramatiq.Worker(
            services.broker,
            queues={str(queue) for queue in group},
            worker_threads=threads.get(group[0], settings.worker.threads),
            worker_timeout=_IDLE_MS,
        )
        for group in groups
        if group
    ]


def drain(workers: Collection[dramatiq.Worker], seconds: float) -> None:
    """Stop all workers at the same time, each with as much of it as there is."""
    stopping = [threading.Thread(target=worker.stop, args=(int(seconds * 1000),)) for worker in workers]
    for thread in stopping:
        thread.start()
    for thread in stopping:
        thread.join()


def readers(services: Services) -> list[sqs.Reader]:
    """Return what reads the queues of AWS that the settings name."""
    return [*completions.readers(services), *s3_events.readers(services)]


def _prepare(services: Services, stop: threading.Event) -> bool:
    """Wait until the database is there and of our schema; say whether it came before the stop."""
    counted = [(pool, pools.slots(pool)) for pool in services.pools.values()]
    told = ""
    while not stop.is_set():
        if not (hindrance := _hindrance(services, counted)):
            return True
        if hindrance != told:
            log.warning("waiting for the database", reason=hindrance)
        told = hindrance
        stop.wait(_PAUSE)
    return False


def _hindrance(services: Services, counted: Collection[tuple[Pool, int | None]]) -> str:
    """Register our pools, or say what keeps us from it and will pass."""
    try:
        if behind := _behind(services.engine):
            return behind
        with write(services.engine) as conn:
            pools.register(conn, counted, services.clock)
    except errors.StoreUnavailable as exc:
        return str(exc)
    return ""


def _behind(engine: Engine) -> str:
    """Say that the schema is still to be migrated to ours; raises ConfigurationError where no migration leads to it."""
    try:
        migrating.require_usable(engine)
    except errors.ConfigurationError as exc:
        if (migrating.revision(engine) or "") > migrating.newest():
            raise
        return str(exc)
    return ""
