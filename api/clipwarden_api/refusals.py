"""Refusals, in the form that Cloudinary's SDKs understand: a status they know, and ``{"error": {"message": …}}``.

The Node SDK's upload client loses the message of every status but 200, 400, 401, 404, 420, 429 and 500, so no other is
used.
"""

from collections.abc import Mapping

from clipwarden import errors


class Refusal(Exception):
    """Raised to answer a request with a status, a message, and further headers."""

    def __init__(self, status: int, message: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers or {}


def bad(message: str) -> Refusal:
    """Return the refusal of a request that cannot be understood."""
    return Refusal(400, message)


def not_found(what: str) -> Refusal:
    """Return the refusal of a request for something that is not there."""
    return Refusal(404, f"Resource not found - {what}")


def of(error: errors.ClipwardenError) -> Refusal:
    """Return how the SDKs are told of one of our errors; what is our own fault is not told in detail."""
    if isinstance(error, errors.NotFound | errors.MediaNotFound):
        return Refusal(404, str(error))
    if isinstance(error, errors.TransientError):
        return Refusal(500, "Temporarily unavailable, try again")
    if isinstance(error, errors.ConfigurationError):
        return Refusal(500, "The service is not set up for this; its operator finds the reason in the log")
    return Refusal(400, str(error))
