"""What the actors work with, built once per process."""

import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import dramatiq
from sqlalchemy import Engine

from clipwarden.broker import build_broker
from clipwarden.egress import Egress
from clipwarden.media.opening import open_store
from clipwarden.media.prober import Prober
from clipwarden.media.store import MediaStore
from clipwarden.settings import Settings
from clipwarden.store.clock import DatabaseClock
from clipwarden.store.engine import create_engine
from clipwarden_workers.bus import Bus
from clipwarden_workers.claims import Claims
from clipwarden_workers.rekognition import Rekognition


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
    rekognition: Rekognition
    egress: Egress
    claims: Claims = field(default_factory=Claims)
    #: Set by an actor that has made rows due, so that the dispatcher looks at once.
    wake: threading.Event = field(default_factory=threading.Event)

    @property
    def pool(self) -> str:
        """Return the name of the pool whose slots this process fills."""
        return self.rekognition.region

    @property
    def public_url(self) -> str:
        """Return the base of the URLs under which videos are delivered."""
        return self.settings.media.public_url

    def lease(self, now: datetime) -> datetime:
        """Return when a row that is taken now falls due again."""
        return now + timedelta(seconds=self.settings.worker.lease)

    def close(self) -> None:
        """End every connection, and the child processes."""
        self.prober.close()
        self.egress.close()
        self.broker.close()
        self.engine.dispose()


def build(settings: Settings) -> Services:
    """Build all services; nothing is contacted yet."""
    broker = build_broker(
        settings.redis.url.get_secret_value(),
        namespace=settings.redis.namespace,
        hop_timeout_ms=settings.worker.hop_timeout_ms,
    )
    engine = create_engine(settings.database)
    media = open_store(settings.media)
    callback = settings.callback
    return Services(
        settings=settings,
        engine=engine,
        clock=DatabaseClock(engine),
        broker=broker,
        bus=Bus(broker),
        media=media,
        prober=Prober(media),
        rekognition=Rekognition(settings.rekognition, settings.completion),
        egress=Egress(
            allow_networks=callback.allow_networks,
            connect_timeout=callback.connect_timeout,
            total_timeout=callback.total_timeout,
        ),
    )
