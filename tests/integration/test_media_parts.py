"""Both stores keep the same promises of uploads in parts."""

import hashlib
import io
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import pytest

from clipwarden import errors
from clipwarden.media import etags
from clipwarden.media.folder import FolderStore
from clipwarden.media.opening import open_store
from clipwarden.media.partials import Partials
from clipwarden.media.s3 import S3Store, build_client
from clipwarden.media.store import LAST_PART, LEAST_PART, MediaStore
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
