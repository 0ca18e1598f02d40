"""Answers that come before a request's body has: what is left of it is taken for a moment, and dropped.

A connection that is closed while bytes come in is reset, and the reset may overtake the answer (RFC 9112, 9.6):
programs would see a broken pipe instead of the reason why their upload was refused.
"""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: How much is dropped at most: bytes, and seconds.
_BYTES, _SECONDS = 16 * 1024**2, 2.0


class Lingering:
    """Ends answers only when the request has ended, or has had its time."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        # To ask for a body that waits for being asked for would invite it.
        begun, ended = not any(name == b"expect" for name, _ in scope["headers"]), False

        async def received() -> Message:
            nonlocal begun, ended
            message = await receive()
            begun, ended = True, message["type"] == "http.disconnect" or not message.get("more_body", False)
            return message

        async def drop() -> None:
            count = 0
            while not ended and count < _BYTES:
                count += len((await received()).get("body", b""))

        async def sent(message: Message) -> None:
            if message["type"] != "http.response.body" or message.get("more_body") or ended or not begun:
                await send(message)
                return
            await send({**message, "more_body": True})
            try:
                async with asyncio.timeout(_SECONDS):
                    await drop()
            except TimeoutError:
                pass
            await send({"type": "http.response.body", "body": b"", "more_body": False})

        await self._app(scope, received, sent)
