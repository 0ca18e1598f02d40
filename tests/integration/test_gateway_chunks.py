"""Files come in chunks, in order, each any number of times, and become one asset."""

import concurrent.futures
import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import cloudinary.api
import cloudinary.uploader
import pytest
import sqlalchemy as sa
from cloudinary import exceptions
from cloudinary.uploader import call_api

from clipwarden import errors
from clipwarden.store import schema, uploads
from clipwarden.store.engine import read, write
from clipwarden_api import ending, uploading
from fixtures.clips import padded
from fixtures.gateway import Gateway
from sdk import VIDEO, bytes_at, shown, upload

# The SDK has no types.
api: Any = cloudinary.api
uploader: Any = cloudinary.uploader
call: Any = call_api

MIB = 1024**2
SIZE = 6 * MIB


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory, clips: Any) -> Path:
    """Return a video of 13 MiB: most of it is a box that players pass over."""
    content = clips("plain").read_bytes()
    filling = random.Random(1).randbytes(13 * MIB - len(content) - 8)
    path: Path = tmp_path_factory.mktemp("large") / "large.mp4"
    path.write_bytes(padded(content, filling))
    return path


def send(gateway: Gateway, file: Path, start: int, total: str | None = None, **options: Any) -> dict[str, Any]:
    """Send one chunk as the SDKs do."""
    content = file.read_bytes()
    end = min(start + SIZE, len(content))
    spoken = total or str(len(content))
    headers = {"Content-Range": f"bytes {start}-{end - 1}/{spoken}", "X-Unique-Upload-Id": options.pop("id", "up1")}
    given = {"public_id": "large", **options}
    params: dict[str, Any] = {
        name: given.pop(name) for name in ("public_id", "moderation", "tags", "overwrite") if name in given
    }
    params["timestamp"] = int(gateway.services.clock.now().timestamp())
    cloud = {**gateway.cloud, **VIDEO, **given}
    return dict(call("upload", params, http_headers=headers, file=("large", content[start:end]), **cloud))


def rows(gateway: Gateway) -> int:
    with read(gateway.services.engine) as conn:
        return int(conn.execute(sa.select(sa.func.count()).select_from(schema.uploads)).scalar_one())


def kept(gateway: Gateway) -> list[Path]:
    root = gateway.services.settings.media.root
    assert root is not None
    return [path for path in root.rglob("*") if path.is_file() and "videos" in path.parts]


def test_the_sdk_uploads_in_chunks(gateway: Gateway, large: Path) -> None:
    options = {"public_id": "in/large", "folder": "f", "moderation": "manual", "tags": "a,b"}
    answer = uploader.upload_large(str(large), chunk_size=SIZE, **VIDEO, **options, **gateway.cloud)
    assert (answer["public_id"], answer["bytes"], answer["done"]) == ("f/in/large", 13 * MIB, True)
    assert (answer["tags"], answer["moderation"][0]["status"]) == (["a", "b"], "pending")
    assert bytes_at(answer["secure_url"], gateway) == large.read_bytes()
    assert len(kept(gateway)) == 1


def test_the_total_may_be_unknown_until_the_end(gateway: Gateway, large: Path) -> None:
    middle = send(gateway, large, 0, "-1")
    assert (middle["done"], middle["bytes"], middle["public_id"]) == (False, SIZE, "large")
    assert send(gateway, large, SIZE, "-1")["bytes"] == 2 * SIZE
    assert send(gateway, large, 2 * SIZE)["done"]
    assert bytes_at(shown(gateway, "large")["secure_url"], gateway) == large.read_bytes()


def test_what_the_first_chunk_asks_for_holds(gateway: Gateway, large: Path) -> None:
    send(gateway, large, 0, moderation="manual", tags="first")
    send(gateway, large, SIZE, public_id="other", tags="second")
    answer = send(gateway, large, 2 * SIZE, public_id=None)
    assert (answer["public_id"], answer["tags"], answer["moderation"][0]["kind"]) == ("large", ["first"], "manual")


