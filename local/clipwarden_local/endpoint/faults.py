"""Faults that a test orders: what shall go wrong with the next calls."""

from enum import StrEnum
from threading import Lock

from pydantic import BaseModel, ConfigDict, Field

from clipwarden_local.endpoint.protocol import ServiceError


class When(StrEnum):
    """Where in a call its fault strikes."""

    BEFORE = "before"  #: Nothing has been done yet.
    AFTER = "after"  #: All has been done; only the answer is lost or replaced.


class Fault(BaseModel):
    """One thing that goes wrong, a number of times."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    operation: str
    """`StartContentModeration` or `GetContentModeration`."""
    error: str | None = None
    """Name of the error to answer with; without one the connection is dropped."""
    message: str | None = None
    """Its message, where the usual one will not do."""
    http_status: int | None = Field(default=None, ge=400, le=599)
    """Its status, where the usual one will not do."""
    when: When = When.BEFORE
    """Whether the call takes effect all the same."""
    continued: bool = False
    """Strike only calls that carry a pagination token."""
    times: int = Field(default=1, ge=1)
    """How many calls it strikes."""


class ConnectionDropped(Exception):
    """Raised when the caller shall see its connection end without an answer."""


class Faults:
    """The faults still to come, struck in the order in which they were told."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._coming: list[Fault] = []

    def tell(self, *faults: Fault) -> None:
        """Add faults to those still to come."""
        with self._lock:
            self._coming.extend(fault for fault in faults for _ in range(fault.times))

    def clear(self) -> None:
        """Forget all that are still to come."""
        with self._lock:
            self._coming.clear()

    def strike(self, operation: str, when: When, *, continued: bool) -> None:
        """Raise what the next matching fault asks for, if there is one."""
        fault = self._take(operation, when, continued=continued)
        if fault is None:
            return
        if fault.error is None:
            raise ConnectionDropped(operation)
        raise ServiceError(fault.error, fault.message, http_status=fault.http_status)

    def _take(self, operation: str, when: When, *, continued: bool) -> Fault | None:
        with self._lock:
            for place, fault in enumerate(self._coming):
                if (fault.operation, fault.when) == (operation, when) and (continued or not fault.continued):
                    return self._coming.pop(place)
        return None
