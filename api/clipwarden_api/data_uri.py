"""Files that come as text: ``data:video/mp4;base64,…``."""

import base64
import binascii

from clipwarden.errors import MediaRefused, RequestRefused

#: Bytes within which the comma comes.
LONGEST_HEAD = 1024
PREFIX = b"data:"
_NEWLINES = b"\r\n"


class DataUri:
    """Decodes a data URI's bytes as they come."""

    def __init__(self, head: bytes, most: int) -> None:
        """Take what comes before the comma; raises RequestRefused unless base64 follows, of up to ``most`` bytes."""
        kind, *parameters = head[len(PREFIX) :].decode("ascii", "replace").split(";")
        if not parameters or parameters[-1].strip().lower() != "base64":
            raise RequestRefused("a data URI holds base64")
        self.content_type = kind.strip().lower() or None
        self._most = self._left = most
        self._rest = b""
        self._padded = False

    def feed(self, data: bytes | bytearray) -> bytes:
        """Return what the next bytes hold; raises MediaRefused past the limit, RequestRefused for other text."""
        self._left -= len(data)
        if self._left < 0:
            raise MediaRefused(f"File size too large. Maximum of a data URI is {self._most}.", reason="too_large")
        text = self._rest + data.translate(None, _NEWLINES)
        whole = len(text) // 4 * 4
        self._rest = text[whole:]
        if whole and self._padded:
            raise RequestRefused("a data URI goes on after its end")
        self._padded = text[:whole].endswith(b"=") or self._padded
        return _decoded(text[:whole])

    def finish(self) -> bytes:
        """Return what is left; padding may be missing at the end."""
        if self._rest and self._padded:
            raise RequestRefused("a data URI goes on after its end")
        return _decoded(self._rest + b"=" * (-len(self._rest) % 4))


def _decoded(text: bytes) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as exc:
        raise RequestRefused("a data URI is not base64") from exc
