"""Both stores keep the same promises."""

import contextlib
import hashlib
import io
import threading
import urllib.request
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from clipwarden import errors
from clipwarden.media.folder import FolderStore
from clipwarden.media.opening import open_store
from clipwarden.media.s3 import S3Store, build_client
from clipwarden.media.store import MediaStore
from clipwarden.moderation import Location
from clipwarden.settings import MediaSettings

#: More than one part of an upload, and no whole number of blocks.
LARGE = bytes(range(256)) * 70_000 + b"end"

At = Callable[..., Location]


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
    def at(key: str, version: str | None = None) -> Location:
        return Location(bucket=settings.bucket, key=key, version=version)

    return at


def _put(store: MediaStore, location: Location, data: bytes = b"bytes") -> str:
    return store.put(location, io.BytesIO(data)).etag


def _get(store: MediaStore, location: Location) -> bytes:
    with store.open(location) as stream:
        return stream.read()


@pytest.mark.parametrize("data", [b"", b"small", LARGE], ids=["empty", "small", "several parts"])
def test_what_is_put_is_read_back_and_described(store: MediaStore, at: At, data: bytes) -> None:
    stream = io.BytesIO(data)
    stored = store.put(at("a/b.mp4"), stream, content_type="video/mp4")
    assert (stored.location, stored.bytes) == (at("a/b.mp4"), len(data))
    assert stored == store.head(at("a/b.mp4"))
    assert '"' not in stored.etag
    assert not stream.closed
    assert _get(store, at("a/b.mp4")) == data


def test_the_time_at_which_bytes_came_stays_until_others_come(store: MediaStore, at: At) -> None:
    put = store.put(at("a/clip.mp4"), io.BytesIO(b"bytes"))
    assert put.modified is not None
    assert put.modified.tzinfo is not None
    assert store.head(at("a/clip.mp4")) == put


def test_putting_again_replaces_the_bytes_and_changes_the_etag(store: MediaStore, at: At) -> None:
    assert _put(store, at("a"), b"one") != _put(store, at("a"), b"two")
    assert _get(store, at("a")) == b"two"


@pytest.mark.parametrize("before", [10, 9 * 1024**2], ids=["at once", "in the second part"])
def test_a_stream_that_fails_leaves_what_was_there_and_its_own_exception(
    store: MediaStore, at: At, before: int
) -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if not (data := super().read(size)):
                raise errors.MediaRefused("no more", reason="too_large")
            return data

    _put(store, at("a"), b"old")
    with pytest.raises(errors.MediaRefused, match="no more"):
        store.put(at("a"), Failing(bytes(before)))
    assert _get(store, at("a")) == b"old"


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (0, None, b"0123456789"),
        (3, None, b"3456789"),
        (0, 4, b"0123"),
        (3, 4, b"3"),
        (8, 99, b"89"),
        (4, 4, b""),
        (5, 4, b""),
        (10, None, b""),
        (11, 12, b""),
    ],
)
def test_a_part_is_what_a_slice_would_be(
    store: MediaStore, at: At, start: int, end: int | None, expected: bytes
) -> None:
    _put(store, at("a"), b"0123456789")
    with store.open(at("a"), start=start, end=end) as stream:
        assert stream.read() == expected


def test_a_seekable_view_reads_anywhere(store: MediaStore, at: At) -> None:
    _put(store, at("a"), LARGE)
    with store.seekable(at("a")) as view:
        assert view.seek(-3, io.SEEK_END) == len(LARGE) - 3
        assert view.read() == b"end"
        for offset in (0, 1024**2 - 5, 5 * 1024**2):
            view.seek(offset)
            assert view.read(1000) == LARGE[offset : offset + 1000]
        view.seek(0)
        assert hashlib.sha256(view.read()).digest() == hashlib.sha256(LARGE).digest()


@pytest.mark.parametrize("missing", ["there/is/none.mp4", "a/below-a-file"])
def test_what_is_not_there_is_not_found(store: MediaStore, at: At, missing: str) -> None:
    _put(store, at("a"))
    assert not store.exists(at(missing))
    for ask in (store.head, store.open, store.seekable, lambda location: store.copy(location, at("b"), etag=None)):
        with pytest.raises(errors.MediaNotFound):
            ask(at(missing))


