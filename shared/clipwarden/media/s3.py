"""Media in S3, or in a store that speaks its protocol."""

import contextlib
import io
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from http import HTTPStatus
from operator import attrgetter
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, cast
from urllib.parse import quote

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.response import StreamingBody

from clipwarden import aws_calls
from clipwarden.errors import MediaChanged, MediaNotFound
from clipwarden.media import names
from clipwarden.media.part import viewed
from clipwarden.media.ranged import Ranged
from clipwarden.media.s3_faults import faults, status
from clipwarden.media.s3_signing import Build, Signing
from clipwarden.media.store import Part, Stored, find, movable, ordered, require_number
from clipwarden.moderation import Location
from clipwarden.settings import MediaSettings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedMultipartUploadTypeDef, CopySourceTypeDef

_PART = 8 * 1024**2
#: Bytes up to which one call can copy an object: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
_LARGEST_SINGLE_COPY = 5 * 1024**3
#: Copied parts do not come through here, so they may be large.
_COPIED_PART = 256 * 1024**2
_BUFFER = 128 * 1024
#: Name of the metadata in which an object carries the mark of the upload that it was.
_MARK = "clipwarden-upload"


def build_client(settings: MediaSettings) -> "S3Client":
    """Return a client for the settings' endpoint and region; credentials are found as AWS's own tools find them."""
    return _client(settings.region, settings.endpoint_url, "path" if settings.endpoint_url else "auto")


def build_signing_client(settings: MediaSettings, region: str | None) -> "S3Client":
    """Return a client whose presigned URLs lead to where others reach S3, in this region or else the settings'.

    They name the region's own endpoint: the global one redirects, and what is redirected is refused.
    """
    endpoint = settings.public_endpoint_url or settings.endpoint_url
    return _client(region or settings.region, endpoint, "path" if endpoint else "virtual")


def _client(region: str | None, endpoint_url: str | None, addressing: Literal["auto", "path", "virtual"]) -> "S3Client":
    config = Config(
        connect_timeout=5,
        read_timeout=60,
        retries={"mode": "standard", "total_max_attempts": 4},
        signature_version="s3v4",  # Newer regions refuse presigned URLs of the older kind.
        max_pool_connections=32,
        # The present defaults send and expect checksums in a way that not every compatible store knows.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"addressing_style": addressing},
    )
    session = boto3.session.Session(region_name=region)
    return aws_calls.counted(session.client("s3", endpoint_url=endpoint_url, config=config))


