"""A file's bytes arrive whole or not at all, in bounded memory, whatever fails on the way."""

import asyncio
import hashlib
import os
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from clipwarden import errors
from clipwarden.media.folder import FolderStore
from clipwarden.media.links import Links
from clipwarden.media.store import LEAST_PART, Stored
from clipwarden.moderation import Location
from clipwarden.settings import UploadSettings
from clipwarden_api.room import PART, PLACE, Room
from clipwarden_api.sink import Received, Session, Sink

TARGET = Location(bucket="clips", key="a/b.mp4")
DATA = os.urandom(4 * PART + 3)


class Watched(FolderStore):
    """A folder that counts what is written to it, waits where it is told to, and fails where it is told to."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, Links("http://media.test", b"secret"))
        self.sizes: dict[int, int] = {}
        self.failing: set[str] = set()
        self.waiting: set[str] = set()
        self.reached, self.go_on = threading.Event(), threading.Event()
        self.meeting: threading.Barrier | None = None  # Of the first parts, none of which ends before the others come.
        self.busy = self.busiest = 0
        self._lock = threading.Lock()

    def _step(self, name: str) -> None:
        if name in self.waiting:
            self.reached.set()
            assert self.go_on.wait(20)
        if name in self.failing:
            raise errors.MediaUnavailable("so it is")

    def begin(self, target: Location, content_type: str | None = None) -> str:
        token = super().begin(target, content_type)
        self._step("begin")
        return token

    def put_part(self, target: Location, token: str, number: int, data: bytes | memoryview) -> str:
        with self._lock:
            self.busy += 1
            self.busiest = max(self.busy, self.busiest)
        try:
            self._step(f"put_part {number}")
            if self.meeting and number <= self.meeting.parties:
                self.meeting.wait()
            self.sizes[number] = len(data)
            return super().put_part(target, token, number, data)
        finally:
            with self._lock:
                self.busy -= 1

    def complete(self, target: Location, token: str, parts: Sequence[tuple[int, str]]) -> Stored:
        stored = super().complete(target, token, parts)
        self._step("complete")
        return stored

    def discard(self, target: Location, token: str) -> None:
        self._step("discard")
        super().discard(target, token)


@pytest.fixture
def store(tmp_path: Path) -> Watched:
    return Watched(tmp_path / "media")


@pytest.fixture
def left(tmp_path: Path) -> Callable[[], list[str]]:
    """Return the names of all files that there are."""

    def left() -> list[str]:
        root = tmp_path / "media"
        names = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
        return sorted(names - {".clipwarden/lock"})

    return left


@asynccontextmanager
async def _room(places: int = 32, patience: float = 20) -> AsyncIterator[Room]:
    room = Room(UploadSettings(memory=places * PLACE + 8 * 1024**2, patience=patience, threads=8))
    try:
        yield room
    finally:
        await room.close()
    assert room.taken == 0


def _sink(room: Room, store: FolderStore, target: Location = TARGET, *, limit: int = 10**9, lanes: int = 4) -> Sink:
    return Sink(room, store, target, limit=limit, lanes=lanes)


async def _send(sink: Sink, data: bytes, piece: int = 100_000) -> Received:
    for start in range(0, len(data), piece):
        await sink.write(data[start : start + piece])
    return await sink.finish()


def _read(store: FolderStore, target: Location = TARGET) -> bytes:
    with store.open(target) as file:
        return file.read()


SIZES = [1, PART - 1, PART, PART + 1, PART + LEAST_PART, 2 * PART, 2 * PART + 1, len(DATA)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("lanes", [1, 3])
def test_what_is_sent_is_stored_and_digested(
    store: Watched, left: Callable[[], list[str]], size: int, lanes: int
) -> None:
    async def run() -> Received:
        async with _room() as room:
            return await _send(_sink(room, store, lanes=lanes), DATA[:size])

    received, data = asyncio.run(run()), DATA[:size]
    assert _read(store) == data
    assert received.stored == store.head(TARGET)
    assert (received.bytes, received.sha256) == (size, hashlib.sha256(data).hexdigest())
    assert received.md5 == hashlib.md5(data).hexdigest()
    assert all(part == PART for _, part in sorted(store.sizes.items())[:-1])
    assert store.busiest <= lanes
    assert left() == ["clips/a/b.mp4"]


def test_parts_are_sent_side_by_side(store: Watched) -> None:
    async def run() -> None:
        async with _room() as room:
            await _send(_sink(room, store, lanes=3), DATA)

    store.meeting = threading.Barrier(3, timeout=20)
    asyncio.run(run())
    assert _read(store) == DATA


def test_a_session_is_brought_by_several_requests(store: Watched) -> None:
    pieces = [DATA[:20_000_000], DATA[20_000_000 : 20_000_000 + LEAST_PART], DATA[20_000_000 + LEAST_PART :]]

    async def run() -> list[tuple[int, str]]:
        parts: list[tuple[int, str]] = []
        async with _room() as room:
            for piece in pieces:
                session = Session(token=token, first=len(parts) + 1)
                sink = Sink(room, store, TARGET, limit=10**9, lanes=4, session=session)
                received = await _send(sink, piece)
                assert received.stored is None
                parts += received.parts
        return parts

    token = store.begin(TARGET)
    parts = asyncio.run(run())
    assert all(size >= LEAST_PART for _, size in sorted(store.sizes.items())[:-1])
    store.complete(TARGET, token, parts)
    assert _read(store) == DATA


def test_a_request_of_a_session_that_fails_leaves_what_earlier_ones_brought(store: Watched) -> None:
    async def run() -> tuple[tuple[int, str], ...]:
        async with _room() as room:
            first = await _send(
                Sink(room, store, TARGET, limit=10**9, lanes=4, session=Session(token=token, first=1)), b"1"
            )
            second = Sink(room, store, TARGET, limit=10**9, lanes=4, session=Session(token=token, first=2))
            await second.write(DATA)
            await second.discard()
            return first.parts

    token = store.begin(TARGET)
    assert store.complete(TARGET, token, asyncio.run(run())).bytes == 1


def test_uploads_that_share_little_memory_all_come_to_their_end(store: Watched) -> None:
    async def run() -> None:
        async with _room(places=2) as room:
            targets = [Location(bucket="clips", key=f"{number}") for number in range(6)]
            await asyncio.gather(*(_send(_sink(room, store, target), DATA) for target in targets))

    asyncio.run(run())
    assert all(_read(store, Location(bucket="clips", key=f"{number}")) == DATA for number in range(6))
    assert store.busiest <= 2


def test_places_are_lent_for_speed_only_while_few_are_taken() -> None:
    async def run() -> None:
        async with _room(places=24, patience=0.01) as room:
            await room.enter()
            assert [await room.extend() for _ in range(3)] == [True, True, False]
            for _ in range(21):
                await room.enter()
            with pytest.raises(errors.Overloaded):
                await room.enter()
            for _ in range(24):
                room.leave()

    asyncio.run(run())


def test_an_upload_that_finds_no_memory_in_time_is_told_so(store: Watched) -> None:
    async def run() -> None:
        async with _room(places=2, patience=0.01) as room:
            first, second, third = (_sink(room, store) for _ in range(3))
            await first.write(b"1")
            await second.write(b"2")
            with pytest.raises(errors.Overloaded):
                await third.write(b"3")
            await third.discard()
            await second.discard()
            await first.finish()

    asyncio.run(run())
    assert _read(store) == b"1"


def test_bytes_past_the_limit_are_refused_as_they_come(store: Watched, left: Callable[[], list[str]]) -> None:
    async def run() -> None:
        async with _room() as room:
            for size in (len(DATA) - 1, 5):
                sink = _sink(room, store, limit=size)
                with pytest.raises(errors.MediaRefused, match=f"Got .*Maximum is {size}.") as caught:
                    await _send(sink, DATA)
                assert caught.value.reason == "too_large"
                await sink.discard()
            await _send(_sink(room, store, limit=len(DATA)), DATA)

    asyncio.run(run())
    assert left() == ["clips/a/b.mp4"]


def test_a_file_without_bytes_is_refused(store: Watched, left: Callable[[], list[str]]) -> None:
    async def run() -> None:
        async with _room() as room:
            sink = _sink(room, store)
            await sink.write(b"")
            with pytest.raises(errors.MediaRefused, match="Empty file") as caught:
                await sink.finish()
            assert caught.value.reason == "empty"
            await sink.discard()

    asyncio.run(run())
    assert left() == []


@pytest.mark.parametrize("step", ["begin", "put_part 1", "put_part 3", "complete"])
@pytest.mark.parametrize("lanes", [1, 4])
def test_when_a_call_to_the_store_fails_nothing_is_left(
    store: Watched, left: Callable[[], list[str]], step: str, lanes: int
) -> None:
    async def run() -> None:
        async with _room() as room:
            store.failing = {step}
            sink = _sink(room, store, lanes=lanes)
            with pytest.raises(errors.MediaUnavailable):
                await _send(sink, DATA)
            await sink.discard()
            await sink.discard()

    asyncio.run(run())
    assert left() == []


@pytest.mark.parametrize("step", ["begin", "put_part 1", "put_part 2", "complete"])
@pytest.mark.parametrize("lanes", [1, 4])
def test_when_the_request_is_cancelled_in_a_call_nothing_is_left(
    store: Watched, left: Callable[[], list[str]], step: str, lanes: int
) -> None:
    async def upload(room: Room) -> None:
        sink = _sink(room, store, lanes=lanes)
        try:
            await _send(sink, DATA)
        finally:
            await sink.discard()

    async def run() -> None:
        async with _room() as room:
            store.waiting = {step}
            uploading = asyncio.ensure_future(upload(room))
            await _reached(store)
            for _ in range(2):  # The second one meets the discarding.
                uploading.cancel()
                await asyncio.sleep(0)
            store.go_on.set()
            with suppress(asyncio.CancelledError):
                await uploading
            assert uploading.cancelled()

    asyncio.run(run())
    assert left() == []


async def _reached(store: Watched) -> None:
    assert await asyncio.get_running_loop().run_in_executor(None, store.reached.wait, 20)


def test_what_cannot_be_discarded_hides_no_other_error(store: Watched) -> None:
    async def run() -> None:
        async with _room() as room:
            store.failing = {"discard", "put_part 2"}
            sink = _sink(room, store)
            try:
                with pytest.raises(errors.MediaUnavailable):
                    await _send(sink, DATA)
            finally:
                await sink.discard()

    asyncio.run(run())
    assert not store.exists(TARGET)


def test_what_is_finished_is_not_discarded(store: Watched) -> None:
    async def run() -> None:
        async with _room() as room:
            sink = _sink(room, store)
            await _send(sink, DATA)
            await sink.discard()

    asyncio.run(run())
    assert _read(store) == DATA
