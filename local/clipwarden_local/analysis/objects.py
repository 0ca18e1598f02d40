"""Where the bytes of a video come from: folders, or S3."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from clipwarden_local.analysis.analyser import StoredVideo
from clipwarden_local.aws import aws_client

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_CHUNK = 1 << 20


class ObjectMissing(Exception):
    """Raised when an object, or its bucket, is not there for this region."""


class ObjectTooLarge(Exception):
    """Raised when an object has grown beyond the cap since it was accepted."""


class Objects(Protocol):
    """A store from which videos are read."""

    def find(self, bucket: str, key: str, version: str | None, region: str) -> StoredVideo:
        """Return what is known of an object; raises ObjectMissing."""
        ...

    def read(self, video: StoredVideo, *, suffix: str) -> bytes | None:
        """Return the small object whose key is the video's with ``suffix`` appended, if there is one."""
        ...

    def fetch(self, video: StoredVideo, target: Path, *, max_bytes: int) -> None:
        """Write the object's bytes to ``target``; raises ObjectMissing and ObjectTooLarge."""
        ...


class FolderObjects:
    """Objects in a folder with a sub-folder per bucket, as the folder store keeps them."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()

    def find(self, bucket: str, key: str, version: str | None, region: str) -> StoredVideo:
        """Return what is known of a file below the bucket's folder."""
        size = self._path(bucket, key).stat().st_size
        return StoredVideo(bucket=bucket, key=key, version=version, region=region, size=size)

    def read(self, video: StoredVideo, *, suffix: str) -> bytes | None:
        """Return the content of the file beside the video's."""
        try:
            return self._path(video.bucket, video.key + suffix).read_bytes()
        except ObjectMissing:
            return None

    def fetch(self, video: StoredVideo, target: Path, *, max_bytes: int) -> None:
        """Link the file where that is possible, else copy it: a link outlives a move of the original."""
        source = self._path(video.bucket, video.key)
        if source.stat().st_size > max_bytes:
            raise ObjectTooLarge(video.key)
        try:
            os.link(source, target)
        except OSError:
            shutil.copyfile(source, target)

    def _path(self, bucket: str, key: str) -> Path:
        try:
            home = (self._root / bucket).resolve()
            path = (home / key).resolve()
            inside = home.parent == self._root and path.is_relative_to(home) and path.is_file()
        except (OSError, ValueError) as error:
            raise ObjectMissing(f"{bucket}/{key}") from error
        if not inside:
            raise ObjectMissing(f"{bucket}/{key}")
        return path


class S3Objects:
    """Objects in S3, or in a store that speaks its protocol."""

    def __init__(self, endpoint_url: str) -> None:
        self._endpoint_url = endpoint_url
        self._lock = Lock()
        self._clients: dict[str, S3Client] = {}
        self._regions: dict[str, str | None] = {}

    def find(self, bucket: str, key: str, version: str | None, region: str) -> StoredVideo:
        """Return what S3 says of the object; a bucket of another region counts as missing, as in Rekognition."""
        client = self._client(region)
        try:
            if self._region_of(client, bucket) not in (None, region):
                raise ObjectMissing(f"{bucket} is in another region")
            head = client.head_object(Bucket=bucket, Key=key, **_pin(version))
        except (ClientError, BotoCoreError) as error:
            raise ObjectMissing(f"{bucket}/{key}") from error
        size = head["ContentLength"]
        return StoredVideo(
            bucket=bucket, key=key, version=version, region=region, size=size, metadata=head.get("Metadata", {})
        )

    def read(self, video: StoredVideo, *, suffix: str) -> bytes | None:
        """Return the object beside the video's."""
        try:
            return self._client(video.region).get_object(Bucket=video.bucket, Key=video.key + suffix)["Body"].read()
        except (ClientError, BotoCoreError):
            return None

    def fetch(self, video: StoredVideo, target: Path, *, max_bytes: int) -> None:
        """Download the object in pieces, up to the cap."""
        client = self._client(video.region)
        try:
            body = client.get_object(Bucket=video.bucket, Key=video.key, **_pin(video.version))["Body"]
            with target.open("wb") as file:
                for piece in body.iter_chunks(_CHUNK):
                    file.write(piece)
                    if file.tell() > max_bytes:
                        raise ObjectTooLarge(video.key)
        except (ClientError, BotoCoreError) as error:
            raise ObjectMissing(f"{video.bucket}/{video.key}") from error

    def _client(self, region: str) -> "S3Client":
        with self._lock:
            if region not in self._clients:
                self._clients[region] = aws_client("s3", endpoint_url=self._endpoint_url, region=region)
            return self._clients[region]

    def _region_of(self, client: "S3Client", bucket: str) -> str | None:
        if bucket not in self._regions:
            self._regions[bucket] = client.head_bucket(Bucket=bucket).get("BucketRegion")
        return self._regions[bucket]


def open_objects(place: str) -> Objects:
    """Return the store at a folder's path or, as ``s3://http://HOST:PORT``, at an S3 endpoint."""
    if place.startswith("s3://"):
        address = place.removeprefix("s3://")
        return S3Objects(address if "://" in address else f"http://{address}")
    return FolderObjects(Path(place))


def _pin(version: str | None) -> Mapping[str, Any]:
    return {"VersionId": version} if version else {}
