"""The stream that says that something has changed: to whom, when, and how it ends."""

import http.client
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
import uvicorn
from sqlalchemy import Connection

from clipwarden.people import Role
from clipwarden.store import sessions, users
from clipwarden.store.engine import write
from clipwarden_api import changes
from clipwarden_api.answering import serving
from clipwarden_api.services import Services
from clipwarden_local.ports import free_port
from fixtures.console import judged, user
from waiting import eventually

_SILENCE = (b"\n", b":\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A gateway, and the session of somebody who is signed in."""

    port: int
    token: str
    server: uvicorn.Server
    thread: threading.Thread
    connections: list[http.client.HTTPConnection] = field(default_factory=list)

    def listen(self, token: str | None = None) -> http.client.HTTPResponse:
        """Return a stream as a browser reads it."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        self.connections.append(connection)
        connection.request("GET", "/console/events", headers={"Cookie": f"__Host-clipwarden={token or self.token}"})
        return connection.getresponse()


@pytest.fixture
def running(served: Services) -> Iterator[Running]:
    ana = user(served.engine)
    with write(served.engine) as conn:
        token = sessions.begin(conn, ana.id, lives=timedelta(hours=1), now=served.clock.now())
    port = free_port()
    server = serving(served, port=port)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    eventually(lambda: server.started)
    made = Running(port=port, token=token, server=server, thread=thread)
    yield made
    server.should_exit = True
    thread.join(10)
    for connection in made.connections:
        connection.close()
    assert not thread.is_alive(), "a stream has held up the end"


def said(stream: http.client.HTTPResponse) -> bytes:
    """Return the next line that says something; nothing at the stream's end."""
    while (line := stream.readline()) in _SILENCE:
        continue
    return line


def test_whoever_listens_hears_that_something_has_changed_and_not_what(served: Services, running: Running) -> None:
    streams = [running.listen(), running.listen()]
    for stream in streams:
        assert (stream.status, stream.headers["Content-Type"]) == (200, "text/event-stream; charset=utf-8")
        assert stream.readline() == b":\n"
    eventually(lambda: served.changes._looking is not None)
    case = judged(served)
    for stream in streams:
        heard = [said(stream), said(stream)]
        assert heard == [b"event: queue-change\n", b"data: 1\n"]
        assert case.id.encode() not in b"".join(heard)


def test_nobody_else_may_listen_and_one_not_too_often(running: Running) -> None:
    assert running.listen("guessed").status == 401
    streams = [running.listen() for _ in range(changes.MOST_OF_ONE)]
    assert {stream.status for stream in streams} == {200}
    assert running.listen().status == 503
    for number in range(2):
        streams[number].close()
        running.connections[number + 1].close()
    eventually(lambda: running.listen().status == 200)


def test_whoever_is_signed_in_may_listen_in_any_role_and_for_any_account(served: Services, running: Running) -> None:
    for role in Role:
        made = user(served.engine, role, role=role, account_ids=[])
        with write(served.engine) as conn:
            token = sessions.begin(conn, made.id, lives=timedelta(hours=1), now=served.clock.now())
        assert running.listen(token).status == 200, role
        with write(served.engine) as conn:
            users.switch(conn, made.id, enabled=False, now=served.clock.now())
        assert running.listen(token).status == 401, role


def test_a_stream_ends_with_its_session(served: Services, running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "KEEP_ALIVE", 0.1)
    stream = running.listen()
    assert stream.readline() == b":\n"
    with write(served.engine) as conn:
        sessions.end(conn, running.token)
    assert said(stream) == b""


def test_streams_do_not_hold_up_a_process_that_is_to_stop(running: Running) -> None:
    stream = running.listen()
    assert stream.readline() == b":\n"
    running.server.should_exit = True
    assert said(stream) == b""
    running.thread.join(10)
    assert not running.thread.is_alive()


def test_nothing_is_looked_at_while_nobody_listens(served: Services, running: Running) -> None:
    assert served.changes._looking is None
    stream = running.listen()
    stream.readline()
    eventually(lambda: served.changes._looking is not None)
    stream.close()
    running.connections[0].close()
    judged(served)  # What is told to nobody ends the stream.
    eventually(lambda: served.changes._looking is None)


def test_a_process_that_ends_waits_for_its_look_at_the_database(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks, may_end, ended = threading.Event(), threading.Event(), threading.Event()

    def look(_: object) -> None:
        looks.set()
        assert may_end.wait(20)
        ended.set()

    monkeypatch.setattr(changes, "_revision", look)
    assert running.listen().readline() == b":\n"
    assert looks.wait(20)
    running.server.should_exit = True
    threading.Timer(0.5, may_end.set).start()
    running.thread.join(10)
    assert ended.is_set()


def test_a_look_that_fails_is_not_the_last(served: Services, running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    revision, failed, looked = changes._revision, threading.Event(), threading.Event()

    def look(conn: Connection) -> object:
        if not failed.is_set():
            failed.set()
            raise ValueError("once")
        found = revision(conn)
        looked.set()
        return found

    monkeypatch.setattr(changes, "_revision", look)
    stream = running.listen()
    assert looked.wait(20)
    judged(served)
    assert said(stream) == b"event: queue-change\n"
