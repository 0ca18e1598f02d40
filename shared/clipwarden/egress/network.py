"""The network as httpcore sees it: every name is resolved once and checked, and every wait is within a budget.

httpcore's own timeouts hold per socket operation, so that a server which drips a byte at a time is never cut; here
each operation gets what the whole exchange has left.
"""

import contextlib
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future
from typing import Any

import httpcore

from clipwarden.egress.addresses import Address, Network, parse, permitted
from clipwarden.egress.spending import Budget
from clipwarden.errors import DestinationRefused

#: Returns all IP addresses of a host name; raises OSError when there are none.
Resolver = Callable[[str, int], Sequence[str]]

#: Addresses of one host that are tried at most; all are checked.
_TRIED = 4


class GuardedNetwork(httpcore.NetworkBackend):
    """Connects to checked addresses only; used by many threads at once, each with a budget of its own."""

    def __init__(
        self,
        allowed: Iterable[Network],
        resolver: Resolver | None = None,
        *,
        trusted: tuple[str, int] | None = None,  # Host and port of the operator's own proxy.
    ) -> None:
        self._trusted = trusted
        self._allowed = tuple(allowed)
        self._resolver = resolver or system_resolver
        self._current = threading.local()

    @contextlib.contextmanager
    def spending(self, budget: Budget) -> Generator[None]:
        """Take this thread's waits from ``budget``."""
        self._current.budget = budget
        try:
            yield
        finally:
            del self._current.budget

    @property
    def budget(self) -> Budget:
        """Return what this thread may still spend."""
        budget: Budget = self._current.budget
        return budget

    def refuse(self, host: str, address: Address) -> None:
        """Raise DestinationRefused unless the address may be contacted."""
        if not permitted(address, self._allowed):
            # The address itself is not told: whoever named the host would learn our inner names by it.
            raise DestinationRefused(
                f"{host} has an address that is not public; CLIPWARDEN_CALLBACK__ALLOW_NETWORKS names the exceptions"
            )

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,  # noqa: ARG002 # httpcore's interface; the pool sets none
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,  # noqa: ARG002 # the same
    ) -> httpcore.NetworkStream:
        """Connect to one of the host's addresses, of which every one must be permitted."""
        end = time.monotonic() + self.budget.allow(timeout)
        found = self._addresses(host, port, end - time.monotonic())[:_TRIED]
        for left in range(len(found), 0, -1):
            share = (end - time.monotonic()) / left
            try:
                return self._connect(found[-left], port, share)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if left == 1:
                    raise
        raise httpcore.ConnectError("the name has no address")

    def _addresses(self, host: str, port: int, seconds: float) -> list[Address]:
        try:
            found = [parse(host)]
        except ValueError:
            found = [parse(text) for text in _resolve(self._resolver, host, port, seconds)]
        if (host, port) != self._trusted:
            for address in found:
                self.refuse(host, address)
        return found

    def _connect(self, address: Address, port: int, seconds: float) -> httpcore.NetworkStream:
        if seconds <= 0:
            raise httpcore.ConnectTimeout("out of time")
        try:
            connected = socket.create_connection((str(address), port), timeout=seconds)
        except TimeoutError as exc:
            raise httpcore.ConnectTimeout("out of time") from exc
        except OSError as exc:
            raise httpcore.ConnectError(exc.strerror or "the connection failed") from exc
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return GuardedStream(connected, self)


class GuardedStream(httpcore.NetworkStream):
    """A connection whose every wait is taken from the budget of the thread that uses it."""

    def __init__(self, connected: socket.socket, network: GuardedNetwork) -> None:
        self._socket = connected
        self._network = network

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 # the budget decides
        """Return what has come, or nothing at the end."""
        budget = self._network.budget
        while True:
            began = time.monotonic()
            try:
                self._socket.settimeout(budget.allow())
                data = self._socket.recv(max_bytes)
            except TimeoutError:
                data = None
            except OSError as exc:
                raise httpcore.ReadError(exc.strerror or "the connection broke") from exc
            budget.received(len(data or b""), waited=time.monotonic() - began)
            if data is not None:
                return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002 # the budget decides
        """Send all of the buffer."""
        rest = memoryview(buffer)
        while rest:
            try:
                self._socket.settimeout(self._network.budget.allow())
                rest = rest[self._socket.send(rest) :]
            except TimeoutError as exc:
                raise httpcore.WriteTimeout("out of time") from exc
            except OSError as exc:
                raise httpcore.WriteError(exc.strerror or "the connection broke") from exc

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Return the connection encrypted, with a server that has proved its name."""
        try:
            # The ssl module counts the timeout of a handshake, unlike a socket's, from its beginning to its end.
            self._socket.settimeout(self._network.budget.allow(timeout))
            encrypted = ssl_context.wrap_socket(self._socket, server_hostname=server_hostname)
        except TimeoutError as exc:
            self.close()
            raise httpcore.ConnectTimeout("out of time") from exc
        except OSError as exc:
            self.close()
            raise httpcore.ConnectError(exc.strerror or "TLS failed") from exc
        except BaseException:
            self.close()
            raise
        return GuardedStream(encrypted, self._network)

    def get_extra_info(self, info: str) -> Any:
        """Return what httpcore asks for before it uses an idle connection again."""
        if info == "is_readable":
            return _readable(self._socket)
        return self._socket if info == "socket" else None


def system_resolver(host: str, port: int) -> list[str]:
    """Return the addresses that the operating system finds."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _resolve(resolver: Resolver, host: str, port: int, seconds: float) -> Sequence[str]:
    """Resolve a name within a time; the system's resolver itself cannot be interrupted, so it is left behind."""
    future: Future[Sequence[str]] = Future()

    def run() -> None:
        try:
            future.set_result(resolver(host, port))
        except Exception as exc:  # noqa: BLE001 # handed over to the thread that waits
            future.set_exception(exc)

    threading.Thread(target=run, name=f"resolve {host}", daemon=True).start()
    try:
        return future.result(max(seconds, 0))
    except TimeoutError as exc:
        raise httpcore.ConnectTimeout("the name was not resolved in time") from exc
    except OSError as exc:
        raise httpcore.ConnectError("the name cannot be resolved") from exc


def _readable(idle: socket.socket) -> bool:
    """Say whether an idle connection has something to say, which can only be that it ends."""
    if idle.fileno() < 0:
        return True
    poll = select.poll()
    poll.register(idle, select.POLLIN)
    return bool(poll.poll(0))
