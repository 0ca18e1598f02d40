"""HTTP for the service: calls, its state of health, and a test's controls."""

import ipaddress
import json
import logging
import uuid
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from clipwarden_local.endpoint.faults import ConnectionDropped
from clipwarden_local.endpoint.protocol import CONTENT_TYPE, Call, ServiceError, read_call

_MAX_BODY = 1 << 20
_IDLE_SECONDS = 75.0

_log = logging.getLogger(__name__)

#: Answers a call with the body of its answer; raises ServiceError and ConnectionDropped.
Answer = Callable[[Call], dict[str, Any]]
#: Answers a resource, given its query and body, with a JSON document; raises ValueError for a body it cannot read.
Resource = Callable[[dict[str, str], bytes], Any]


class Server(ThreadingHTTPServer):
    """Listens and hands requests on; one thread per connection."""

    daemon_threads = True
    #: Idle keep-alive connections must not hold up the end.
    block_on_close = False
    request_queue_size = 128
    disable_nagle_algorithm = True

    def __init__(
        self,
        address: tuple[str, int],
        *,
        answer: Answer,
        analyser: str,
        resources: Mapping[tuple[str, str], Resource],
    ) -> None:
        self.answer = answer
        self.analyser = analyser
        #: By method and path; all but ``/healthz`` are for this machine only.
        self.resources = resources
        super().__init__(address, Handler)

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002 - the base class's signature
        """Log without a traceback: a client that goes away is no fault of ours."""
        _log.debug("connection from %s ended early", client_address)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: Server
    protocol_version = "HTTP/1.1"
    server_version = "clipwarden-local"
    sys_version = ""
    timeout = _IDLE_SECONDS
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        """Answer a call."""
        body = self._body()
        if body is None:
            return
        try:
            call = read_call(dict(self.headers.items()), body)
            document = self.server.answer(call)
        except ServiceError as error:
            self._send(error.http_status, error.body(), CONTENT_TYPE)
        except ConnectionDropped:
            self.close_connection = True
        except Exception:  # noqa: BLE001 - whatever it is, the caller gets the protocol's answer to it
            _log.exception("a call could not be answered")
            self._send(HTTPStatus.INTERNAL_SERVER_ERROR, ServiceError("InternalServerError").body(), CONTENT_TYPE)
        else:
            self._send(HTTPStatus.OK, json.dumps(document).encode(), CONTENT_TYPE)

    def do_GET(self) -> None:
        """Answer with a resource or an object."""
        self._resource()

    def do_HEAD(self) -> None:
        """Answer as to GET, without the body."""
        self._resource()

    def do_PUT(self) -> None:
        """Change what a resource stands for."""
        self._resource()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Log below what is shown by default: the journal says more."""
        _log.debug(format, *args)

    def _resource(self) -> None:
        body = self._body()
        if body is None:
            return
        url = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
        resource = self.server.resources.get((self.command, url.path))
        if resource is None:
            self._send_text(HTTPStatus.NOT_FOUND, "There is no such resource.")
        elif url.path != "/healthz" and not ipaddress.ip_address(self.client_address[0]).is_loopback:
            self._send_text(HTTPStatus.FORBIDDEN, "This resource is for this machine only.")
        else:
            self._answer_resource(resource, query, body)

    def _answer_resource(self, resource: Resource, query: dict[str, str], body: bytes) -> None:
        try:
            document = resource(query, body)
        except ValueError as error:
            self._send_text(HTTPStatus.BAD_REQUEST, str(error))
        else:
            self._send(HTTPStatus.OK, json.dumps(document).encode(), "application/json")

    def _body(self) -> bytes | None:
        """Return the request's body; one that is too large, or of unknown length, is refused here."""
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not (length.isascii() and length.isdigit()):
            self.close_connection = True
            self._send_text(HTTPStatus.LENGTH_REQUIRED, "A body needs a Content-Length.")
            return None
        if int(length) > _MAX_BODY:
            self.close_connection = True
            self._send_text(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is too large.")
            return None
        return self.rfile.read(int(length))

    def _send_text(self, status: int, text: str) -> None:
        self._send(status, text.encode(), "text/plain; charset=utf-8")

    def _send(self, status: int, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("x-amzn-RequestId", str(uuid.uuid4()))
        self.send_header("x-clipwarden-analyser", self.server.analyser)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
