"""What is kept for a time only: forgotten a little at a time, by every worker process."""

import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial

from clipwarden import metrics
from clipwarden.settings import Settings
from clipwarden.store import attempts, deliveries, expired
from clipwarden.store.engine import write
from clipwarden_workers.services import Services

#: Rows that are forgotten at once, and seconds between two looks for such.
BATCH, EVERY = 1000, 600.0

_Sweep = Callable[..., int]


class Retention:
    """Looks now and then for what is past its time, and goes on at once while there is more."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._due_at = time.monotonic()

    def look(self) -> None:
        """Look, if it is time to; what is to be deleted beside the media is asked for, and done by ``erase``."""
        if time.monotonic() < self._due_at:
            return
        services = self._services
        swept, now = [], services.clock.now()
        for kept, what, sweep in _rules(services.settings, now):
            with write(services.engine) as conn:
                count = sweep(conn, before=now - timedelta(seconds=kept), limit=BATCH)
            metrics.FORGOTTEN.labels(what).inc(count)
            swept.append(count)
        self._due_at = time.monotonic() + (1 if max(swept, default=0) >= BATCH else EVERY)


def _rules(settings: Settings, now: datetime) -> Iterator[tuple[float, str, _Sweep]]:
    """Give for how many seconds things are kept, what they are called, and what forgets them."""
    retention = settings.retention
    rules = (
        (settings.callback.attempts_kept, "attempts", attempts.sweep),
        (retention.deliveries, "deliveries", deliveries.sweep),
        (retention.labels, "labels", partial(expired.labels, now=now)),
        (retention.rejected, "rejected", partial(expired.rejected, now=now)),
        (retention.deleted, "deleted", partial(expired.deleted, now=now)),
    )
    return ((kept, what, sweep) for kept, what, sweep in rules if kept is not None)
