"""A callback receiver on loopback: keeps what comes, checks it with Cloudinary's SDK, misbehaves on request."""

import json
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Self

import cloudinary
import cloudinary.utils

from clipwarden import webhooks


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How a callback is answered."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)  #: Such as ``Location``, ``Retry-After``.
    hangs: bool = False  #: Nothing is answered until the receiver closes.
    breaks_off: bool = False  #: The connection ends instead of an answer.


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One callback as it came in."""

    at: datetime
    path: str
    headers: Mapping[str, str]  #: Names in lower case.
    body: bytes
    verified: bool  #: Whether Cloudinary's signature is right and fresh.
    webhook_verified: bool  #: Whether Standard Webhooks' is.
    answer: Answer

    @property
    def payload(self) -> dict[str, Any]:
        """Return the body as an object; empty where it is not one."""
        try:
            value = json.loads(self.body)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}

    @property
    def moderation_id(self) -> str | None:
        """Return the moderation that this callback tells of."""
        return self.payload.get("moderation_id")

    @property
    def acknowledged(self) -> bool:
        """Say whether the answer was a success."""
        silent = self.answer.hangs or self.answer.breaks_off
        return not silent and self.answer.status // 100 == 2  # noqa: PLR2004 # success, as HTTP spells it


class Receiver:
    """A server that takes callbacks between ``with`` and the block's end; ``port`` 0 takes a free one."""

    #: The SDK's configuration is one for the whole process.
    _configuring: ClassVar[threading.Lock] = threading.Lock()

    def __init__(
        self,
        *,
        secret: str,
        algorithm: str = "sha1",
        webhook_secret: str | None = None,
        port: int = 0,
        on_received: Callable[[Received], None] | None = None,
    ) -> None:
        self._secret = secret
        self._algorithm = algorithm
        self._webhook_secret = webhook_secret
        self._on_received = on_received
        self._changed = threading.Condition()
        self._received: list[Received] = []
        self._answers: deque[Answer] = deque()
        self._closing = threading.Event()
        self._server = _Server(("127.0.0.1", port), self._take, self._closing)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="receiver", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.hang_up()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Return the notification URL to give away."""
        return f"http://127.0.0.1:{self._server.server_port}/callbacks"

    @property
    def received(self) -> list[Received]:
        """Return what has come in, oldest first."""
        with self._changed:
            return list(self._received)

    def answer_next(self, answer: Answer, *, times: int = 1) -> None:
        """Answer the next callbacks so; after them, and what was asked for before, again with 200."""
        with self._changed:
            self._answers.extend([answer] * times)

    def wait_for(self, moderation_id: str, within: float = 20.0) -> Received:
        """Return the first callback about a moderation that was acknowledged; raises TimeoutError when none comes."""
        end = time.monotonic() + within
        with self._changed:
            while True:
                for callback in self._received:
                    if callback.moderation_id == moderation_id and callback.acknowledged:
                        return callback
                if not self._changed.wait(max(end - time.monotonic(), 0)) and time.monotonic() >= end:
                    raise TimeoutError(f"no callback about {moderation_id} within {within:g} s")

    def _take(self, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        verified, webhook_verified = self._verify(headers, body), self._verify_webhook(headers, body)
        with self._changed:
            answer = self._answers.popleft() if self._answers else Answer()
            callback = Received(
                at=datetime.now(UTC),
                path=path,
                headers=headers,
                body=body,
                verified=verified,
                webhook_verified=webhook_verified,
                answer=answer,
            )
            self._received.append(callback)
            self._changed.notify_all()
        if self._on_received is not None:
            self._on_received(callback)
        return answer

    def _verify(self, headers: Mapping[str, str], body: bytes) -> bool:
        if not self._secret:
            return False
        try:
            with self._configuring:
                cloudinary.config(api_secret=self._secret)  # type: ignore[no-untyped-call] # the SDK has no types
                return bool(
                    cloudinary.utils.verify_notification_signature(  # type: ignore[no-untyped-call] # the same
                        body.decode(),
                        headers["x-cld-timestamp"],
                        headers["x-cld-signature"],
                        algorithm=self._algorithm,
                    )
                )
        except (KeyError, ValueError):
            return False

    def _verify_webhook(self, headers: Mapping[str, str], body: bytes) -> bool:
        if self._webhook_secret is None:
            return False
        id, stamp, signature = (headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
        return webhooks.verify(body, id, stamp, signature, self._webhook_secret)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(
        self,
        address: tuple[str, int],
        take: Callable[[str, Mapping[str, str], bytes], Answer],
        closing: threading.Event,
    ) -> None:
        self.take = take
        self.closing = closing
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(address, _Handler)

    def connected(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.add(connection)

    def disconnected(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.discard(connection)

    def hang_up(self) -> None:
        """End the kept connections, whose threads would otherwise wait for their next request."""
        with self._lock:
            for connection in self._open:
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay silent about a caller that has hung up."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    connection: socket.socket

    def setup(self) -> None:
        super().setup()
        self.server.connected(self.connection)

    def finish(self) -> None:
        self.server.disconnected(self.connection)
        super().finish()

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", "0"))
        body = self.rfile.read(length)
        if len(body) < length:  # Whoever called died meanwhile: what did not arrive whole is no callback.
            self.close_connection = True
            return
        answer = self.server.take(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
        if answer.hangs:
            self.server.closing.wait()
        if answer.hangs or answer.breaks_off:
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 # the base class names it so
        """Leave the log to whoever uses the receiver."""