def test_a_missing_bucket_and_a_missing_version_are_not_found(store: MediaStore, at: At) -> None:
    _put(store, at("a"))
    with pytest.raises(errors.MediaNotFound):
        store.head(Location(bucket="no-such-bucket", key="a"))
    with pytest.raises((errors.MediaNotFound, errors.SourceRefused)):
        store.head(at("a", version="none"))


def test_deleting_can_be_repeated(store: MediaStore, at: At) -> None:
    _put(store, at("a"))
    store.delete(at("a"))
    store.delete(at("a"))
    assert not store.exists(at("a"))


def test_a_copy_leaves_the_source(store: MediaStore, at: At) -> None:
    etag = _put(store, at("a"))
    assert store.copy(at("a"), at("b/c"), etag=etag).bytes == 5
    assert _get(store, at("a")) == _get(store, at("b/c")) == b"bytes"
    with pytest.raises(errors.MediaChanged):
        store.copy(at("a"), at("d"), etag="another")
    assert not store.exists(at("d"))


def test_a_move_there_and_back_brings_back_the_identical_bytes(store: MediaStore, at: At) -> None:
    etag = _put(store, at("in/a.mp4"), LARGE)
    away = store.move(at("in/a.mp4"), at("quarantine/1/2"), etag=etag)
    assert (away.location, away.bytes) == (at("quarantine/1/2"), len(LARGE))
    assert not store.exists(at("in/a.mp4"))
    store.move(at("quarantine/1/2"), at("in/a.mp4"), etag=None)
    assert _get(store, at("in/a.mp4")) == LARGE
    assert not store.exists(at("quarantine/1/2"))


def test_a_finished_move_can_be_repeated(store: MediaStore, at: At) -> None:
    etag = _put(store, at("a"))
    assert store.move(at("a"), at("b"), etag=etag) == store.move(at("a"), at("b"), etag=etag)


def test_a_move_of_nothing_is_not_found(store: MediaStore, at: At) -> None:
    with pytest.raises(errors.MediaNotFound):
        store.move(at("a"), at("b"), etag=None)


def test_a_move_to_where_it_is_keeps_the_object(store: MediaStore, at: At) -> None:
    store.move(at("a"), at("a"), etag=_put(store, at("a")))
    assert _get(store, at("a")) == b"bytes"


def test_bytes_that_were_uploaded_meanwhile_are_not_moved(store: MediaStore, at: At) -> None:
    etag = _put(store, at("a"), b"moderated")
    _put(store, at("a"), b"uploaded since")
    with pytest.raises(errors.MediaChanged):
        store.move(at("a"), at("b"), etag=etag)
    assert _get(store, at("a")) == b"uploaded since"
    assert not store.exists(at("b"))


def test_other_bytes_at_the_target_are_not_overwritten_by_a_move(store: MediaStore, at: At) -> None:
    _put(store, at("kept"), b"rejected")
    _put(store, at("a"), b"uploaded since then")
    with pytest.raises(errors.MediaChanged):
        store.move(at("kept"), at("a"), etag=None)
    assert (_get(store, at("kept")), _get(store, at("a"))) == (b"rejected", b"uploaded since then")