def test_a_chunk_may_come_again(gateway: Gateway, large: Path) -> None:
    for start in (0, 0, SIZE, 0, SIZE):
        assert not send(gateway, large, start)["done"]
    first, again = send(gateway, large, 2 * SIZE), send(gateway, large, 2 * SIZE)
    assert (first["asset_id"], first["version"]) == (again["asset_id"], again["version"])
    assert bytes_at(first["secure_url"], gateway) == large.read_bytes()
    assert len(kept(gateway)) == 1


def test_a_chunk_out_of_order_is_refused_and_harms_nothing(gateway: Gateway, large: Path) -> None:
    with pytest.raises(exceptions.BadRequest, match="not known"):
        send(gateway, large, SIZE)
    send(gateway, large, 0)
    with pytest.raises(exceptions.BadRequest, match=f"byte {SIZE} comes next, not {2 * SIZE}"):
        send(gateway, large, 2 * SIZE)
    send(gateway, large, SIZE)
    assert send(gateway, large, 2 * SIZE)["bytes"] == 13 * MIB


def test_of_two_that_send_the_same_chunk_one_counts(gateway: Gateway, large: Path) -> None:
    send(gateway, large, 0)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        tries = [pool.submit(send, gateway, large, SIZE) for _ in range(4)]
        assert {one.result()["bytes"] for one in tries} == {2 * SIZE}
    with concurrent.futures.ThreadPoolExecutor() as pool:
        last = [one.result() for one in [pool.submit(send, gateway, large, 2 * SIZE) for _ in range(3)]]
    assert {one["asset_id"] for one in last} == {last[0]["asset_id"]}
    assert bytes_at(last[0]["secure_url"], gateway) == large.read_bytes()
    assert len(kept(gateway)) == 1


def test_uploads_of_accounts_are_apart(gateway: Gateway, neighbour: dict[str, Any], large: Path) -> None:
    send(gateway, large, 0)
    with pytest.raises(exceptions.BadRequest, match="not known"):
        send(gateway, large, SIZE, **neighbour)
    send(gateway, large, 0, **neighbour)
    assert rows(gateway) == 2


def test_small_and_mislabelled_chunks_are_refused(gateway: Gateway) -> None:
    headers = {"X-Unique-Upload-Id": "x"}
    for content, spoken, message in (
        (b"x" * 100, "bytes 0-99/2000", "All parts except EOF-chunk must be larger than 5mb"),
        (bytes(SIZE), f"bytes 0-{SIZE}/{3 * SIZE}", "announced"),
        (b"x", "bytes 5-1/9", "is no part of a file"),
        (b"x", "lines 0-9/10", "must be like"),
        (b"x", "bytes 0-99999999999999/-1", "too large"),
    ):
        params = {"public_id": "x", "timestamp": int(gateway.services.clock.now().timestamp())}
        with pytest.raises(exceptions.BadRequest, match=message):
            call(
                "upload",
                params,
                http_headers=headers | {"Content-Range": spoken},
                file=("x", content),
                **VIDEO,
                **gateway.cloud,
            )


def test_what_is_no_video_leaves_nothing(gateway: Gateway, tmp_path: Path) -> None:
    junk = tmp_path / "junk.mp4"
    junk.write_bytes(bytes(2 * SIZE))
    send(gateway, junk, 0)
    with pytest.raises(exceptions.BadRequest):
        send(gateway, junk, SIZE)
    assert (rows(gateway), kept(gateway)) == (0, [])


def test_bytes_that_are_not_wanted_do_not_stay(gateway: Gateway, large: Path) -> None:
    there = upload(gateway, "large")
    for start in (0, SIZE):
        send(gateway, large, start, overwrite=False)
    for _ in range(2):
        answer = send(gateway, large, 2 * SIZE, overwrite=False)
        assert (answer["asset_id"], answer["version"]) == (there["asset_id"], there["version"])
    again = upload(gateway, "large", overwrite=False)
    assert again["existing"]
    assert len(kept(gateway)) == 1


