"""Bodies that come too slowly are cut off: each holds a connection, and memory."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from clipwarden.errors import BodyStalled
from clipwarden.settings import UploadSettings


async def paced(body: AsyncGenerator[bytes, None], settings: UploadSettings) -> AsyncGenerator[bytes, None]:
    """Pass a body on; raises BodyStalled when it stops, or is slower than the least rate.

    Only the time spent waiting for the client counts: that we are slow is not its fault.
    """
    loop = asyncio.get_running_loop()
    waited, came, since = 0.0, 0, loop.time()
    async with aclosing(body):
        while (data := await _next(body, settings.receive_timeout)) is not None:
            waited, came = waited + loop.time() - since, came + len(data)
            if waited >= settings.rate_window:
                if came < settings.least_rate * waited:
                    raise BodyStalled(f"the body comes at less than {settings.least_rate} bytes per second")
                waited, came = 0.0, 0
            yield data
            since = loop.time()


async def _next(body: AsyncGenerator[bytes, None], seconds: float) -> bytes | None:
    try:
        async with asyncio.timeout(seconds):
            return await anext(body, None)
    except TimeoutError as exc:
        raise BodyStalled(f"nothing of the body came for {seconds:g} seconds") from exc
