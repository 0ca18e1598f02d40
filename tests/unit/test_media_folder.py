"""The folder store stays within its folder, and its etags are those of the bytes."""

import hashlib
import io
import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipwarden import errors
from clipwarden.media import etags, names
from clipwarden.media.folder import FolderStore
from clipwarden.media.links import Links
from clipwarden.moderation import Location

LINKS = Links("http://media.test", b"secret")


def _at(key: str, bucket: str = "clips") -> Location:
    return Location(bucket=bucket, key=key)


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "root", LINKS)


def _put(store: FolderStore, key: str, data: bytes = b"bytes") -> str:
    return store.put(_at(key), io.BytesIO(data)).etag


TRAVERSALS = [
    "..",
    ".",
    "../other/a",
    "a/../../b",
    "a/..",
    "./a",
    "a//b",
    "/etc/passwd",
    "a/",
    "/",
    "a\0b",
    "a/\x1fb",
    "a\x7f",
    "\ud800",
    "x" * 256,
    "é" * 128,
    "a/" * 512 + "b",
    "",
]


@pytest.mark.parametrize("key", TRAVERSALS)
def test_a_key_that_leads_out_or_cannot_be_a_path_is_refused_by_every_method(store: FolderStore, key: str) -> None:
    _put(store, "kept")
    calls = (
        store.head,
        store.open,
        store.seekable,
        store.exists,
        store.delete,
        lambda location: store.put(location, io.BytesIO(b"x")),
        lambda location: store.copy(_at("kept"), location, etag=None),
        lambda location: store.move(_at("kept"), location, etag=None),
        lambda location: store.move(location, _at("b"), etag=None),
    )
    for call in calls:
        with pytest.raises(errors.SourceRefused):
            call(_at(key))
    assert store.exists(_at("kept"))


@pytest.mark.parametrize("bucket", ["..", ".", "", "a", ".clipwarden", "a/b", "../x", "a\0bc", "-ab", "x" * 256])
def test_a_bucket_that_is_no_plain_folder_name_is_refused(store: FolderStore, bucket: str) -> None:
    with pytest.raises(errors.SourceRefused):
        store.put(_at("a", bucket), io.BytesIO(b"x"))


def test_links_that_lead_out_of_the_bucket_are_refused(store: FolderStore, tmp_path: Path) -> None:
    _put(store, "a")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    home = tmp_path / "root" / "clips"
    (home / "folder").symlink_to(outside)
    (home / "file").symlink_to(outside / "secret")
    (home / "other").symlink_to(tmp_path / "root")
    (home / "loop").symlink_to(home / "loop")
    (tmp_path / "root" / "linked").symlink_to(outside)
    for location in (
        _at("folder/secret"),
        _at("file"),
        _at("other/.clipwarden/lock"),
        _at("folder/new"),
        _at("secret", "linked"),
    ):
        with pytest.raises(errors.SourceRefused):
            store.exists(location)
        with pytest.raises(errors.SourceRefused):
            store.put(location, io.BytesIO(b"x"))
    with pytest.raises((errors.SourceRefused, errors.MediaNotFound)):
        store.head(_at("loop"))
    assert sorted(path.name for path in outside.iterdir()) == ["secret"]


@given(key=st.text(max_size=60) | st.lists(st.sampled_from(["..", ".", "", "a", "b c", "é"]), max_size=6).map("/".join))
def test_any_key_is_either_refused_or_a_path_below_the_bucket(key: str) -> None:
    try:
        parts = names.segments(_at(key))
    except errors.SourceRefused:
        return
    path = Path(os.path.normpath(Path("/root/clips").joinpath(*parts)))
    assert path.is_relative_to("/root/clips")
    assert str(path) == f"/root/clips/{key}"


def test_folders_and_devices_are_no_objects(store: FolderStore, tmp_path: Path) -> None:
    _put(store, "folder/a")
    os.mkfifo(tmp_path / "root" / "clips" / "pipe")
    for key in ("folder", "pipe"):
        assert not store.exists(_at(key))
        with pytest.raises(errors.MediaNotFound):
            store.open(_at(key))


def test_a_key_cannot_be_the_beginning_of_another(store: FolderStore) -> None:
    _put(store, "a")
    _put(store, "b/c")
    for key in ("a/below", "b"):
        with pytest.raises(errors.SourceRefused):
            _put(store, key)
    assert store.head(_at("a")).bytes == 5


def test_the_etag_is_the_md5_and_survives_a_move(store: FolderStore) -> None:
    etag = _put(store, "a")
    assert etag == hashlib.md5(b"bytes").hexdigest()
    assert store.move(_at("a"), _at("b"), etag=etag).etag == etag


def test_a_file_put_there_by_hand_has_an_etag_and_another_one_when_it_is_changed_in_place(
    store: FolderStore, tmp_path: Path
) -> None:
    etag = _put(store, "a")
    file = tmp_path / "root" / "clips" / "a"
    file.write_bytes(b"other bytes")
    assert store.head(_at("a")).etag == hashlib.md5(b"other bytes").hexdigest() != etag
    with pytest.raises(errors.MediaChanged):
        store.move(_at("a"), _at("b"), etag=etag)


def test_where_nothing_can_be_remembered_etags_are_the_same(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(*_: object) -> bytes:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "setxattr", unsupported)
    monkeypatch.setattr(os, "getxattr", unsupported)
    assert _put(store, "a") == store.head(_at("a")).etag == hashlib.md5(b"bytes").hexdigest()


def test_a_remembered_etag_that_is_no_etag_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"bytes")
    with path.open("rb") as file:
        etags.keep(file.fileno(), "<script>")
        assert etags.of(file) == hashlib.md5(b"bytes").hexdigest()


def test_drafts_go_when_the_stream_fails_and_when_they_are_a_day_old(store: FolderStore, tmp_path: Path) -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:  # noqa: ARG002 # BytesIO's
            raise errors.MediaUnavailable("gone")

    with pytest.raises(errors.MediaUnavailable):
        store.put(_at("a"), Failing())
    incoming = tmp_path / "root" / ".clipwarden" / "incoming"
    assert list(incoming.iterdir()) == []
    for name, age in (("old", 25 * 3600), ("new", 60)):
        (incoming / name).touch()
        os.utime(incoming / name, (time.time() - age,) * 2)
    _put(store, "a")
    assert [path.name for path in incoming.iterdir()] == ["new"]


def test_a_full_disk_is_unavailable_and_a_forbidden_folder_a_matter_of_configuration(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, expected in ((28, errors.MediaUnavailable), (13, errors.ConfigurationError)):

        def fail(_: int, number: int = number) -> None:
            raise OSError(number, "so it is")

        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", fail)
            with pytest.raises(expected):
                _put(store, "a")
        assert not store.exists(_at("a"))
