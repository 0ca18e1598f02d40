"""Producers: they send videos through three doors in turns, at a pace or as fast as these take them."""

import io
import json
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import cloudinary.uploader

import scripting
from clipwarden import Client
from clipwarden.moderation import Location, Status
from fixtures.clips import made_in, padded
from load.world import BUCKET, World

#: What videos show in turns, and what that comes to.
_SHOWN: tuple[tuple[dict[str, Any], Status], ...] = (
    ({"labels": []}, Status.APPROVED),
    ({"labels": [{"path": ["Violence", "Weapons"], "confidence": 30}]}, Status.APPROVED),
    ({"labels": [{"path": ["Explicit", "Explicit Nudity"], "confidence": 99}], "times": 20}, Status.REJECTED),
    ({"labels": [{"path": ["Alcohol", "Alcoholic Beverages"], "confidence": 88}]}, Status.REJECTED),
)
#: What uploads show, which bring no script with them.
_UPLOADS_SHOW = _SHOWN[-1][0] | {"seconds": 0.5}
_AT_ONCE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A video that was accepted: its door has said so."""

    door: str
    id: str  #: Of the moderation.
    status: Status  #: That it must come to.


@contextmanager
def producing(world: World) -> Iterator["Producers"]:
    """Give a world's producers for the time of the block."""
    scripting.order(world.stack.endpoint_url, script=_UPLOADS_SHOW)
    clips = world.folder / "clips"
    clips.mkdir()
    with Client(world.stack.redis_url) as client:
        yield Producers(world=world, client=client, clip=made_in(clips)("edge80").read_bytes())


@dataclass(slots=True, kw_only=True)
class Producers:
    """Whoever sends; ``send`` may be called again."""

    world: World
    client: Client
    clip: bytes
    accepted: list[Sent] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)  #: What a door said of each video that it did not take.
    _number: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, videos: int, *, rate: float | None = None, within: float | None = None) -> None:
        """Send so many videos, ``rate`` of them a second, and wait until all were taken or refused.

        After ``within`` seconds no more are sent.
        """
        began = time.monotonic()
        end = math.inf if within is None else began + within
        moments = deque(began + (number / rate if rate else 0) for number in range(videos))
        threads = [threading.Thread(target=self._work, args=(moments, end), daemon=True) for _ in range(_AT_ONCE)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _work(self, moments: deque[float], end: float) -> None:
        """Send a video at each moment that no other thread takes, until the end."""
        while time.monotonic() < end:
            try:
                moment = moments.popleft()
            except IndexError:
                return
            time.sleep(max(0.0, moment - time.monotonic()))
            self._one()

    def _one(self) -> None:
        with self._lock:
            self._number += 1
            number = self._number
        door = (self._by_client, self._by_request, self._by_upload)[number % 3]
        try:
            sent = door(number)
        except Exception as exc:  # noqa: BLE001 # whatever it is, the video was not taken
            self.refused.append(f"{door.__name__}: {exc!r}")
        else:
            self.accepted.append(sent)

    def _by_client(self, number: int) -> Sent:
        source, status = self._source(number)
        id = self.client.enqueue(source, notification_url=self.world.receiver.url)
        return Sent(door="client", id=id, status=status)

    def _by_request(self, number: int) -> Sent:
        source, status = self._source(number)
        said = {"source": source, "notification_urls": [self.world.receiver.url]}
        reply = self.world.api.post("/v1/moderations", said)
        if reply.status // 100 != 2:  # success
            raise RuntimeError(f"{reply.status} {reply.data!r}")
        return Sent(door="http", id=reply.json["id"], status=status)

    def _by_upload(self, number: int) -> Sent:
        """Upload by Cloudinary's SDK."""
        send: Callable[..., dict[str, Any]] = cloudinary.uploader.upload  # The SDK has no types.
        made = send(
            io.BytesIO(self._video(number)),
            filename="a.mp4",
            resource_type="video",
            moderation="aws_rek_video",
            notification_url=self.world.receiver.url,
            **self.world.api.cloud(),
        )
        [moderation] = made["moderation"]
        return Sent(door="upload", id=moderation["id"], status=_SHOWN[-1][1])

    def _source(self, number: int) -> tuple[str, Status]:
        """Bring a video and what it shows into the bucket; return its URL and what it must come to."""
        script, status = _SHOWN[number // 3 % len(_SHOWN)]
        key = f"in/{number % 100:02}/{number}.mp4"
        path = self.world.media / BUCKET / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_name(f"{path.name}.script.json").write_text(json.dumps(script | {"seconds": 0.2 + number % 9 / 10}))
        path.write_bytes(self._video(number))
        return str(Location(bucket=BUCKET, key=key)), status

    def _video(self, number: int) -> bytes:
        """Return a video that there was not yet."""
        return padded(self.clip, str(number).encode())