def test_two_moves_at_once_both_end_right(store: MediaStore, at: At) -> None:
    etag = _put(store, at("a"), LARGE)
    failures: list[BaseException] = []

    def move() -> None:
        try:
            store.move(at("a"), at("b"), etag=etag)
        except errors.ClipwardenError as exc:
            failures.append(exc)

    threads = [threading.Thread(target=move) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert _get(store, at("b")) == LARGE
    assert not store.exists(at("a"))


@pytest.mark.parametrize("key", ["a b+c&d=e%20f?g#h.mp4", "ä/日本/🎬.mp4", "~'(!)*;:@,$.mp4"])
def test_unusual_keys_are_taken_literally(store: MediaStore, at: At, key: str) -> None:
    etag = _put(store, at(key))
    store.move(at(key), at(f"moved/{key}"), etag=etag)
    assert _get(store, at(f"moved/{key}")) == b"bytes"


@pytest.mark.parametrize("key", ["", "a\0b", "a\nb", "\ud800", "x" * 1025])
def test_what_no_store_could_name_is_refused(store: MediaStore, at: At, key: str) -> None:
    for ask in (store.head, store.open, store.delete, lambda location: _put(store, location)):
        with pytest.raises(errors.SourceRefused):
            ask(at(key))


def test_a_url_is_given_for_what_need_not_exist_yet(store: MediaStore, at: At) -> None:
    url = store.url(at("ä b.mp4"), expires=timedelta(minutes=5), download_name='a "b".mp4')
    assert url.startswith("http://127.0.0.1:")
    assert url.isascii()
    assert " " not in url


def test_s3_keeps_content_type_through_a_copy_in_parts(s3_settings: MediaSettings) -> None:
    client = build_client(s3_settings)
    store = S3Store(client, single_copy=6 * 1024**2, copied_part=5 * 1024**2)
    source = Location(bucket=s3_settings.bucket, key="a")
    target = Location(bucket=s3_settings.bucket, key="b")
    etag = store.put(source, io.BytesIO(LARGE), content_type="video/mp4").etag
    moved = store.move(source, target, etag=etag)
    assert moved.etag.endswith("-4"), "copied in four parts"
    assert client.head_object(Bucket=target.bucket, Key=target.key)["ContentType"] == "video/mp4"
    assert _get(store, target) == LARGE


def test_a_move_that_died_between_copy_and_deletion_is_ended_by_repeating_it(
    s3_settings: MediaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = S3Store(build_client(s3_settings))
    source = Location(bucket=s3_settings.bucket, key="a")
    target = Location(bucket=s3_settings.bucket, key="b")
    etag = _put(store, source, b"moderated")
    with monkeypatch.context() as patched, contextlib.suppress(KeyboardInterrupt):
        patched.setattr(S3Store, "_remove", _die)
        store.move(source, target, etag=etag)
    assert store.exists(source)
    assert store.exists(target)
    assert store.move(source, target, etag=etag).bytes == 9
    assert not store.exists(source)
    assert _get(store, target) == b"moderated"


def _die(*_: object) -> None:
    raise KeyboardInterrupt


def test_what_is_uploaded_between_copy_and_deletion_is_not_deleted(
    s3_settings: MediaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = S3Store(build_client(s3_settings))
    source = Location(bucket=s3_settings.bucket, key="a")
    target = Location(bucket=s3_settings.bucket, key="b")
    etag = _put(store, source, b"moderated")
    remove = S3Store._remove

    def uploaded_first(self: S3Store, copied: Any) -> None:
        _put(store, source, b"uploaded")
        remove(self, copied)

    monkeypatch.setattr(S3Store, "_remove", uploaded_first)
    store.move(source, target, etag=etag)
    assert (_get(store, source), _get(store, target)) == (b"uploaded", b"moderated")


def test_a_versioned_bucket_pins_what_is_moderated_and_uncovers_nothing_when_it_goes(
    s3_settings: MediaSettings,
) -> None:
    client = build_client(s3_settings)
    client.put_bucket_versioning(Bucket=s3_settings.bucket, VersioningConfiguration={"Status": "Enabled"})
    store = S3Store(client)
    name = Location(bucket=s3_settings.bucket, key="a")
    first = store.put(name, io.BytesIO(b"first"))
    second = store.put(name, io.BytesIO(b"second"))
    assert first.location.version != second.location.version
    assert _get(store, first.location) == b"first"
    target = Location(bucket=s3_settings.bucket, key="b")
    for _ in range(2):  # A repetition finds the hidden version, and ends the same.
        assert store.move(second.location, target, etag=second.etag).bytes == 6
    assert not store.exists(name)
    assert _get(store, target) == b"second"


def test_an_object_that_is_replaced_while_it_is_read_here_and_there_is_told_as_changed(
    s3_settings: MediaSettings,
) -> None:
    store = S3Store(build_client(s3_settings))
    source = Location(bucket=s3_settings.bucket, key="a")
    _put(store, source, LARGE)
    with store.seekable(source) as view:
        view.read(10)
        _put(store, source, LARGE[::-1])
        view.seek(10 * 1024**2)
        with pytest.raises(errors.MediaChanged):
            view.read(10)


def test_a_presigned_url_is_read_by_anybody_and_names_the_download(s3_settings: MediaSettings) -> None:
    store = S3Store(build_client(s3_settings))
    source = Location(bucket=s3_settings.bucket, key="ä b.mp4")
    _put(store, source)
    with urllib.request.urlopen(store.url(source, expires=timedelta(minutes=1), download_name="c d.mp4")) as answer:
        assert answer.read() == b"bytes"
        assert "c%20d.mp4" in answer.headers["Content-Disposition"]


def test_the_region_of_a_bucket_is_told(s3_settings: MediaSettings, tmp_path: Path) -> None:
    assert open_store(s3_settings).region(s3_settings.bucket) == "eu-west-1"
    assert open_store(MediaSettings(root=tmp_path)).region("any") is None
    with pytest.raises(errors.MediaNotFound):
        open_store(s3_settings).region("no-such-bucket")


def test_an_s3_that_is_away_is_unavailable(s3_settings: MediaSettings) -> None:
    away = s3_settings.model_copy(update={"endpoint_url": "http://127.0.0.1:9"})
    store = S3Store(build_client(away))
    with pytest.raises(errors.MediaUnavailable) as caught:
        store.head(Location(bucket=s3_settings.bucket, key="a"))
    assert isinstance(caught.value.__cause__, EndpointConnectionError)


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("AccessDenied", 403, errors.ConfigurationError),
        ("403", 403, errors.ConfigurationError),
        ("NotImplemented", 501, errors.ConfigurationError),
        ("PermanentRedirect", 301, errors.ConfigurationError),
        ("SlowDown", 503, errors.MediaUnavailable),
        ("InternalError", 500, errors.MediaUnavailable),
        ("TooManyRequests", 429, errors.MediaUnavailable),
        ("RequestTimeout", 400, errors.MediaUnavailable),
        ("NoSuchBucket", 404, errors.MediaNotFound),
        ("NoSuchVersion", 404, errors.MediaNotFound),
        ("PreconditionFailed", 412, errors.MediaChanged),
        ("InvalidObjectState", 403, errors.SourceRefused),
    ],
)
def test_what_s3_answers_is_told_in_our_terms_without_its_message(
    s3_settings: MediaSettings, code: str, status: int, expected: type[errors.ClipwardenError]
) -> None:
    client = build_client(s3_settings)
    answer: Any = {
        "Error": {"Code": code, "Message": "arn:aws:iam::123456789012:role/secret"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }

    def fail(**_: object) -> None:
        raise ClientError(answer, "HeadObject")

    client.meta.events.register("before-call.s3.HeadObject", fail)
    with pytest.raises(expected) as caught:
        S3Store(client).head(Location(bucket=s3_settings.bucket, key="a"))
    assert s3_settings.bucket in str(caught.value)
    assert "123456789012" not in str(caught.value)


def test_a_store_without_credentials_says_so(s3_settings: MediaSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    with pytest.raises(errors.ConfigurationError, match="NoCredentials"):
        open_store(s3_settings).head(Location(bucket=s3_settings.bucket, key="a"))


def test_the_settings_choose_the_store(s3_settings: MediaSettings, tmp_path: Path) -> None:
    assert isinstance(open_store(s3_settings), S3Store)
    assert isinstance(open_store(MediaSettings(root=tmp_path)), FolderStore)


def test_nothing_is_left_of_what_is_purged(store: MediaStore, at: At) -> None:
    gone, beside = at("of/greta/clip"), at("of/greta/clip.mp4")
    for location in (gone, beside):
        _put(store, location, b"bytes")
    store.purge(gone)
    assert not store.exists(gone)
    assert store.exists(beside)
    for _ in range(2):  # To be repeated at will.
        store.purge(beside)
    assert not store.exists(beside)


def test_a_folder_keeps_no_name_of_what_is_purged(tmp_path: Path) -> None:
    store = open_store(MediaSettings.model_validate({"root": tmp_path, "url_secret": "secret"}))
    for key in ("of/greta/clip", "of/clip"):
        _put(store, Location(bucket="clips", key=key), b"bytes")
    store.purge(Location(bucket="clips", key="of/greta/clip"))
    left = {str(path.relative_to(tmp_path / "clips")) for path in (tmp_path / "clips").rglob("*")}
    assert left == {"of", "of/clip"}


def test_a_bucket_keeps_no_version_of_what_is_purged(s3_settings: MediaSettings) -> None:
    client = build_client(s3_settings)
    client.put_bucket_versioning(Bucket=s3_settings.bucket, VersioningConfiguration={"Status": "Enabled"})
    store, location = S3Store(client), Location(bucket=s3_settings.bucket, key="clip")
    for content in (b"one", b"two"):
        _put(store, location, content)
    store.delete(location)
    _put(store, Location(bucket=s3_settings.bucket, key="clip2"), b"another")
    store.purge(location)
    left = client.list_object_versions(Bucket=s3_settings.bucket)
    assert [one["Key"] for one in left.get("Versions", [])] == ["clip2"]
    assert left.get("DeleteMarkers", []) == []
