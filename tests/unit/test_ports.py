"""Ports for servers that start in a moment: nobody else's, and given to one only."""

import socket
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from clipwarden import errors
from clipwarden_local import ports


@pytest.fixture(autouse=True)
def _counter_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def _several(_: int) -> list[int]:
    return [ports.free_port() for _ in range(50)]


def test_processes_that_ask_at_once_get_different_ports() -> None:
    with ProcessPoolExecutor(4) as pool:
        given = [port for some in pool.map(_several, range(8)) for port in some]

    assert len(set(given)) == 400


def test_a_port_that_somebody_listens_on_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    first = ports.free_port()
    monkeypatch.setattr(ports, "RANGE", range(first, first + 2))
    with socket.create_server(("127.0.0.1", first)):
        assert {ports.free_port() for _ in range(3)} == {first + 1}


def test_where_all_are_taken_an_error_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    only = ports.free_port()
    monkeypatch.setattr(ports, "RANGE", range(only, only + 1))
    with socket.create_server(("127.0.0.1", only)), pytest.raises(errors.ConfigurationError, match="no port between"):
        ports.free_port()


def test_a_counter_that_was_spoilt_begins_anew(tmp_path: Path) -> None:
    ports.free_port()
    (counter,) = tmp_path.glob("clipwarden-port-*")
    counter.write_text("spoilt")

    assert ports.free_port() in ports.RANGE
    assert int(counter.read_text()) in ports.RANGE
