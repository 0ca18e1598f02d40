"""What bytes are recognised by when they come again."""

import hashlib
import io
from typing import BinaryIO

from clipwarden.media import etags
from clipwarden.media.store import Stored

_BUFFER = 128 * 1024


class Digesting(io.RawIOBase):
    """Passes a stream on, and digests what is read of it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._digest, self._md5 = hashlib.sha256(), etags.digest()

    def buffered(self) -> BinaryIO:
        """Return a stream of what this one passes on."""
        return io.BufferedReader(self, _BUFFER)

    def hexdigest(self) -> str:
        """Return the SHA-256 of all that was read so far."""
        return self._digest.hexdigest()

    def md5(self) -> str:
        """Return the MD5 of all that was read so far."""
        return self._md5.hexdigest()

    def readable(self) -> bool:
        """Return that it is."""
        return True

    def readinto(self, buffer: "bytearray | memoryview", /) -> int:  # type: ignore[override] # narrower, as io's own
        """Read from the stream."""
        data = self._stream.read(len(buffer))
        self._digest.update(data)
        self._md5.update(data)
        buffer[: len(data)] = data
        return len(data)


def fingerprint(stored: Stored, sha256: str | None) -> str | None:
    """Return the bytes' SHA-256 where it is known, else what names this very object; ``None`` where nothing does.

    An etag alone is no proof: it may be an MD5, for which other bytes are easily made, and an object may be replaced
    and put back while it is analysed. With the time at which it was stored, neither leads to the same fingerprint.
    """
    if sha256 is not None:
        return f"sha256:{sha256}"
    there = stored.location
    if there.version is not None:
        return _object(there.bucket, there.key, "version", there.version)
    if stored.modified is not None:
        return _object(there.bucket, there.key, "etag", stored.etag, stored.modified.isoformat())
    return None


def _object(*parts: str) -> str:
    """Digest the parts: keys are long, and an index entry must not be."""
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return f"object:{hashlib.sha256(text.encode()).hexdigest()}"
