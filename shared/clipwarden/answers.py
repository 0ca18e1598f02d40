"""What an endpoint's answer asks for: how long it wants to be left alone."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus

#: With these answers an endpoint may say when it wants to be asked again.
_BUSY = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


def unable(status: int | None) -> bool:
    """Say whether an answer, or none, means that the endpoint cannot take callbacks now, whichever they are."""
    return status is None or status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR


def wait(status: int | None, headers: Mapping[str, str] | None, *, now: datetime, longest: timedelta) -> timedelta:
    """Return how long an answer asks to wait: ``Retry-After``, in seconds or as a date, up to a bound; else nothing."""
    text = (headers or {}).get("retry-after", "").strip()
    if status not in _BUSY or not text:
        return timedelta(0)
    asked = _seconds(text) if text.isascii() and text.isdigit() else _until(text, now)
    return min(max(asked, timedelta(0)), longest)


def _seconds(text: str) -> timedelta:
    # Nine digits are thirty years; more would be too many for a timedelta.
    return timedelta(seconds=int(text[:9]))


def _until(text: str, now: datetime) -> timedelta:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, IndexError, TypeError, OverflowError):
        return timedelta(0)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now