class S3Store:
    """Keeps objects in S3's buckets; a version is honoured where a location pins one."""

    def __init__(
        self,
        client: "S3Client",
        *,
        signers: Build | None = None,
        single_copy: int = _LARGEST_SINGLE_COPY,
        copied_part: int = _COPIED_PART,
    ) -> None:
        """Copy objects of ``single_copy`` bytes or more in parts of ``copied_part`` bytes.

        ``signers`` builds the clients that sign URLs; without it the one client does.
        """
        self._client = client
        self._signing = Signing(signers or (lambda _: client), self.region)
        self._uploading = TransferConfig(multipart_threshold=_PART, multipart_chunksize=_PART, max_concurrency=4)
        self._copying = TransferConfig(multipart_threshold=single_copy, multipart_chunksize=copied_part)

    def put(self, location: Location, stream: BinaryIO, *, content_type: str | None = None) -> Stored:
        """Upload in parts of 8 MiB; S3 shows an object once it has all of them."""
        named = names.check(Location(bucket=location.bucket, key=location.key))
        extra = {"ContentType": content_type} if content_type else {}
        with faults("PutObject", named):
            self._client.upload_fileobj(
                cast("BinaryIO", _Unclosed(stream)), named.bucket, named.key, ExtraArgs=extra, Config=self._uploading
            )
        return self.head(named)

    def begin(self, target: Location, content_type: str | None = None) -> str:
        """Begin a multipart upload whose object will carry a mark by which it is known to be this upload's."""
        mark = secrets.token_hex(8)
        extra: dict[str, Any] = {"ContentType": content_type} if content_type else {}
        with faults("CreateMultipartUpload", target):
            answer = self._client.create_multipart_upload(**_named(target), Metadata={_MARK: mark}, **extra)
        return f"{mark}.{answer['UploadId']}"

    def put_part(self, target: Location, token: str, number: int, data: bytes | memoryview) -> str:
        """Upload the part in one request."""
        require_number(number)
        with faults("UploadPart", target):
            answer = self._client.upload_part(
                **_upload(target, token), PartNumber=number, Body=viewed(memoryview(data))
            )
        return answer["ETag"].strip('"')

    def parts(self, target: Location, token: str) -> list[Part]:
        """List the multipart upload's parts, a thousand in a request."""
        with faults("ListParts", target):
            pages = self._client.get_paginator("list_parts").paginate(**_upload(target, token))
            return [
                Part(number=one["PartNumber"], bytes=one["Size"], etag=one["ETag"].strip('"'))
                for page in pages
                for one in page.get("Parts", [])
            ]

    def part_urls(
        self, target: Location, token: str, sizes: Mapping[int, int], *, expires: timedelta
    ) -> dict[int, str]:
        """Presign uploads of the parts, their lengths included; S3 refuses any other length."""
        named, signed = _upload(target, token), self._signing.url
        return {
            number: signed(
                "upload_part",
                target,
                {**named, "PartNumber": require_number(number), "ContentLength": size},
                expires=expires,
            )
            for number, size in sizes.items()
        }

    def complete(self, target: Location, token: str, parts: Sequence[tuple[int, str]]) -> Stored:
        """Let S3 join the parts; where the upload is gone, look whether the object has its mark."""
        listed = [{"PartNumber": number, "ETag": _quoted(etag)} for number, etag in ordered(parts)]
        named, joined = _upload(target, token), cast("CompletedMultipartUploadTypeDef", {"Parts": listed})
        try:
            with faults("CompleteMultipartUpload", target):
                answer = self._client.complete_multipart_upload(**named, MultipartUpload=joined)
        except MediaNotFound:
            if self._mark(target) != token.partition(".")[0]:
                raise
            return self.head(target)
        return self.head(Location(bucket=target.bucket, key=target.key, version=_version(answer.get("VersionId"))))

    def discard(self, target: Location, token: str) -> None:
        """Abort the multipart upload; a part that is still under way may come after that and stay."""
        with contextlib.suppress(MediaNotFound), faults("AbortMultipartUpload", target):
            self._client.abort_multipart_upload(**_upload(target, token))

    def open(self, location: Location, *, start: int = 0, end: int | None = None) -> BinaryIO:
        """Get the bytes in one request."""
        if end is not None and end <= start:
            self.head(location)
            return io.BytesIO()
        wanted: dict[str, Any] = {} if (start, end) == (0, None) else {"Range": _range(start, end)}
        with faults("GetObject", location):
            try:
                answer = self._client.get_object(**_named(location), **wanted)
            except ClientError as exc:
                if status(exc) == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                    return io.BytesIO()
                raise
        return io.BufferedReader(_Body(answer["Body"], location), _BUFFER)

    def seekable(self, location: Location) -> BinaryIO:
        """Get blocks of 1 MiB as they are read, all of them from the object that there is now."""
        stored = self.head(location)

        def fetch(start: int, end: int) -> bytes:
            with faults("GetObject", location):
                answer = self._client.get_object(
                    **_named(location), Range=_range(start, end), IfMatch=_quoted(stored.etag)
                )
                return answer["Body"].read()

        return io.BufferedReader(Ranged(stored.bytes, fetch), _BUFFER)

    def head(self, location: Location) -> Stored:
        """Ask for size and etag."""
        with faults("HeadObject", location):
            answer = self._client.head_object(**_named(location))
        there = Location(bucket=location.bucket, key=location.key, version=_version(answer.get("VersionId")))
        return Stored(
            location=there,
            bytes=answer["ContentLength"],
            etag=answer["ETag"].strip('"'),
            modified=answer["LastModified"],
        )

    def exists(self, location: Location) -> bool:
        """Ask for the object's head."""
        return find(self, location) is not None

    def copy(self, source: Location, target: Location, *, etag: str | None) -> Stored:
        """Let S3 copy, in parts what is too large for one call; content type and metadata go along."""
        names.check(target)
        expected = {"CopySourceIfMatch": _quoted(etag)} if etag is not None else {}
        with faults("CopyObject", source):
            self._client.copy(
                cast("CopySourceTypeDef", _named(source)),
                target.bucket,
                target.key,
                ExtraArgs=expected,
                Config=self._copying,
            )
        return self.head(Location(bucket=target.bucket, key=target.key))

    def move(self, source: Location, target: Location, *, etag: str | None) -> Stored:
        """Copy, compare, and only then delete what was copied."""
        found = movable(self, source, target, etag=etag, identity=attrgetter("bytes"))
        if found is not None:
            # Another process with the same order may have been quicker: then the target is there.
            with contextlib.suppress(MediaNotFound):
                kept = self.copy(found.location, target, etag=found.etag)
                if kept.bytes != found.bytes:
                    raise MediaChanged(f"{source} stays: what is at {target} has another size")
                self._remove(found)
        return self.head(target)

    def delete(self, location: Location) -> None:
        """Delete the pinned version; without one, a versioned bucket hides the object and keeps its bytes."""
        with contextlib.suppress(MediaNotFound), faults("DeleteObject", location):
            self._client.delete_object(**_named(location))

    def purge(self, location: Location) -> None:
        """Delete the object, in a bucket that keeps versions all of them; needs ``s3:ListBucketVersions``."""
        for version in self._versions(location):
            self.delete(replace(location, version=version))

    def _versions(self, location: Location) -> list[str]:
        """Return the ids of an object's versions, and of the marks of its deletions; without versions, ``null``."""
        found = []
        with faults("ListObjectVersions", location), contextlib.suppress(MediaNotFound):
            names.check(location)
            pages = self._client.get_paginator("list_object_versions")
            for page in pages.paginate(Bucket=location.bucket, Prefix=location.key):
                each = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
                found += [one["VersionId"] for one in each if one["Key"] == location.key]
                # Names that go on after this one come after it.
                if any(one["Key"] != location.key for one in each):
                    break
        return found

    def url(
        self, location: Location, *, expires: timedelta, download_name: str | None = None, media_type: str | None = None
    ) -> str:
        """Return a presigned URL; S3 allows seven days at most."""
        parameters = _named(location)
        if download_name is not None:
            parameters["ResponseContentDisposition"] = f"attachment; filename*=UTF-8''{quote(download_name, safe='')}"
        if media_type is not None:
            parameters["ResponseContentType"] = media_type
        return self._signing.url("get_object", location, parameters, expires=expires)

    def region(self, bucket: str) -> str | None:
        """Ask for the bucket's head; a compatible store that names no region is where the client is."""
        with faults("HeadBucket", Location(bucket=bucket, key="")):
            return self._client.head_bucket(Bucket=bucket).get("BucketRegion") or self._client.meta.region_name

    def _mark(self, target: Location) -> str | None:
        with faults("HeadObject", target):
            return self._client.head_object(**_named(target))["Metadata"].get(_MARK)

    def _remove(self, copied: Stored) -> None:
        """Delete what was copied, unless it has been uploaded over: then what is there now is not ours.

        A version is hidden, not deleted: that would uncover the one before it.
        """
        current = Location(bucket=copied.location.bucket, key=copied.location.key)
        if find(self, current) == copied:
            with faults("DeleteObject", current):
                self._client.delete_object(Bucket=current.bucket, Key=current.key, IfMatch=_quoted(copied.etag))


