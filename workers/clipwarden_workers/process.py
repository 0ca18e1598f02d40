"""One worker process: Dramatiq's threads and a dispatcher, from the first signal of life to a clean end."""

import threading
from collections.abc import Collection

import dramatiq

from clipwarden import errors, logs
from clipwarden.settings import Settings
from clipwarden.store.engine import write
from clipwarden.store.migrating import require_current
from clipwarden_workers import actors, completions, pools, s3_events, sqs
from clipwarden_workers.bus import Queue
from clipwarden_workers.dispatcher import Dispatcher
from clipwarden_workers.services import Services, build

log = logs.logger(__name__)


def serve(settings: Settings, queues: Collection[Queue], *, stop: threading.Event) -> None:
    """Work on the queues until told to stop; running actors then get the time that the settings give them."""
    services = build(settings)
    actors.declare(services)
    if not _prepare(services, stop):
        services.close()
        return
    worker = dramatiq.Worker(
        services.broker,
        queues={str(queue) for queue in queues},
        worker_threads=settings.worker.threads,
        worker_timeout=settings.worker.hop_timeout_ms,
    )
    worker.start()
    dispatcher = Dispatcher(services)
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
    worker.stop(timeout=int(settings.worker.drain * 1000))
    for reader in listening:
        reader.stop()
    dispatcher.stop()
    services.close()
    log.info("worker stopped")


def readers(services: Services) -> list[sqs.Reader]:
    """Return what reads the queues of AWS that the settings name."""
    return [*completions.readers(services), *s3_events.readers(services)]


def _prepare(services: Services, stop: threading.Event) -> bool:
    """Wait until the database is there and of our schema; say whether it came before the stop."""
    counted = [(pool, pools.slots(pool)) for pool in services.pools.values()]
    while not stop.is_set():
        try:
            require_current(services.engine)
            with write(services.engine) as conn:
                pools.register(conn, counted, services.clock)
        except errors.StoreUnavailable as exc:
            log.warning("waiting for the database", reason=str(exc))
            stop.wait(2)
        else:
            return True
    return False
