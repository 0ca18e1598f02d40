"""HTTP requests to addresses that others name."""

import ssl
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import BinaryIO

import httpcore

from clipwarden import tracing
from clipwarden.egress.addresses import Network
from clipwarden.egress.connections import Connections
from clipwarden.egress.destination import Destination, redact
from clipwarden.egress.network import GuardedNetwork, Resolver
from clipwarden.egress.spending import Budget, Pace
from clipwarden.errors import DeliveryFailed, MediaNotFound, MediaRefused, MediaUnavailable, SourceRefused
from clipwarden.version import USER_AGENT

#: Bytes of an answer to a POST that are read; a connection with more to say is closed.
LONGEST_ANSWER = 64 * 1024
#: Seconds that an idle connection is kept: less than the five after which a Node.js server closes it.
_KEPT = 4.0
_KEPT_CONNECTIONS = 32

_FAULTS = (httpcore.TimeoutException, httpcore.NetworkError, httpcore.RemoteProtocolError, httpcore.ProxyError)
_GONE = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
_LATER = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """The answer to a POST, whatever its status."""

    status: int
    headers: Mapping[str, str]  #: Names in lower case.
    body: bytes  #: At most the first 64 KiB.
    seconds: float  #: From the beginning of the attempt to the end of the answer.


class Egress:
    """Calls public http(s) addresses, and those of ``allow_networks``; usable from many threads at once.

    A host is resolved once per connection, and refused unless all its addresses may be contacted. Redirects are not
    followed and proxies of the environment not used: either would contact an address that nobody has checked. A
    ``proxy`` that is given resolves names in our stead, and has to check them.
    """

    def __init__(
        self,
        allow_networks: Iterable[Network],
        connect_timeout: float,
        total_timeout: float,
        resolver: Resolver | None = None,
        pace: Pace | None = None,
        *,
        tls: ssl.SSLContext | None = None,
        proxy: httpcore.Proxy | None = None,
    ) -> None:
        self._network = GuardedNetwork(allow_networks, resolver, trusted=_place(proxy) if proxy is not None else None)
        self._connect_timeout = connect_timeout
        self._total_timeout = total_timeout
        self._pace = pace or Pace()
        pool = httpcore.ConnectionPool(
            # One for all: httpcore would otherwise load the certificates anew for each connection.
            ssl_context=tls or httpcore.default_ssl_context(),
            proxy=proxy,
            keepalive_expiry=_KEPT,
            network_backend=self._network,
        )
        self._connections = Connections(pool.create_connection, most=_KEPT_CONNECTIONS)

    def check(self, url: str) -> Destination:
        """Refuse, by DestinationRefused, what can be seen from the URL alone; nothing is resolved or contacted."""
        destination = Destination.parse(url)
        if (address := destination.literal) is not None:
            self._network.refuse(destination.host, address)
        return destination

    def post(self, url: str, *, headers: Mapping[str, str], body: bytes) -> Response:
        """Send a body and return the answer, whatever its status.

        Raises DestinationRefused, and DeliveryFailed when there is no complete answer within the total timeout.
        """
        destination = self.check(url)
        address = _url(destination)
        began = time.monotonic()
        status = None
        try:
            with (
                tracing.call("POST", _facts("POST", destination)) as span,
                self._network.spending(Budget(self._total_timeout)),
                self._connections.lent(address) as connection,
                connection.stream(
                    "POST", address, headers=_raw(destination, headers), content=body, extensions=self._limits
                ) as answer,
            ):
                status = answer.status
                if span is not None:
                    span.note("http.response.status_code", status)
                content = _beginning(answer)
        except _FAULTS as exc:
            raise DeliveryFailed(f"{redact(url)}: {self._reason(exc, self._total_timeout)}", status=status) from exc
        return Response(
            status=status,
            headers={name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers},
            body=content,
            seconds=time.monotonic() - began,
        )

    def fetch(self, url: str, sink: BinaryIO, *, max_bytes: int) -> int:
        """Write what a GET brings into ``sink`` and return how many bytes that is; on an error, some are written.

        Raises DestinationRefused; MediaUnavailable for what may pass; MediaNotFound, SourceRefused for an answer such
        as 403 or a redirect, and MediaRefused for more than ``max_bytes``.
        """
        destination = self.check(url)
        address = _url(destination)
        headers = {"User-Agent": USER_AGENT, "Accept": "*/*", "Accept-Encoding": "identity"}
        try:
            with (
                tracing.call("GET", _facts("GET", destination)) as span,
                self._network.spending(Budget(self._pace.total, self._pace)),
                self._connections.lent(address) as connection,
                connection.stream(
                    "GET", address, headers=_raw(destination, headers), extensions=self._limits
                ) as answer,
            ):
                if span is not None:
                    span.note("http.response.status_code", answer.status)
                _judge(answer.status, url)
                return _pour(answer, sink, max_bytes)
        except _FAULTS as exc:
            raise MediaUnavailable(f"{redact(url)}: {self._reason(exc, self._pace.total)}") from exc

    def close(self) -> None:
        """Close all connections."""
        self._connections.close()

    @property
    def _limits(self) -> dict[str, dict[str, float]]:
        return {"timeout": {"connect": self._connect_timeout}}

    def _reason(self, fault: Exception, seconds: float) -> str:
        match fault:
            case httpcore.ConnectTimeout():
                reason = f"no connection within {min(self._connect_timeout, seconds):g} s"
            case httpcore.TimeoutException() if str(fault) == "too slow":
                reason = f"less than {self._pace.least} bytes came within {self._pace.window:g} s"
            case httpcore.TimeoutException():
                reason = f"no complete answer within {seconds:g} s"
            case httpcore.ConnectError():
                reason = f"cannot connect: {fault}"
            case httpcore.ProxyError():
                reason = f"the proxy refuses: {fault}"
            case httpcore.RemoteProtocolError():
                reason = f"the answer broke off or is not HTTP: {fault}"
            case _:
                reason = f"the connection broke: {fault}"
        return reason