class _Unclosed:
    """Lets boto3 read a stream, and neither seek in it nor close it."""

    def __init__(self, stream: BinaryIO) -> None:
        self.read = stream.read


class _Body(io.RawIOBase):
    """An answer's body whose failures are raised in the project's terms."""

    def __init__(self, body: StreamingBody, location: Location) -> None:
        self._body = body
        self._location = location

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "bytearray | memoryview", /) -> int:  # type: ignore[override] # narrower, as io's own
        with faults("GetObject", self._location):
            data = self._body.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._body.close()
        super().close()


def _named(location: Location) -> dict[str, Any]:
    names.check(location)
    pinned = {"VersionId": location.version} if location.version else {}
    return {"Bucket": location.bucket, "Key": location.key, **pinned}


def _upload(target: Location, token: str) -> dict[str, Any]:
    mark, _, upload = token.partition(".")
    if not (mark and upload):
        raise MediaNotFound(f"there is no such upload to {target}")
    return {**_named(target), "UploadId": upload}


def _version(told: str | None) -> str | None:
    return None if told == "null" else told  # So is called what was stored before the bucket kept any.


def _quoted(etag: str) -> str:
    return f'"{etag}"'


def _range(start: int, end: int | None) -> str:
    return f"bytes={start}-" if end is None else f"bytes={start}-{end - 1}"
