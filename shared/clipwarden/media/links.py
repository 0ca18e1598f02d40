"""URLs that carry their own permission: signed, and only good for a while."""

import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import parse_qsl, quote, unquote, urlencode

from clipwarden.errors import ConfigurationError
from clipwarden.moderation import Location

_PREFIX: Final = "/media/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What a URL permits to read, and how that is to be answered."""

    location: Location
    download_name: str | None
    media_type: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartLink:
    """Which part of which upload a URL permits to store."""

    target: Location
    token: str
    number: int
    bytes: int


class Links:
    """Makes the URLs of the folder store, and tells the genuine ones."""

    def __init__(self, public_url: str, secret: bytes) -> None:
        self._base = public_url.rstrip("/")
        self._secret = secret

    def make(
        self, location: Location, *, expires: datetime, download_name: str | None = None, media_type: str | None = None
    ) -> str:
        """Return a URL for the object that is good until ``expires``; raises ConfigurationError without a secret."""
        query = {"expires": str(int(expires.timestamp()))}
        if download_name is not None:
            query["download_name"] = download_name
        if media_type is not None:
            query["media_type"] = media_type
        return self._url("GET", location, query)

    def make_part(self, target: Location, token: str, number: int, size: int, *, expires: datetime) -> str:
        """Return a URL for one part of just so many bytes, likewise."""
        query = {"upload": token, "number": str(number), "bytes": str(size), "expires": str(int(expires.timestamp()))}
        return self._url("PUT", target, query)

    def verify(self, path: str, query: str, now: datetime) -> Link | None:
        """Return what a request may read, ``None`` when the URL was not made here or is no longer good.

        ``path`` and ``query`` as they stand in the request, still percent-encoded. Takes as long for a signature that
        is nearly right as for any other.
        """
        found = self._genuine("GET", path, query, now)
        if found is None:
            return None
        location, fields = found
        return Link(location=location, download_name=fields.get("download_name"), media_type=fields.get("media_type"))

    def verify_part(self, path: str, query: str, now: datetime) -> PartLink | None:
        """Return what a request may store, likewise."""
        found = self._genuine("PUT", path, query, now)
        if found is None:
            return None
        target, fields = found
        return PartLink(target=target, token=fields["upload"], number=int(fields["number"]), bytes=int(fields["bytes"]))

    def _url(self, method: str, location: Location, query: dict[str, str]) -> str:
        signed = query | {"signature": self._signature(method, location, query)}
        return f"{self._base}{_PREFIX}{location.bucket}/{quote(location.key)}?{urlencode(signed)}"

    def _genuine(self, method: str, path: str, query: str, now: datetime) -> tuple[Location, dict[str, str]] | None:
        """Return what was signed here for this method, if it is still good: then the fields are as they were made."""
        try:
            bucket, key = unquote(path.removeprefix(_PREFIX), errors="strict").split("/", 1)
            pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=5)
            fields = dict(pairs)
            signature, expires = fields.pop("signature"), int(fields["expires"])
        except (ValueError, KeyError):
            return None
        location = Location(bucket=bucket, key=key)
        genuine = hmac.compare_digest(signature.encode(), self._signature(method, location, fields).encode())
        good = path.startswith(_PREFIX) and len(fields) + 1 == len(pairs) and now.timestamp() < expires
        return (location, fields) if genuine and good else None

    def _signature(self, method: str, location: Location, fields: dict[str, str]) -> str:
        if not self._secret:
            raise ConfigurationError("CLIPWARDEN_MEDIA__URL_SECRET is not set: URLs of media cannot be signed")
        signed = json.dumps([method, location.bucket, location.key, sorted(fields.items())]).encode()
        return hmac.new(self._secret, signed, hashlib.sha256).hexdigest()