def _place(proxy: httpcore.Proxy) -> tuple[str, int]:
    origin = proxy.url.origin
    return origin.host.decode("ascii"), origin.port


def _url(destination: Destination) -> httpcore.URL:
    return httpcore.URL(
        scheme=destination.scheme, host=destination.host, port=destination.port, target=destination.target
    )


def _facts(method: str, destination: Destination) -> tracing.Facts:
    """Return what a span says of a request: not its path and query, which may hold what only the two sides know."""
    return {"http.request.method": method, "server.address": destination.host, "server.port": destination.port}


def _raw(destination: Destination, headers: Mapping[str, str]) -> list[tuple[str, str]]:
    return [("Host", destination.authority), *headers.items()]


def _beginning(answer: httpcore.Response) -> bytes:
    content = bytearray()
    for chunk in answer.iter_stream():
        content += chunk
        if len(content) >= LONGEST_ANSWER:
            break
    return bytes(content[:LONGEST_ANSWER])


def _judge(status: int, url: str) -> None:
    """Raise what an answer other than 200 means for a video that is to be fetched."""
    if status == HTTPStatus.OK:
        return
    text = f"{redact(url)}: the origin answered {status}"
    if status in _GONE:
        raise MediaNotFound(text)
    if status in _LATER or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise MediaUnavailable(text)
    redirects = HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST
    raise SourceRefused(f"{text}; redirects are not followed, name the final address" if redirects else text)


def _pour(answer: httpcore.Response, sink: BinaryIO, max_bytes: int) -> int:
    total = 0
    for chunk in answer.iter_stream():
        total += len(chunk)
        if total > max_bytes:
            raise MediaRefused(f"the video has more than {max_bytes} bytes", reason="too_large")
        sink.write(chunk)
    return total
