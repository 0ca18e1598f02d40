"""The limits on calls per second."""

from collections.abc import Callable
from threading import Lock

from clipwarden_local.endpoint.protocol import ServiceError


class Throttle:
    """Lets so many calls of one operation in one region pass per second, and as many at once after a rest."""

    def __init__(self, rates: dict[str, float], clock: Callable[[], float]) -> None:
        #: Calls per second by operation; 0 switches the limit off.
        self._rates = rates
        self._clock = clock
        self._lock = Lock()
        self._left: dict[tuple[str, str], tuple[float, float]] = {}

    def admit(self, operation: str, region: str) -> None:
        """Raise ProvisionedThroughputExceeded when the rate is used up."""
        rate = self._rates.get(operation, 0.0)
        if rate <= 0:
            return
        with self._lock:
            now = self._clock()
            left, since = self._left.get((operation, region), (rate, now))
            left = min(max(rate, 1.0), left + max(0.0, now - since) * rate)
            admitted = left >= 1
            self._left[operation, region] = (left - 1 if admitted else left, now)
        if not admitted:
            raise ServiceError("ProvisionedThroughputExceededException")
