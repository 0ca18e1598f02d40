"""Secrets at rest: sealed with the newest of some keys, opened with whichever fits, so that keys can be replaced."""

import contextlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from clipwarden import errors

#: What a sealed text begins with; one without it was stored before there were keys.
_MARK = "sealed:"


def new_key() -> str:
    """Return a key that nobody else has."""
    return Fernet.generate_key().decode()


def key_beside(database: Path) -> str:
    """Return the key in the file beside a SQLite database, which only its owner may read; it is made if need be."""
    place = database.with_name(f"{database.name}.key")
    with contextlib.suppress(FileNotFoundError):
        return place.read_text().strip()
    with tempfile.NamedTemporaryFile("w", dir=place.parent, prefix=".key-") as made:
        made.write(new_key())
        made.flush()
        os.fsync(made.fileno())
        # Of several processes that do this at once, one wins, with a key that is whole.
        with contextlib.suppress(FileExistsError):
            os.link(made.name, place)
    return place.read_text().strip()


class Seal:
    """Closes and opens texts with keys, the first of which closes; without keys it leaves them as they are."""

    def __init__(self, keys: Sequence[str], *, beside: Path | None = None) -> None:
        """Take the key beside a SQLite database where none is given; raises ConfigurationError for what is no key."""
        self._keys = _fernet(keys) if keys else None
        self._beside = beside

    def close(self, secret: str) -> str:
        """Return the sealed text; it is another one each time."""
        keys = self._found()
        return secret if keys is None else _MARK + keys.encrypt(secret.encode()).decode()

    def open(self, text: str) -> str:
        """Return the secret; raises ConfigurationError where no key opens it."""
        if not text.startswith(_MARK):
            return text
        try:
            return (self._found() or _fernet([new_key()])).decrypt(text.removeprefix(_MARK)).decode()
        except InvalidToken:
            raise errors.ConfigurationError(
                "a secret in the database was sealed with a key that CLIPWARDEN_DATABASE__SECRET_KEYS lacks"
            ) from None

    def _found(self) -> MultiFernet | None:
        # Made with the first secret, not before: most commands that open a database seal nothing.
        if self._keys is None and self._beside is not None:
            self._keys = _fernet([key_beside(self._beside)])
        return self._keys


def _fernet(keys: Sequence[str]) -> MultiFernet:
    try:
        return MultiFernet([Fernet(key) for key in keys])
    except ValueError:
        raise errors.ConfigurationError(
            "CLIPWARDEN_DATABASE__SECRET_KEYS holds a key that is none: 32 bytes in URL-safe base64 are needed"
        ) from None
