"""What the gateway works with, built once per process."""

import threading
from dataclasses import dataclass, field

from sqlalchemy import Engine

from clipwarden import placing
from clipwarden.media.links import Links
from clipwarden.media.opening import open_store
from clipwarden.media.prober import Prober
from clipwarden.media.store import MediaStore
from clipwarden.settings import PoolSettings, Settings
from clipwarden.store.clock import DatabaseClock
from clipwarden.store.engine import create_engine
from clipwarden.store.listings import Listings
from clipwarden_api.allowance import Allowances
from clipwarden_api.changes import Changes
from clipwarden_api.oidc import Provider, open_provider
from clipwarden_api.room import Room


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """One process's connections to everything outside it."""

    settings: Settings
    engine: Engine
    listings: Listings  #: For what may be a few seconds old.
    clock: DatabaseClock
    media: MediaStore
    prober: Prober
    quotas: dict[str, PoolSettings]
    room: Room  #: For the bytes of all uploads at once.
    allowances: Allowances
    links: Links  #: Tells the folder store's own URLs.
    changes: Changes  #: Tells pages of the console when to look again.
    provider: Provider | None  #: Who vouches for people, beside their passwords.
    simulating: threading.Lock = field(default_factory=threading.Lock)  #: Held while a policy is simulated.

    @property
    def public_url(self) -> str:
        """Return the base of the URLs under which assets are delivered."""
        return self.settings.media.public_url

    def close(self) -> None:
        """End every connection, and the child processes."""
        self.prober.close()
        self.listings.close()
        if self.provider is not None:
            self.provider.close()
        self.engine.dispose()


def build(settings: Settings) -> Services:
    """Build all services; nothing is contacted yet."""
    engine, media = create_engine(settings.database), open_store(settings.media)
    return Services(
        settings=settings,
        engine=engine,
        listings=Listings(engine, settings.database),
        clock=DatabaseClock(engine),
        media=media,
        prober=Prober(media),
        quotas=placing.quotas(settings),
        room=Room(settings.upload),
        allowances=Allowances(settings),
        changes=Changes(engine),
        provider=open_provider(settings.oidc, settings.media.public_url),
        links=Links(settings.media.public_url, settings.media.url_secret.get_secret_value().encode()),
    )
