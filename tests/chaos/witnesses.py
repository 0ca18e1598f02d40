"""Witnesses: a human who decides now and then, and a viewer who tries to see what was rejected."""

import contextlib
import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from chaos.human import EVERY, Human
from chaos.world import World
from clipwarden import errors
from clipwarden.moderation import Account, Asset, Moderation, Placement, Stage, Status
from clipwarden.store import assets, moderations, schema
from clipwarden.store.engine import read
from viewing import seen_at

_LOOK_EVERY = 0.3


@dataclass(slots=True, kw_only=True)
class Witnesses:
    """Three threads, from ``start`` to ``stop``."""

    world: World
    human: Human
    seen: list[str] = field(default_factory=list)  #: Names of videos that were served while they were rejected.
    looks: int = 0  #: At videos that were rejected.
    shelf_looks: int = 0  #: At those of them that have had several bytes and names.
    faults: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Begin."""
        for watch, every in ((self.human.act, EVERY), (self._view, _LOOK_EVERY), (self._view_shelf, _LOOK_EVERY)):
            thread = threading.Thread(target=self._run, args=(watch, every), name=watch.__name__, daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """End."""
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
            if thread.is_alive():
                self.faults.append(f"the witness {thread.name} never ended")

    def _run(self, watch: Callable[[random.Random], None], every: float) -> None:
        chance = random.Random(f"{self.world.plan.seed} {watch.__name__}")
        try:
            while not self._stop.wait(every):
                watch(chance)
        except Exception as exc:
            self.faults.append(f"the witness {watch.__name__}: {exc!r}")
            raise

    def _view(self, chance: random.Random) -> None:
        for moderation in self._some(chance, 3):
            self._look(moderation)

    def _look(self, before: Moderation) -> None:
        """Ask for a video that is rejected; it counts if it still is so afterwards, with nothing decided in between."""
        with contextlib.suppress(errors.StoreUnavailable, OSError):
            asset = self._asset(before.asset_id)
            served = asset is not None and asset.version == before.asset_version and serves(self.world, asset)
            with read(self.world.engine) as conn:
                after = moderations.by_id(conn, before.id)
            if after is not None and (after.status, after.decisions) == (before.status, before.decisions):
                self.looks += 1
                if served and asset is not None:
                    self.seen.append(asset.public_id or asset.id)

    def _view_shelf(self, chance: random.Random) -> None:
        """Ask for a video that is wanted out of sight; it counts if nothing about it has changed afterwards."""
        with contextlib.suppress(errors.StoreUnavailable, OSError):
            hidden = [one for one in on_shelf(self.world) if one.wanted is Placement.QUARANTINE]
            for before in chance.sample(hidden, min(2, len(hidden))):
                served = serves(self.world, before, self.world.shelf)
                if self._asset(before.id) == before:
                    self.shelf_looks += 1
                    if served:
                        self.seen.append(before.public_id)

    def _some(self, chance: random.Random, count: int) -> Iterator[Moderation]:
        try:
            with read(self.world.engine) as conn:
                page = list(moderations.page(conn, account_id=self.world.account.id, limit=60).items)
        except errors.StoreUnavailable:
            return
        rejected = [one for one in page if one.stage is Stage.DECIDED and one.status is Status.REJECTED]
        yield from chance.sample(rejected, min(count, len(rejected)))

    def _asset(self, id: str) -> Asset | None:
        with read(self.world.engine) as conn:
            return assets.by_id(conn, id)


def on_shelf(world: World) -> list[Asset]:
    """Return the videos that the second account has now."""
    c = schema.assets.c
    present = schema.assets.select().where(c.account_id == world.shelf.id, c.deleted_at.is_(None))
    with read(world.engine) as conn:
        return [assets.parse(row) for row in conn.execute(present.order_by(c.public_id)).mappings()]


def serves(world: World, asset: Asset, account: Account | None = None) -> bytes | None:
    """Return what the public URL of an asset gives, if it gives anything; raises OSError where it breaks off."""
    name = (account or world.account).name
    return seen_at(f"{world.api.url}/{name}/video/upload/{asset.public_id}.mp4")
