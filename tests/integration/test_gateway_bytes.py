"""What becomes of bytes: a user's own objects stay, and what was stored here goes when nobody needs it."""

# mypy: allow-untyped-calls

import hashlib
from collections.abc import Callable
from pathlib import Path
from threading import Event, Timer
from typing import Any

import cloudinary
import pytest
import sqlalchemy as sa
from cloudinary import api, uploader

from chaos import places
from clipwarden import errors, ids
from clipwarden.media.s3 import build_client
from clipwarden.moderation import Location, Stage
from clipwarden.settings import MediaSettings
from clipwarden.store import library, schema
from clipwarden.store.engine import read, write
from clipwarden_api import ending, uploading
from clipwarden_api.services import Services
from fixtures.gateway import Gateway, serving_gateway
from sdk import VIDEO, bytes_at, shown, upload
from waiting import eventually


@pytest.fixture(autouse=True)
def _no_configuration() -> None:
    cloudinary.reset_config()


@pytest.fixture
def pipeline_settings(pipeline_settings: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    pipeline_settings["api"] = {"source_buckets": "shoots"}
    return pipeline_settings


def shoot(gateway: Gateway, key: str = "videos/film.mp4") -> Location:
    """Put a user's own object into a bucket that uploads may be taken from."""
    target = Location(bucket="shoots", key=key)
    with gateway.pipeline.clips("plain").open("rb") as stream:
        gateway.services.media.put(target, stream)
    return target


def from_there(gateway: Gateway, there: Location, **options: Any) -> dict[str, Any]:
    return dict(uploader.upload(str(there), public_id="film", **VIDEO, **gateway.cloud, **options))


def quarantine(gateway: Gateway, answer: dict[str, Any]) -> Location:
    """Return where a video's bytes are while it is rejected."""
    key = f"quarantine/{ids.read(answer['asset_id'])}/{answer['version']}"
    return Location(bucket=gateway.services.settings.media.bucket, key=key)


def unanswered(*_: Any, **__: Any) -> Any:
    raise errors.StoreUnavailable("the database does not answer")


def reject(gateway: Gateway, answer: dict[str, Any]) -> Location:
    """Let a human reject a video, and return where it is once it is out of sight."""
    api.update(answer["public_id"], moderation_status="rejected", **VIDEO, **gateway.cloud)
    there = quarantine(gateway, answer)
    eventually(lambda: gateway.services.media.exists(there))
    return there


def stored(gateway: Gateway) -> list[Path]:
    """Return the files that were stored for assets, and are in sight."""
    root = gateway.services.settings.media.root
    assert root is not None
    folder = root / gateway.services.settings.media.bucket / "videos"
    return [path for path in folder.rglob("*") if path.is_file()]


def left(gateway: Gateway) -> int:
    """Return how many bytes are to be deleted in a while."""
    with read(gateway.services.engine) as conn:
        return int(conn.execute(sa.select(sa.func.count()).select_from(schema.leftovers)).scalar_one())


def under_way(gateway: Gateway) -> int:
    """Return how many uploads have become neither an asset nor nothing."""
    with read(gateway.services.engine) as conn:
        return int(conn.execute(sa.select(sa.func.count()).select_from(schema.uploads)).scalar_one())


def expire(gateway: Gateway) -> None:
    """Let no upload have any time left."""
    with write(gateway.services.engine) as conn:
        conn.execute(sa.update(schema.uploads).values(expires_at=gateway.services.clock.now()))


def later(gateway: Gateway) -> None:
    """Let the while be over."""
    assert left(gateway)
    with write(gateway.services.engine) as conn:
        conn.execute(sa.update(schema.leftovers).values(due_at=gateway.services.clock.now()))


def test_a_users_object_outlives_the_asset_that_it_was(gateway: Gateway) -> None:
    there = shoot(gateway)
    answer = from_there(gateway, there)
    assert uploader.destroy("film", **VIDEO, **gateway.cloud)["result"] == "ok"
    assert bytes_at(answer["url"], gateway) is None
    from_there(gateway, there, backup=True)
    other = upload(gateway, "film", "rotated")
    kept = api.resource("film", versions=True, **VIDEO, **gateway.cloud)["versions"]
    api.delete_backed_up_assets(other["asset_id"], [one["version_id"] for one in kept], **gateway.cloud)
    assert gateway.services.media.exists(there)


def test_a_users_object_that_was_rejected_is_kept_out_of_sight_for_good(gateway: Gateway) -> None:
    hidden = reject(gateway, from_there(gateway, shoot(gateway), moderation="manual"))
    uploader.destroy("film", **VIDEO, **gateway.cloud)
    assert gateway.services.media.exists(hidden)


def test_an_object_that_was_enqueued_outlives_its_asset(gateway: Gateway) -> None:
    there = gateway.pipeline.put(gateway.pipeline.clips("plain"), key="videos/own.mp4")
    gateway.pipeline.decided(gateway.pipeline.client.enqueue(str(there), public_id="own"))
    assert uploader.destroy("own", **VIDEO, **gateway.cloud)["result"] == "ok"
    assert gateway.services.media.exists(there)


def test_an_overwrite_without_a_moderation_shows_none_of_the_bytes_before(gateway: Gateway) -> None:
    first = upload(gateway, "film", backup=True, moderation="manual")
    reject(gateway, first)
    second = upload(gateway, "film", "rotated")
    assert "moderation" not in second
    assert "moderation_status" not in api.resource("film", **VIDEO, **gateway.cloud)
    found = api.resources_by_moderation("manual", "rejected", **VIDEO, **gateway.cloud)
    assert found["resources"] == []
    assert bytes_at(second["url"], gateway) == gateway.pipeline.clips("rotated").read_bytes()


def test_overwritten_bytes_go_in_a_while_also_out_of_the_quarantine(gateway: Gateway) -> None:
    rejected = upload(gateway, "film", moderation="manual")
    hidden = reject(gateway, rejected)
    upload(gateway, "film", "rotated")
    last = upload(gateway, "film", "plain")
    assert api.resource("film", versions=True, **VIDEO, **gateway.cloud)["versions"] == []
    assert len(stored(gateway)) == 2
    assert gateway.services.media.exists(hidden)
    later(gateway)
    eventually(lambda: len(stored(gateway)) == 1 and not gateway.services.media.exists(hidden))
    eventually(lambda: left(gateway) == 0)
    assert bytes_at(last["url"], gateway) == gateway.pipeline.clips("plain").read_bytes()


def test_an_overwritten_users_object_and_a_backup_stay(gateway: Gateway) -> None:
    there = shoot(gateway)
    from_there(gateway, there)
    upload(gateway, "film", "rotated", backup=True)
    upload(gateway, "film")
    assert left(gateway) == 0
    assert gateway.services.media.exists(there)
    [kept] = api.resource("film", versions=True, **VIDEO, **gateway.cloud)["versions"]
    assert kept["restorable"]


def test_bytes_that_came_in_for_no_asset_go_in_a_while(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as interrupted:
        interrupted.setattr(library, "store", unanswered)
        with pytest.raises(cloudinary.exceptions.Error):
            upload(gateway, "film")
    [unclaimed] = stored(gateway)
    assert places.strays(gateway.services.engine, unclaimed.parents[1]) == []
    answer = upload(gateway, "film", "rotated")
    assert under_way(gateway) == 1
    expire(gateway)
    with serving_gateway(gateway.services.settings):
        eventually(lambda: under_way(gateway) == 0)
    assert unclaimed not in stored(gateway)
    assert bytes_at(answer["url"], gateway) == gateway.pipeline.clips("rotated").read_bytes()


def test_a_gateway_that_ends_waits_for_its_look_for_uploads(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    looks, may_end, ended = Event(), Event(), Event()

    def look(_: Services) -> bool:
        looks.set()
        assert may_end.wait(20)
        ended.set()
        return False

    monkeypatch.setattr(ending, "sweep", look)
    with serving_gateway(gateway.services.settings):
        assert looks.wait(20)
        Timer(0.5, may_end.set).start()
    assert ended.is_set()


def test_bytes_that_are_being_deleted_become_no_asset(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    accept: Callable[..., Any] = uploading._accept

    def too_late(*arguments: Any) -> Any:
        expire(gateway)
        ending.sweep(gateway.services)
        return accept(*arguments)

    monkeypatch.setattr(uploading, "_accept", too_late)
    with pytest.raises(cloudinary.exceptions.BadRequest, match="send the file again"):
        upload(gateway, "film")
    with pytest.raises(cloudinary.exceptions.NotFound):
        shown(gateway, "film")
    assert stored(gateway) == []


def test_bytes_that_nothing_tells_of_are_found(gateway: Gateway) -> None:
    upload(gateway, "film")
    [mine] = stored(gateway)
    (mine.parent / ids.new_id()).write_bytes(b"nobody's")
    [stray] = places.strays(gateway.services.engine, mine.parents[1])
    assert mine.name not in stray


def test_nothing_is_left_of_an_upload_that_is_refused(gateway: Gateway) -> None:
    with pytest.raises(cloudinary.exceptions.BadRequest):
        upload(gateway, "film", allowed_formats="webm")
    assert (stored(gateway), under_way(gateway)) == ([], 0)


def test_bytes_that_a_producer_overwrites_go_too_and_what_is_needed_stays(gateway: Gateway) -> None:
    upload(gateway, "film", "rotated")
    there = gateway.pipeline.put(gateway.pipeline.clips("plain"))
    gateway.pipeline.decided(gateway.pipeline.client.enqueue(str(there), public_id="film"))
    [mine] = stored(gateway)
    source = f"s3://{gateway.services.settings.media.bucket}/videos/{mine.name}"
    gateway.pipeline.decided(gateway.pipeline.client.enqueue(source, public_id="same"))
    later(gateway)
    eventually(lambda: left(gateway) == 0)
    assert (stored(gateway), gateway.services.media.exists(there)) == ([mine], True)


def test_what_was_stored_here_goes_after_it_was_judged(gateway: Gateway) -> None:
    answer = upload(gateway, "film", moderation="aws_rek_video")
    gateway.pipeline.when(answer["moderation"][0]["id"], Stage.DECIDED)
    uploader.destroy("film", **VIDEO, **gateway.cloud)
    assert stored(gateway) == []


def test_an_etag_is_the_md5_of_a_file_that_came_in_whole_though_it_was_stored_in_parts(
    gateway: Gateway, s3_settings: MediaSettings
) -> None:
    content = gateway.pipeline.clips("plain").read_bytes() + bytes(14 * 1024**2)
    settings = gateway.services.settings.model_copy(update={"media": s3_settings})
    with serving_gateway(settings) as (url, _):
        cloud = {**gateway.cloud, "upload_prefix": url, "resource_type": "raw"}
        answer = uploader.upload(content, public_id="film", moderation="manual", **cloud)
        found = api.resource("film", **cloud)
        assert answer["etag"] == found["etag"] == hashlib.md5(content).hexdigest()
        [key] = build_client(s3_settings).list_objects_v2(Bucket=s3_settings.bucket)["Contents"]
        assert key["ETag"].strip('"').endswith("-2")