def test_an_upload_that_died_before_its_asset_is_completed_by_its_last_chunk(
    gateway: Gateway, large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(gateway, large, 0)
    send(gateway, large, SIZE)
    with monkeypatch.context() as patched:
        patched.setattr(uploading, "_accept", lambda *_: 1 / 0)
        with pytest.raises(exceptions.GeneralError):
            send(gateway, large, 2 * SIZE)
    answer = send(gateway, large, 2 * SIZE)
    assert bytes_at(answer["secure_url"], gateway) == large.read_bytes()


def test_who_uses_an_id_again_uploads_another_file(gateway: Gateway, large: Path) -> None:
    for start in (0, SIZE, 2 * SIZE):
        send(gateway, large, start)
    for start in (0, SIZE, 2 * SIZE):
        answer = send(gateway, large, start, public_id="second")
    assert answer["public_id"] == "second"
    assert len(kept(gateway)) == 2


def test_who_comes_second_takes_nothing_from_the_first(
    gateway: Gateway, large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for start in (0, SIZE):
        send(gateway, large, start, overwrite=False)
    first = send(gateway, large, 2 * SIZE, overwrite=False)
    looks = iter([None])
    found = ending.asset
    # As if both had looked before either was done.
    monkeypatch.setattr(ending, "asset", lambda *given: next(looks, found(*given)))
    again = send(gateway, large, 2 * SIZE, overwrite=False)
    assert (again["asset_id"], again["version"]) == (first["asset_id"], first["version"])
    assert bytes_at(first["secure_url"], gateway) == large.read_bytes()


def test_what_is_completed_while_it_is_cleared_away_leaves_nothing(
    gateway: Gateway, large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for start in (0, SIZE):
        send(gateway, large, start)
    media = type(gateway.services.media)
    complete = media.complete

    def cleared(self: Any, *given: Any) -> Any:
        stored = complete(self, *given)
        with read(gateway.services.engine) as conn:
            [upload_row] = uploads.expired(conn, gateway.services.clock.now() + timedelta(days=2), 10)
        with monkeypatch.context() as patched:
            patched.setattr(media, "delete", lambda *_: None)  # It came before the object did.
            ending.clear(gateway.services, upload_row)
        return stored

    with monkeypatch.context() as patched:
        patched.setattr(media, "complete", cleared)
        with pytest.raises(exceptions.BadRequest, match="is gone"):
            send(gateway, large, 2 * SIZE)
    assert (rows(gateway), kept(gateway)) == (0, [])


def test_an_upload_that_cannot_be_cleared_away_now_is_later(
    gateway: Gateway, large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(gateway, large, 0)
    with write(gateway.services.engine) as conn:
        past = gateway.services.clock.now() - timedelta(seconds=1)
        conn.execute(sa.update(schema.uploads).values(expires_at=past))
    with monkeypatch.context() as patched:
        patched.setattr(type(gateway.services.media), "discard", _away)
        send(gateway, large, 0, id="another")
    assert rows(gateway) == 2
    with write(gateway.services.engine) as conn:
        conn.execute(sa.update(schema.uploads).values(expires_at=past))
    ending.sweep(gateway.services)
    assert rows(gateway) == 0


def _away(*_: object) -> None:
    raise errors.MediaUnavailable("away")


def test_an_upload_that_nobody_goes_on_with_expires(gateway: Gateway, large: Path) -> None:
    send(gateway, large, 0)
    with write(gateway.services.engine) as conn:
        past = gateway.services.clock.now() - timedelta(seconds=1)
        conn.execute(sa.update(schema.uploads).values(expires_at=past))
        [upload_row] = uploads.expired(conn, gateway.services.clock.now(), 10)
    ending.sweep(gateway.services)
    assert rows(gateway) == 0
    root = gateway.services.settings.media.root
    assert root is not None
    assert not [path for path in root.rglob("*") if path.is_file() and path.stat().st_size >= MIB]
    assert upload_row.received == SIZE
    with pytest.raises(exceptions.BadRequest, match="not known"):
        send(gateway, large, SIZE)
