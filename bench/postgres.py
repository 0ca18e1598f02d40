"""A PostgreSQL server for a measurement, started as the tests start theirs, but with every commit on disk."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from fixtures import postgres

_DURABLE = ("max_connections=200", "listen_addresses=")


@contextmanager
def running() -> Iterator[postgres.Server]:
    """Give a server for the time of the block."""
    with postgres.running(_DURABLE) as server:
        yield server


def database(server: postgres.Server) -> str:
    """Return the URL of a new, empty database."""
    name = f"bench_{uuid.uuid4().hex}"
    server.execute(f"CREATE DATABASE {name}")
    return server.url(name)
