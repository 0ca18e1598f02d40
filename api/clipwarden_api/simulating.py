"""Simulating policies in a process that has other requests to answer."""

from collections.abc import Iterator
from contextlib import contextmanager

from clipwarden import errors
from clipwarden_api.services import Services

#: Seconds after which a simulation looks at no further moderation.
SECONDS = 10.0


@contextmanager
def alone(services: Services) -> Iterator[None]:
    """Let one at a time work: several in one process would only slow each other and all other calls down.

    Raises Overloaded while another one is under way.
    """
    if not services.simulating.acquire(blocking=False):
        raise errors.Overloaded("another policy is being simulated; try again")
    try:
        yield
    finally:
        services.simulating.release()
