"""What all uploads of a process share: memory for their bytes, and threads for calls to the media store."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from clipwarden.errors import Overloaded
from clipwarden.media.store import LEAST_PART
from clipwarden.settings import UploadSettings

P = ParamSpec("P")
T = TypeVar("T")

#: Bytes at which a part is cut off.
PART = 8 * 1024**2
#: Bytes that an upload holds at most in one place: a part and the least that stays, and a copy while it is cut.
PLACE = 2 * (PART + LEAST_PART)


class Room:
    """Bounds the bytes that a process holds of uploads to its places.

    One place is enough for an upload to go on to its end, so that uploads never wait for each other in a circle; those
    that are free beyond that let it send parts side by side.
    """

    def __init__(self, settings: UploadSettings) -> None:
        self._places = asyncio.Semaphore(settings.memory // PLACE)
        self._patience = settings.patience
        self._pool = ThreadPoolExecutor(settings.threads, "upload")
        self._tasks: set[asyncio.Task[Any]] = set()

    async def enter(self) -> None:
        """Take a place, waiting for one if need be; raises Overloaded when none gets free."""
        try:
            async with asyncio.timeout(self._patience):
                await self._places.acquire()
        except TimeoutError as exc:
            raise Overloaded("too many uploads at once; try again") from exc

    async def extend(self) -> bool:
        """Take one more place if it is free now, and say whether it was."""
        return not self._places.locked() and await self._places.acquire()

    def leave(self) -> None:
        """Give a place back."""
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
