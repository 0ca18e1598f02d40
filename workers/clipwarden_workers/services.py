"""What the actors work with, built once per process."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import dramatiq
from sqlalchemy import Engine

from clipwarden import errors
from clipwarden.broker import build_broker
from clipwarden.egress import Egress, open_egress
from clipwarden.media.opening import open_store
from clipwarden.media.prober import Prober
from clipwarden.media.store import MediaStore
from clipwarden.message import IntakeMessage
from clipwarden.moderation import Moderation
from clipwarden.settings import PoolSettings, Settings
from clipwarden.store.clock import DatabaseClock
from clipwarden.store.engine import create_engine
from clipwarden_workers import pools
from clipwarden_workers.appointments import Appointments
from clipwarden_workers.bus import Bus
from clipwarden_workers.claims import Claims
from clipwarden_workers.grouped import Grouped
from clipwarden_workers.pools import Pool
from clipwarden_workers.senders import Senders
from clipwarden_workers.waits import Waits


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """One process's connections to everything outside it."""

    settings: Settings
    engine: Engine
    clock: DatabaseClock
    broker: dramatiq.Broker
    bus: Bus
    media: MediaStore
    prober: Prober
    pools: Mapping[str, Pool]
    egress: Egress
    appointments: Appointments
    claims: Claims = field(default_factory=Claims)
    #: Requests that come in at once become rows in one transaction.
    accepting: Grouped[IntakeMessage, tuple[Moderation, bool]] = field(default_factory=Grouped)
    #: Set by an actor that has made rows due, so that the dispatcher looks at once.
    wake: threading.Event = field(default_factory=threading.Event)

    def pool(self, moderation: Moderation) -> Pool:
        """Return the pool that a moderation was given to; raises ConfigurationError for one that the settings lack."""
        if (pool := self.pools.get(moderation.pool or "")) is None:
            known = ", ".join(self.pools)
            raise errors.ConfigurationError(f"the moderation belongs to pool {moderation.pool}; there are {known}")
        return pool

    @property
    def quotas(self) -> dict[str, PoolSettings]:
        """Return the settings of every pool by its name."""
        return {name: pool.settings for name, pool in self.pools.items()}

    @property
    def public_url(self) -> str:
        """Return the base of the URLs under which videos are delivered."""
        return self.settings.media.public_url

    def lease(self, now: datetime) -> datetime:
        """Return when a row that is taken now falls due again."""
        return now + timedelta(seconds=self.settings.worker.lease)

    def grace(self) -> timedelta:
        """Return how long after its appointment a row falls due, for the case that nobody came."""
        return timedelta(seconds=2 * self.settings.worker.dispatch_interval)

    def close(self) -> None:
        """End every connection, and the child processes."""
        self.appointments.close()
        self.prober.close()
        self.egress.close()
        self.broker.close()
        self.engine.dispose()


def build(settings: Settings) -> Services:
    """Build all services; nothing is contacted yet."""
    broker = build_broker(
        settings.bus_url,
        namespace=settings.redis.namespace,
        hop_timeout_ms=settings.worker.hop_timeout_ms,
        middleware=(Waits(), Senders()),
    )
    engine = create_engine(settings.database)
    media = open_store(settings.media)
    bus = Bus(broker)
    return Services(
        settings=settings,
        engine=engine,
        clock=DatabaseClock(engine),
        broker=broker,
        bus=bus,
        media=media,
        prober=Prober(media),
        pools=pools.build(settings),
        egress=open_egress(settings.callback),
        appointments=Appointments(bus.send),
    )
