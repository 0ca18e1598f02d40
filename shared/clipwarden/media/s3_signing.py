"""URLs of S3's that carry their own permission: signed for their bucket's region, and for where others reach it."""

import contextlib
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from clipwarden.errors import ConfigurationError, MediaNotFound
from clipwarden.media.s3_faults import faults
from clipwarden.moderation import Location

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

#: Given a region, or none for the settings', returns a client that signs there.
Build = Callable[[str | None], "S3Client"]


class Signing:
    """Signs URLs; S3 refuses one that was signed for another region than its bucket's.

    A bucket's region is asked for once; where that is not permitted, it is taken to be the settings'.
    """

    def __init__(self, build: Build, region: Callable[[str], str | None]) -> None:
        self._build, self._region = build, region
        self._regions: dict[str, str | None] = {}
        self._clients: dict[str | None, S3Client] = {}

    def url(self, operation: str, location: Location, parameters: dict[str, Any], *, expires: timedelta) -> str:
        """Return a URL for one call of an S3 operation, named as boto3 does; S3 allows seven days at most."""
        with faults(operation, location):
            return self._client(location.bucket).generate_presigned_url(
                operation, Params=parameters, ExpiresIn=int(expires.total_seconds())
            )

    def _client(self, bucket: str) -> "S3Client":
        if bucket not in self._regions:
            self._regions[bucket] = self._home(bucket)
        region = self._regions[bucket]
        if region not in self._clients:
            self._clients[region] = self._build(region)
        return self._clients[region]

    def _home(self, bucket: str) -> str | None:
        with contextlib.suppress(ConfigurationError, MediaNotFound):
            return self._region(bucket)
        return None
