"""Pagination tokens: where a page begins, signed for one job read in one way."""

import base64
import hashlib
import hmac
import struct
from collections.abc import Callable

from clipwarden_local.endpoint.protocol import ServiceError

#: A token is good for a day (https://docs.aws.amazon.com/rekognition/latest/dg/limits.html).
_LIFETIME_SECONDS = 86_400.0
_FORM = struct.Struct(">Id")
_SEAL_BYTES = 16


class Pages:
    """Makes and reads pagination tokens."""

    def __init__(self, secret: bytes, clock: Callable[[], float]) -> None:
        self._secret = secret
        self._clock = clock

    def token(self, offset: int, reading: tuple[str, ...]) -> str:
        """Return a token for the page at ``offset``; ``reading`` is the job and how it is read."""
        place = _FORM.pack(offset, self._clock())
        return base64.urlsafe_b64encode(place + self._seal(place, reading)).decode()

    def offset(self, token: str, reading: tuple[str, ...]) -> int:
        """Return where the page begins; raises InvalidPaginationToken for a forged, foreign or old token."""
        try:
            raw = base64.b64decode(token.encode(), altchars=b"-_", validate=True)
        except ValueError as error:
            raise ServiceError("InvalidPaginationTokenException") from error
        place, seal = raw[: _FORM.size], raw[_FORM.size :]
        if not hmac.compare_digest(seal, self._seal(place, reading)):
            raise ServiceError("InvalidPaginationTokenException")
        offset, issued_at = _FORM.unpack(place)
        if self._clock() - issued_at > _LIFETIME_SECONDS:
            raise ServiceError("InvalidPaginationTokenException")
        return int(offset)

    def _seal(self, place: bytes, reading: tuple[str, ...]) -> bytes:
        text = b"\0".join([place, *(part.encode() for part in reading)])
        return hmac.digest(self._secret, text, hashlib.sha256)[:_SEAL_BYTES]
