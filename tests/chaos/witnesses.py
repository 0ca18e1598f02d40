"""Witnesses: a human who overrides now and then, and a viewer who tries to see what was rejected."""

import contextlib
import random
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field

from chaos.world import World
from clipwarden import errors
from clipwarden.moderation import Asset, Moderation, Stage, Status
from clipwarden.store import assets, moderations
from clipwarden.store.engine import read

_HUMAN_EVERY, _LOOK_EVERY = 1.5, 0.3
_CHOICES = {"approved": Status.APPROVED, "rejected": Status.REJECTED}


@dataclass(slots=True, kw_only=True)
class Witnesses:
    """Two threads, from ``start`` to ``stop``."""

    world: World
    overrides: dict[str, list[tuple[str, bool]]] = field(default_factory=dict)
    """By moderation: each verdict that was asked for, and whether it was confirmed."""
    seen: list[str] = field(default_factory=list)  #: Names of videos that were served while they were rejected.
    looks: int = 0  #: At videos that were rejected.
    faults: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Begin."""
        for watch in (self._human, self._viewer):
            thread = threading.Thread(target=watch, name=watch.__name__, daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """End."""
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def _human(self) -> None:
        chance = random.Random(f"{self.world.plan.seed} human")
        while not self._stop.wait(_HUMAN_EVERY):
            for moderation in self._some(chance, 1):
                verdict = chance.choice(list(_CHOICES))
                asked = self.overrides.setdefault(moderation.id, [])
                asked.append((verdict, False))
                with contextlib.suppress(OSError, ValueError):
                    said = {"verdict": verdict, "by": "ana"}
                    reply = self.world.api.post(f"/v1/moderations/{moderation.id}/override", said)
                    if reply.status == 200:  # done
                        asked[-1] = (verdict, True)

    def _viewer(self) -> None:
        chance = random.Random(f"{self.world.plan.seed} viewer")
        while not self._stop.wait(_LOOK_EVERY):
            for moderation in self._some(chance, 3):
                if moderation.status is Status.REJECTED:
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

    def _some(self, chance: random.Random, count: int) -> Iterator[Moderation]:
        try:
            with read(self.world.engine) as conn:
                page = list(moderations.page(conn, limit=60).items)
        except errors.StoreUnavailable:
            return
        decided = [one for one in page if one.stage is Stage.DECIDED and one.status in set(_CHOICES.values())]
        yield from chance.sample(decided, min(count, len(decided)))

    def _asset(self, id: str) -> Asset | None:
        with read(self.world.engine) as conn:
            return assets.by_id(conn, id)


def serves(world: World, asset: Asset) -> bytes | None:
    """Return what the public URL of an asset gives, if it gives anything."""
    url = f"{world.api.url}/default/video/upload/{asset.public_id}.mp4"
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            content: bytes = answer.read()
    except urllib.error.HTTPError as refused:
        with refused:
            return None
    return content
