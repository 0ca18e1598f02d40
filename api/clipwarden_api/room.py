"""What all uploads of a process share: memory for their bytes, and threads for calls to the media store."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from clipwarden import metrics
from clipwarden.errors import Overloaded
from clipwarden.media.store import LEAST_PART
from clipwarden.settings import UploadSettings

P = ParamSpec("P")
T = TypeVar("T")

#: Bytes at which a part is cut off.
PART = 8 * 1024**2
#: Bytes that an upload holds at most in one place: a part, and the least that stays where more may come later.
PLACE = PART + LEAST_PART
#: Of the places, the share up to which uploads take more than one: the others are for uploads still to come.
_EXTENDED = 1 / 8


class Room:
    """Bounds the bytes that a process holds of uploads to its places.

    One place is enough for an upload to go on to its end, so that uploads never wait for each other in a circle; while
    few are taken, an upload sends parts side by side.
    """

    def __init__(self, settings: UploadSettings) -> None:
        places = settings.memory // PLACE
        self._places = asyncio.Semaphore(places)
        self._extensible, self.taken = max(2, int(places * _EXTENDED)), 0
        metrics.UPLOAD_PLACES.inc(places)
        self._patience = settings.patience
        self._pool = ThreadPoolExecutor(settings.threads, "upload")
        self._tasks: set[asyncio.Task[Any]] = set()

    async def enter(self) -> None:
        """Take a place, waiting for one if need be; raises Overloaded when none gets free."""
        try:
            async with asyncio.timeout(self._patience):
                await self._places.acquire()
            self._take()
        except TimeoutError as exc:
            raise Overloaded("too many uploads at once; try again") from exc

    async def extend(self) -> bool:
        """Take one more place if few are taken now, and say whether it did."""
        if self.taken >= self._extensible or self._places.locked():
            return False
        self._take()
        return await self._places.acquire()

    def leave(self) -> None:
        """Give a place back."""
        self.taken -= 1
        metrics.UPLOAD_PLACES_TAKEN.dec()
        self._places.release()

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start work that goes on to its end even where nobody waits for it any more."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call in a thread of these uploads' own."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, lambda: call(*args, **kwargs))

    async def close(self) -> None:
        """Wait for what was started, then end the threads."""
        while self._tasks:
            await asyncio.wait(self._tasks)
        self._pool.shutdown()

    def _take(self) -> None:
        self.taken += 1
        metrics.UPLOAD_PLACES_TAKEN.inc()
