"""Producers: they send videos through every door, again and again until each is taken, and write down what was."""

import contextlib
import hashlib
import io
import json
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cloudinary.exceptions
import cloudinary.uploader

from chaos import shown
from chaos.world import BUCKET, World
from clipwarden import Client, errors
from clipwarden.moderation import Location, Status
from clipwarden.store import moderations
from clipwarden.store.engine import read
from fixtures.clips import padded

#: Seconds between two videos at one door.
_PACE = 0.5
#: Seconds between two attempts to send the same video.
_AGAIN = 0.5

#: What videos may show, and what that comes to: nothing, a little, too much; some break the job.
SCRIPTS: tuple[tuple[dict[str, Any], Status], ...] = (
    ({"labels": []}, Status.APPROVED),
    ({"labels": [shown.WEAPONS], "completions": 0}, Status.APPROVED),
    ({"labels": [shown.ALCOHOL], "page_size": 1}, Status.REJECTED),
    ({"labels": [shown.GESTURE], "times": 5, "page_size": 3}, Status.REJECTED),
    ({"labels": [shown.EXPLICIT], "completions": 2}, Status.REJECTED),
    ({"failure": "the stream ended early"}, Status.ABORTED),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A video that was accepted: its door has said so."""

    door: str
    id: str  #: Of the moderation.
    public_id: str
    sha256: str
    status: Status  #: That it comes to by its script, where no human says otherwise.


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What the bus has confirmed."""

    source: str
    public_id: str
    deaths: int  #: How often Redis had died before it was sent.


@dataclass(slots=True, kw_only=True)
class Producers:
    """Four threads that send, from ``start`` to ``stop``."""

    world: World
    clip: Path
    accepted: list[Sent] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)  #: What went wrong with a producer itself: a broken harness.
    unconfirmed: int = 0  #: How often the bus did not confirm a message, which was sent again then.
    resent: int = 0  #: How often a message was sent again that Redis had confirmed and, dying, forgotten.
    _outstanding: dict[str, Message] = field(default_factory=dict)  #: By the ids of moderations.
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)
    _number: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> None:
        """Begin to send through all doors."""
        for door in (self._by_client, self._by_upload, self._by_request, self._by_event):
            chance = random.Random(f"{self.world.plan.seed} {door.__name__}")
            thread = threading.Thread(target=self._send, args=(door, chance), name=door.__name__, daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """Send no new ones, and wait until those under way were accepted."""
        self._stop.set()
        for thread in self._threads:
            thread.join(120)
            if thread.is_alive():
                self.faults.append(f"{thread.name} never got its last video accepted")
        with Client(self.world.redis_url) as client:
            self._resend(client)

    def _send(self, door: Callable[[random.Random], None], chance: random.Random) -> None:
        try:
            while not self._stop.wait(chance.uniform(0.5, 1.5) * _PACE):
                door(chance)
        except Exception as exc:
            self.faults.append(f"{door.__name__}: {exc!r}")
            raise

    def _by_client(self, chance: random.Random) -> None:
        """Enqueue by the Python client, which promises nothing but what the bus has confirmed."""
        public_id, source, sha256, status = self._source(chance, "in")
        with Client(self.world.redis_url) as client:
            id = self._confirmed(client, source, public_id)
            self._resend(client)
        self._accept("client", id, public_id, sha256, status)

    def _confirmed(self, client: Client, source: str, public_id: str) -> str:
        """Enqueue until the bus confirms it, as the client says it is to be done."""
        asked: dict[str, Any] = {
            "public_id": public_id,
            "idempotency_key": public_id,
            "notification_url": self.world.receiver.url,
        }
        while True:
            deaths = self.world.redis_deaths
            try:
                id = client.enqueue(source, **asked)
            except errors.BusUnavailable:
                self.unconfirmed += 1
                time.sleep(_AGAIN)
            else:
                self._outstanding[id] = Message(source=source, public_id=public_id, deaths=deaths)
                return id

    def _resend(self, client: Client) -> None:
        """Send again what has no row, where Redis has died since: only then may a confirmed message be lost."""
        deaths = self.world.redis_deaths
        self._forget_arrived()
        for message in [one for one in self._outstanding.values() if one.deaths < deaths]:
            self.resent += 1
            self._confirmed(client, message.source, message.public_id)

    def _forget_arrived(self) -> None:
        with contextlib.suppress(errors.StoreUnavailable), read(self.world.engine) as conn:
            for id in list(self._outstanding):
                if moderations.by_id(conn, id) is not None:
                    del self._outstanding[id]

    def _by_request(self, chance: random.Random) -> None:
        """Ask over HTTP, with a key that makes repeating safe."""
        public_id, source, sha256, status = self._source(chance, "in")
        said = {
            "source": source,
            "public_id": public_id,
            "idempotency_key": public_id,
            "notification_urls": [self.world.receiver.url],
        }
        made = self._until_taken(lambda: self._asked("/v1/moderations", said))
        self._accept("http", made["id"], public_id, sha256, status)

    def _by_upload(self, chance: random.Random) -> None:
        """Upload by Cloudinary's SDK; a name of its own each time, for nobody knows what became of a lost answer."""
        del chance  # What uploads show is the same for all.
        data = self._video()
        sha256 = hashlib.sha256(data).hexdigest()
        send: Any = cloudinary.uploader.upload  # The SDK has no types.

        def upload() -> dict[str, Any] | None:
            public_id = f"upload-{self._next()}"
            try:
                return dict(
                    send(
                        io.BytesIO(data),
                        filename="a.mp4",
                        public_id=public_id,
                        resource_type="video",
                        moderation="aws_rek_video",
                        notification_url=self.world.receiver.url,
                        timeout=20,
                        **self.world.api.cloud(),
                    )
                )
            except (cloudinary.exceptions.BadRequest, cloudinary.exceptions.AuthorizationRequired):
                raise
            except cloudinary.exceptions.Error:
                return None

        made = self._until_taken(upload)
        [moderation] = made["moderation"]
        self._accept("upload", moderation["id"], made["public_id"], sha256, Status.REJECTED)

    def _by_event(self, chance: random.Random) -> None:
        """Let S3 tell of a new object; who may know its moderation's id is only the database."""
        _, source, sha256, status = self._source(chance, "events")
        key = source.partition(f"{BUCKET}/")[2]
        place = {"bucket": {"name": BUCKET}, "object": {"key": key, "sequencer": "1"}}
        self.world.aws.send(
            self.world.s3_events, json.dumps({"Records": [{"eventName": "ObjectCreated:Put", "s3": place}]})
        )
        self._accept("event", "", key, sha256, status)

    def _asked(self, path: str, said: dict[str, Any]) -> dict[str, Any] | None:
        try:
            reply = self.world.api.post(path, said)
        except (OSError, ValueError):
            return None
        made: dict[str, Any] | None = reply.json if reply.status // 100 == 2 else None  # success
        return made

    def _until_taken(self, attempt: Callable[[], dict[str, Any] | None]) -> dict[str, Any]:
        while (made := attempt()) is None:
            time.sleep(_AGAIN)
        return made

    def _source(self, chance: random.Random, folder: str) -> tuple[str, str, str, Status]:
        """Bring a video and what it shows into the bucket; return its name, URL, digest and what it comes to."""
        name = f"{folder}-{self._next()}"
        script, status = chance.choice(SCRIPTS)
        seconds = round(chance.uniform(0.1, 1.5), 2)
        data = self._video()
        shown.bring(self.world, f"{folder}/{name}.mp4", data, script | {"seconds": seconds})
        digest = hashlib.sha256(data).hexdigest()
        return name, str(Location(bucket=BUCKET, key=f"{folder}/{name}.mp4")), digest, status

    def _video(self) -> bytes:
        """Return a video that there was not yet."""
        return padded(self.clip.read_bytes(), f"{self.world.plan.seed} {self._next()}".encode())

    def _next(self) -> int:
        with self._lock:
            self._number += 1
            return self._number

    def _accept(self, door: str, id: str, public_id: str, sha256: str, status: Status) -> None:
        with self._lock:
            self.accepted.append(Sent(door=door, id=id, public_id=public_id, sha256=sha256, status=status))
