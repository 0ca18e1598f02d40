"""Both stores keep the same promises of uploads in parts."""

import contextlib
import hashlib
import io
import os
import threading
import time
import urllib.request
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO
from urllib.parse import parse_qs, urlsplit

import pytest

from clipwarden import errors
from clipwarden.media import etags
from clipwarden.media.folder import FolderStore
from clipwarden.media.opening import open_store
from clipwarden.media.partials import Partials
from clipwarden.media.s3 import S3Store, build_client, build_signing_client
from clipwarden.media.store import LAST_PART, LEAST_PART, MediaStore, Part
from clipwarden.moderation import Location
from clipwarden.settings import MediaSettings

FIRST, SECOND, LAST = os.urandom(LEAST_PART), os.urandom(LEAST_PART + 1), b"the end"

At = Callable[[str], Location]


@pytest.fixture(params=["folder", "s3"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> MediaSettings:
    if request.param == "folder":
        return MediaSettings.model_validate({"root": tmp_path / "media", "url_secret": "secret"})
    settings: MediaSettings = request.getfixturevalue("s3_settings")
    return settings


@pytest.fixture
def store(settings: MediaSettings) -> MediaStore:
    return open_store(settings)


@pytest.fixture
def at(settings: MediaSettings) -> At:
    return lambda key: Location(bucket=settings.bucket, key=key)


def _get(store: MediaStore, location: Location) -> bytes:
    with store.open(location) as stream:
        return stream.read()


def _send(store: MediaStore, target: Location, token: str, *parts: bytes) -> list[tuple[int, str]]:
    return [(number, store.put_part(target, token, number, data)) for number, data in enumerate(parts, 1)]


def test_parts_become_one_object_in_their_order_however_they_came(store: MediaStore, at: At) -> None:
    token = store.begin(at("a/b.mp4"), "video/mp4")
    last = store.put_part(at("a/b.mp4"), token, 3, LAST)
    second = store.put_part(at("a/b.mp4"), token, 2, SECOND)
    first = store.put_part(at("a/b.mp4"), token, 1, FIRST)
    assert not store.exists(at("a/b.mp4"))
    stored = store.complete(at("a/b.mp4"), token, [(3, last), (1, first), (2, second)])
    assert stored == store.head(at("a/b.mp4"))
    assert stored.bytes == len(FIRST + SECOND + LAST)
    assert _get(store, at("a/b.mp4")) == FIRST + SECOND + LAST


def test_an_upload_is_gone_on_with_by_another_process(settings: MediaSettings, at: At) -> None:
    token = open_store(settings).begin(at("a"))
    one = open_store(settings).put_part(at("a"), token, 1, FIRST)
    two = open_store(settings).put_part(at("a"), token, 2, LAST)
    open_store(settings).complete(at("a"), token, [(1, one), (2, two)])
    assert _get(open_store(settings), at("a")) == FIRST + LAST


def test_a_part_that_is_sent_again_replaces_the_one_of_its_number(store: MediaStore, at: At) -> None:
    token = store.begin(at("a"))
    assert store.put_part(at("a"), token, 1, FIRST) == store.put_part(at("a"), token, 1, FIRST)
    assert store.put_part(at("a"), token, 1, SECOND) != store.put_part(at("a"), token, 2, LAST)
    store.complete(at("a"), token, _send(store, at("a"), token, SECOND, LAST))
    assert _get(store, at("a")) == SECOND + LAST


def test_what_has_come_is_listed_by_number(store: MediaStore, at: At) -> None:
    token = store.begin(at("a"))
    assert store.parts(at("a"), token) == []
    last = store.put_part(at("a"), token, 3, LAST)
    first = store.put_part(at("a"), token, 1, SECOND)
    first = store.put_part(at("a"), token, 1, FIRST)
    listed = store.parts(at("a"), token)
    assert [(one.number, one.bytes, one.etag) for one in listed] == [
        (1, len(FIRST), first),
        (3, len(LAST), last),
    ]
    for name, given in (("b", token), ("a", "none")):
        with pytest.raises(errors.MediaNotFound):
            store.parts(at(name), given)
    store.complete(at("a"), token, [(one.number, one.etag) for one in listed])
    with pytest.raises(errors.MediaNotFound):
        store.parts(at("a"), token)


def test_parts_may_be_sent_at_once_by_many_threads(store: MediaStore, at: At) -> None:
    token = store.begin(at("a"))
    parts = [os.urandom(LEAST_PART) for _ in range(6)]

    def send(number: int) -> tuple[int, str]:
        return number, store.put_part(at("a"), token, number, parts[number - 1])

    with ThreadPoolExecutor(4) as pool:
        store.complete(at("a"), token, list(pool.map(send, range(1, 7))))
    assert hashlib.sha256(_get(store, at("a"))).digest() == hashlib.sha256(b"".join(parts)).digest()


def test_completing_again_returns_the_same_object(store: MediaStore, at: At) -> None:
    token = store.begin(at("a"))
    parts = _send(store, at("a"), token, FIRST, LAST)
    stored = store.complete(at("a"), token, parts)
    assert store.complete(at("a"), token, parts) == stored
    store.discard(at("a"), token)
    assert store.complete(at("a"), token, parts) == stored
    assert _get(store, at("a")) == FIRST + LAST


def test_completing_again_does_not_take_another_object_for_its_own(store: MediaStore, at: At) -> None:
    token = store.begin(at("a"))
    parts = _send(store, at("a"), token, FIRST, LAST)
    store.complete(at("a"), token, parts)
    store.put(at("a"), io.BytesIO(FIRST + b"the End"))
    with pytest.raises(errors.MediaNotFound):
        store.complete(at("a"), token, parts)
    assert _get(store, at("a")) == FIRST + b"the End"


def test_what_is_discarded_takes_no_parts_and_is_never_completed(store: MediaStore, at: At) -> None:
    token = store.begin(at("a"))
    parts = _send(store, at("a"), token, FIRST)
    for _ in range(2):
        store.discard(at("a"), token)
    with pytest.raises(errors.MediaNotFound):
        store.put_part(at("a"), token, 2, LAST)
    with pytest.raises(errors.MediaNotFound):
        store.complete(at("a"), token, parts)
    assert not store.exists(at("a"))


def test_a_token_is_only_good_for_its_target(store: MediaStore, at: At) -> None:
    token = store.begin(at("a"))
    with pytest.raises(errors.MediaNotFound):
        store.put_part(at("b"), token, 1, FIRST)
    store.discard(at("b"), token)
    store.complete(at("a"), token, _send(store, at("a"), token, FIRST))
    assert _get(store, at("a")) == FIRST


@pytest.mark.parametrize("token", ["", "none", "../../a", "a.b", "x" * 500, "\0", "\ud800"])
def test_a_token_that_was_never_given_is_good_for_nothing(store: MediaStore, at: At, token: str) -> None:
    with pytest.raises(errors.MediaNotFound):
        store.put_part(at("a"), token, 1, FIRST)
    with pytest.raises(errors.MediaNotFound):
        store.complete(at("a"), token, [(1, "etag")])
    store.discard(at("a"), token)


def test_a_part_that_is_missing_or_another_one_is_told_and_nothing_is_stored(store: MediaStore, at: At) -> None:
    token = store.begin(at("a"))
    [(_, etag)] = _send(store, at("a"), token, FIRST)
    for wrong in ([(1, etag), (2, etag)], [(1, f"{'0' * 32}-{len(FIRST)}")]):
        with pytest.raises(errors.MediaChanged):
            store.complete(at("a"), token, wrong)
    assert not store.exists(at("a"))
    assert store.complete(at("a"), token, [(1, etag)]).bytes == len(FIRST)


@pytest.mark.parametrize("number", [0, -1, LAST_PART + 1])
def test_a_number_that_no_part_can_have_is_refused(store: MediaStore, at: At, number: int) -> None:
    token = store.begin(at("a"))
    with pytest.raises(errors.SourceRefused):
        store.put_part(at("a"), token, number, FIRST)
    for parts in ([], [(number, "etag")], [(1, "a"), (1, "b")]):
        with pytest.raises(errors.SourceRefused):
            store.complete(at("a"), token, parts)


@pytest.mark.parametrize("key", ["", "a\0b", "x" * 1025])
def test_a_target_that_cannot_be_is_refused_from_the_beginning(store: MediaStore, at: At, key: str) -> None:
    with pytest.raises(errors.SourceRefused):
        store.begin(at(key))


def test_an_object_that_was_there_stays_until_the_upload_is_complete(store: MediaStore, at: At) -> None:
    store.put(at("a"), io.BytesIO(b"old"))
    token = store.begin(at("a"))
    parts = _send(store, at("a"), token, FIRST)
    assert _get(store, at("a")) == b"old"
    store.complete(at("a"), token, parts)
    assert _get(store, at("a")) == FIRST


@pytest.fixture
def folder(tmp_path: Path) -> MediaStore:
    return open_store(MediaSettings(root=tmp_path / "media"))


CLIP = Location(bucket="clips", key="a")


@pytest.mark.parametrize("step", ["put", "discard"])
def test_a_folder_store_that_dies_while_it_completes_is_gone_on_with(
    folder: MediaStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, step: str
) -> None:
    token = folder.begin(CLIP)
    parts = _send(folder, CLIP, token, FIRST, LAST)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(FolderStore, step, die)
        with pytest.raises(KeyboardInterrupt):
            folder.complete(CLIP, token, parts)
    assert folder.complete(CLIP, token, parts).bytes == len(FIRST + LAST)
    assert _get(folder, CLIP) == FIRST + LAST
    assert list((tmp_path / "media" / ".clipwarden" / "partial").iterdir()) == []


def test_of_two_that_complete_a_folders_upload_at_once_both_get_the_object(folder: MediaStore) -> None:
    token = folder.begin(CLIP)
    parts = _send(folder, CLIP, token, FIRST, SECOND, LAST)
    barrier = threading.Barrier(4)

    def complete(_: int) -> int:
        barrier.wait()
        return folder.complete(CLIP, token, parts).bytes

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(complete, range(4))) == {len(FIRST + SECOND + LAST)}


def test_a_part_whose_upload_goes_while_it_is_looked_at_is_read_and_leaves_no_file_open(
    folder: MediaStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    token = folder.begin(CLIP)
    parts = _send(folder, CLIP, token, FIRST)
    opened: list[BinaryIO] = []
    of = etags.of

    def of_what_goes(file: BinaryIO) -> str:
        opened.append(file)
        folder.discard(CLIP, token)
        return of(file)

    monkeypatch.setattr(etags, "of", of_what_goes)
    with Partials(tmp_path / "media" / ".clipwarden" / "partial").joined(CLIP, token, parts) as stream:
        assert stream.read() == FIRST
    assert [file.closed for file in opened] == [True]


def test_a_folders_parts_cannot_be_read_as_media_and_go_when_nobody_sends_more(
    folder: MediaStore, tmp_path: Path
) -> None:
    token = folder.begin(CLIP)
    _send(folder, CLIP, token, FIRST)
    [upload] = (tmp_path / "media" / ".clipwarden" / "partial").iterdir()
    for bucket, key in ((".clipwarden", f"partial/{upload.name}/00001"), ("clips", f"../.clipwarden/{upload.name}")):
        with pytest.raises(errors.SourceRefused):
            folder.open(Location(bucket=bucket, key=key))
    os.utime(upload, (time.time() - 15 * 24 * 3600,) * 2)
    folder.begin(Location(bucket="clips", key="b"))
    assert not upload.exists()


def test_s3s_versions_and_types_are_those_of_the_upload(s3_settings: MediaSettings) -> None:
    client = build_client(s3_settings)
    client.put_bucket_versioning(Bucket=s3_settings.bucket, VersioningConfiguration={"Status": "Enabled"})
    store, target = S3Store(client), Location(bucket=s3_settings.bucket, key="a")
    token = store.begin(target, "video/mp4")
    stored = store.complete(target, token, _send(store, target, token, FIRST, LAST))
    assert stored.location.version is not None
    assert _get(store, stored.location) == FIRST + LAST
    assert client.head_object(Bucket=target.bucket, Key="a")["ContentType"] == "video/mp4"


def test_a_part_that_s3_takes_for_too_small_is_refused(s3_settings: MediaSettings) -> None:
    store, target = S3Store(build_client(s3_settings)), Location(bucket=s3_settings.bucket, key="a")
    token = store.begin(target)
    with pytest.raises(errors.SourceRefused):
        store.complete(target, token, _send(store, target, token, b"small", LAST))


def _put(url: str, data: bytes) -> str:
    request = urllib.request.Request(url, data, {"Content-Type": "video/mp4"}, method="PUT")
    with urllib.request.urlopen(request) as answer:
        return str(answer.headers["ETag"]).strip('"')


def test_s3_takes_parts_at_urls_that_sign_their_lengths(s3_settings: MediaSettings) -> None:
    store, target = open_store(s3_settings), Location(bucket=s3_settings.bucket, key="a b")
    token = store.begin(target)
    sizes = {1: len(FIRST), 2: len(LAST)}
    urls = store.part_urls(target, token, sizes, expires=timedelta(hours=1))
    for url in urls.values():
        asked = parse_qs(urlsplit(url).query)
        assert asked["X-Amz-SignedHeaders"] == ["content-length;host"]
        assert (asked["X-Amz-Expires"], asked["X-Amz-Credential"][0].split("/")[2]) == (["3600"], "eu-west-1")
    etags = [(number, _put(urls[number], data)) for number, data in ((1, FIRST), (2, LAST))]
    assert [(one.number, one.etag) for one in store.parts(target, token)] == etags
    store.complete(target, token, etags)
    assert _get(store, target) == FIRST + LAST
    with pytest.raises(errors.SourceRefused):
        store.part_urls(target, token, {LAST_PART + 1: 1}, expires=timedelta(hours=1))


def test_urls_are_signed_for_their_buckets_region_and_lead_to_the_public_endpoint(s3_settings: MediaSettings) -> None:
    away = Location(bucket=f"away-{uuid.uuid4().hex}", key="a")
    build_client(s3_settings.model_copy(update={"region": "ap-south-1"})).create_bucket(
        Bucket=away.bucket, CreateBucketConfiguration={"LocationConstraint": "ap-south-1"}
    )
    store = open_store(s3_settings.model_copy(update={"public_endpoint_url": "https://media.test"}))
    at_home = Location(bucket=s3_settings.bucket, key="a")
    nowhere = Location(bucket=f"nowhere-{uuid.uuid4().hex}", key="a")
    for location, region in ((away, "ap-south-1"), (at_home, "eu-west-1"), (nowhere, "eu-west-1")):
        for url in (
            store.url(location, expires=timedelta(minutes=1)),
            *store.part_urls(location, "mark.upload", {1: 5}, expires=timedelta(minutes=1)).values(),
        ):
            assert url.startswith(f"https://media.test/{location.bucket}/a?")
            assert parse_qs(urlsplit(url).query)["X-Amz-Credential"][0].split("/")[2] == region


@pytest.mark.parametrize("region", ["eu-west-1", "us-east-1", "ap-south-1"])
def test_urls_of_aws_name_the_regions_own_endpoint(region: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    client = build_signing_client(MediaSettings(region="sa-east-1"), region)
    url = client.generate_presigned_url("get_object", Params={"Bucket": "clips", "Key": "a"})
    # The oldest region's own endpoint and the global one have the same name.
    assert urlsplit(url).netloc in {f"clips.s3.{region}.amazonaws.com", "clips.s3.amazonaws.com"}
    assert (".s3.amazonaws.com" in url) == (region == "us-east-1")


def test_a_part_that_comes_piece_by_piece_is_one_only_when_it_is_kept(tmp_path: Path) -> None:
    settings = MediaSettings.model_validate({"root": tmp_path / "media", "url_secret": "secret"})
    store = open_store(settings)
    assert isinstance(store, FolderStore)
    token = store.begin(CLIP)
    for keep in (False, True):
        with contextlib.closing(store.receive(CLIP, token, 1)) as draft:
            for piece in (FIRST, LAST):
                draft.write(piece)
            assert store.parts(CLIP, token) == []
            etag = draft.keep() if keep else ""
    assert store.parts(CLIP, token) == [Part(number=1, bytes=len(FIRST + LAST), etag=etag)]
    with contextlib.closing(store.receive(CLIP, token, 1)) as draft:
        draft.write(LAST)
        store.discard(CLIP, token)
        with pytest.raises(errors.MediaNotFound):
            draft.keep()
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "lock"]
    with pytest.raises(errors.MediaNotFound):
        store.receive(CLIP, token, 1)
