"""How many calls an account may still make within an hour, counted by all processes together in Redis.

While Redis is away, or where there is none beside RabbitMQ, each process counts by itself: a limit that is too
generous for a while is better than a gateway that stands still.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from enum import StrEnum
from typing import TypeVar

from limits import RateLimitItem, RateLimitItemPerHour
from limits.errors import StorageError
from limits.storage import MemoryStorage, RedisStorage, Storage
from limits.strategies import FixedWindowRateLimiter

from clipwarden import logs
from clipwarden.broker.redis_client import connect
from clipwarden.settings import Settings
from clipwarden_api.refusals import Refusal

log = logs.logger(__name__)

T = TypeVar("T")

#: Seconds that Redis gets to answer, and for which it is left alone when it has not.
_PATIENCE, _PAUSE = 1.0, 5.0


class Allowed(StrEnum):
    """What is counted apart from each other."""

    CALLS = "calls"
    UPLOADS = "uploads"


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What is left of an hour's allowance."""

    limit: int
    remaining: int
    resets_at: datetime

    def headers(self) -> dict[str, str]:
        """Return it as Cloudinary's SDKs read it."""
        return {
            "X-FeatureRateLimit-Limit": str(self.limit),
            "X-FeatureRateLimit-Remaining": str(self.remaining),
            "X-FeatureRateLimit-Reset": format_datetime(self.resets_at, usegmt=True),
        }


class Allowances:
    """Counts what accounts do; usable from many threads at once."""

    def __init__(self, settings: Settings) -> None:
        """Contact nobody yet."""
        api, redis = settings.api, settings.redis
        per_hour = {Allowed.CALLS: api.calls_per_hour, Allowed.UPLOADS: api.uploads_per_hour}
        self._items: Mapping[Allowed, RateLimitItem] = {
            one: RateLimitItemPerHour(amount, namespace=one) for one, amount in per_hour.items()
        }
        self._everybody = None if settings.counting_url is None else _shared(settings.counting_url, redis.namespace)
        self._ourselves: Storage = MemoryStorage()
        self._alone_until = 0.0

    def count(self, account_id: str, what: Allowed) -> Allowance:
        """Count one and return what is left; raises Refusal where nothing was."""
        self.spend(account_id, what)
        return self.left(account_id, what)

    def spend(self, account_id: str, what: Allowed) -> None:
        """Count one; raises Refusal where nothing was left."""
        item = self._items[what]
        if self._ask(lambda limiter: limiter.hit(item, account_id)):
            return
        left = self.left(account_id, what)
        message = (
            f"Rate limit exceeded: {item.amount} {what} per hour are allowed, again from {left.resets_at:%H:%M} UTC"
        )
        raise Refusal(420, message, headers=left.headers())

    def left(self, account_id: str, what: Allowed) -> Allowance:
        """Return what is left."""
        item = self._items[what]
        window = self._ask(lambda limiter: limiter.get_window_stats(item, account_id))
        resets_at = datetime.fromtimestamp(window.reset_time, UTC)
        return Allowance(limit=item.amount, remaining=window.remaining, resets_at=resets_at)

    def together(self) -> bool | None:
        """Say whether all processes count together now; ``None`` where they are not to."""
        return None if self._everybody is None else self._everybody.check()

    def _ask(self, question: Callable[[FixedWindowRateLimiter], T]) -> T:
        if self._everybody is not None and time.monotonic() >= self._alone_until:
            try:
                return question(FixedWindowRateLimiter(self._everybody))
            except StorageError as exc:
                log.warning("calls are counted by this process alone", reason=str(exc.storage_error))
                self._alone_until = time.monotonic() + _PAUSE
        return question(FixedWindowRateLimiter(self._ourselves))


def _shared(url: str, namespace: str) -> Storage:
    client = connect(url, reply_timeout=_PATIENCE, connect_timeout=_PATIENCE)
    return RedisStorage(
        "redis://", connection_pool=client.connection_pool, key_prefix=f"{namespace}:allowance", wrap_exceptions=True
    )
