"""What was deleted or overwritten comes back through Cloudinary's SDK, bit by bit."""

# mypy: allow-untyped-calls

from typing import Any

import cloudinary
import pytest
from cloudinary import api, exceptions, uploader

from clipwarden import ids
from clipwarden.moderation import Location
from fixtures.gateway import Gateway
from sdk import VIDEO, bytes_at, shown, upload
from waiting import eventually


@pytest.fixture(autouse=True)
def _no_configuration() -> None:
    cloudinary.reset_config()


def restore(gateway: Gateway, *public_ids: str, **options: Any) -> dict[str, Any]:
    return dict(api.restore(list(public_ids), **VIDEO, **gateway.cloud, **options))


def destroy(gateway: Gateway, public_id: str) -> None:
    assert uploader.destroy(public_id, **VIDEO, **gateway.cloud)["result"] == "ok"


def clip(gateway: Gateway, name: str = "plain") -> bytes:
    return bytes(gateway.pipeline.clips(name).read_bytes())


def quarantined(gateway: Gateway, asset: dict[str, Any]) -> bool:
    """Say whether a video's bytes are where rejected ones are kept."""
    id = ids.read(asset["asset_id"])
    place = Location(bucket=gateway.services.settings.media.bucket, key=f"quarantine/{id}/{asset['version']}")
    return gateway.services.media.exists(place)


def reject(gateway: Gateway, public_id: str) -> None:
    """Let a human reject a video, and wait until it is out of sight."""
    answer = api.update(public_id, moderation_status="rejected", **VIDEO, **gateway.cloud)
    eventually(lambda: quarantined(gateway, answer))


def test_a_deleted_asset_with_a_backup_leaves_a_placeholder_and_comes_back(gateway: Gateway) -> None:
    before = upload(gateway, "film", backup=True, tags=["a"], moderation="manual")
    destroy(gateway, "film")
    found = shown(gateway, "film")
    assert (found["bytes"], found["placeholder"], found["backup"]) == (0, True, True)
    assert bytes_at(before["url"], gateway) is None
    assert api.resources(**VIDEO, **gateway.cloud)["resources"] == []
    back = restore(gateway, "film")["film"]
    assert (back["bytes"], back["placeholder"], back["tags"]) == (before["bytes"], False, ["a"])
    assert (back["asset_id"], back["moderation_status"]) == (before["asset_id"], "pending")
    assert bytes_at(before["url"], gateway) == clip(gateway)


def test_what_has_no_backup_does_not_come_back(gateway: Gateway) -> None:
    before = upload(gateway, "film")
    destroy(gateway, "film")
    with pytest.raises(exceptions.NotFound):
        shown(gateway, "film")
    with pytest.raises(exceptions.NotFound):
        api.resource_by_asset_id(before["asset_id"], **gateway.cloud)
    assert restore(gateway, "film", "none") == {"film": {"error": "no_backup"}, "none": {"error": "no_backup"}}


def test_earlier_versions_are_listed_and_come_back_with_their_moderation(gateway: Gateway) -> None:
    first = upload(gateway, "film", backup=True, moderation="manual")
    api.update("film", moderation_status="approved", **VIDEO, **gateway.cloud)
    second = upload(gateway, "film", "rotated", backup=True, moderation="manual")
    assert "versions" not in shown(gateway, "film")
    [kept] = shown(gateway, "film", versions=True)["versions"]
    assert (kept["version_id"], kept["version"]) == (first["version_id"], first["version"])
    assert (kept["size"], kept["format"], kept["restorable"]) == (first["bytes"], "mp4", True)
    back = restore(gateway, "film", versions=[kept["version_id"]])["film"]
    assert (back["version"], back["etag"], back["moderation_status"]) == (first["version"], first["etag"], "approved")
    assert bytes_at(back["url"], gateway) == clip(gateway)
    back = restore(gateway, "film", versions=[second["version_id"]])["film"]
    assert (back["etag"], back["moderation_status"]) == (second["etag"], "pending")
    assert bytes_at(back["url"], gateway) == clip(gateway, "rotated")


def test_new_bytes_after_a_restored_version_lose_none_of_the_others(gateway: Gateway) -> None:
    versions = [upload(gateway, "film", name, backup=True) for name in ("plain", "rotated")]
    restore(gateway, "film", versions=[versions[0]["version_id"]])
    versions.append(upload(gateway, "film", "plain", backup=True))
    kept = [one["version"] for one in shown(gateway, "film", versions=True)["versions"]]
    assert kept == sorted((one["version"] for one in versions[:2]), reverse=True)
    assert versions[2]["version"] > versions[1]["version"]
    back = restore(gateway, "film", versions=[versions[1]["version_id"]])["film"]
    assert bytes_at(back["url"], gateway) == clip(gateway, "rotated")


def test_what_was_rejected_only_comes_back_when_a_human_approves_it(gateway: Gateway) -> None:
    before = upload(gateway, "film", backup=True, moderation="manual")
    reject(gateway, "film")
    assert restore(gateway, "film") == {"film": {"error": "unauthorized"}}
    destroy(gateway, "film")
    assert restore(gateway, "film") == {"film": {"error": "unauthorized"}}
    upload(gateway, "film", "rotated")
    [kept] = shown(gateway, "film", versions=True)["versions"]
    assert (kept["version_id"], kept["restorable"]) == (before["version_id"], False)
    assert restore(gateway, "film", versions=[before["version_id"]]) == {"film": {"error": "unauthorized"}}
    assert bytes_at(before["url"], gateway) == clip(gateway, "rotated")


def test_a_deleted_rejected_asset_comes_back_once_it_is_approved(gateway: Gateway) -> None:
    before = upload(gateway, "film", backup=True, moderation="manual")
    reject(gateway, "film")
    destroy(gateway, "film")
    api.update("film", moderation_status="approved", **VIDEO, **gateway.cloud)
    assert restore(gateway, "film")["film"]["bytes"] == before["bytes"]
    eventually(lambda: bytes_at(before["url"], gateway) == clip(gateway))


def test_a_verdict_about_a_restored_version_hides_it(gateway: Gateway) -> None:
    first = upload(gateway, "film", backup=True, moderation="manual")
    upload(gateway, "film", "rotated", backup=True)
    restore(gateway, "film", versions=[first["version_id"]])
    reject(gateway, "film")
    assert shown(gateway, "film")["placeholder"]
    assert bytes_at(first["url"], gateway) is None


def test_a_deleted_rejected_asset_leaves_no_bytes(gateway: Gateway) -> None:
    found = upload(gateway, "film", moderation="manual")
    reject(gateway, "film")
    destroy(gateway, "film")
    assert not quarantined(gateway, found)


def test_backups_are_given_up_one_by_one_but_never_what_is_in_the_library(gateway: Gateway) -> None:
    versions = [upload(gateway, "film", name, backup=True)["version_id"] for name in ("plain", "rotated", "plain")]
    id = restore(gateway, "film", versions=[versions[0]])["film"]["asset_id"]
    gone = api.delete_backed_up_assets(id, versions[:2], **gateway.cloud)
    assert (gone["asset_id"], sorted(gone["deleted_version_ids"])) == (id, sorted(versions[:2]))
    assert [one["version_id"] for one in shown(gateway, "film", versions=True)["versions"]] == versions[2:]
    assert bytes_at(shown(gateway, "film")["url"], gateway) == clip(gateway)
    assert restore(gateway, "film", versions=[versions[1]]) == {"film": {"error": "no_backup"}}
    destroy(gateway, "film")
    api.delete_backed_up_assets(id, [versions[0]], **gateway.cloud)
    with pytest.raises(exceptions.NotFound):
        shown(gateway, "film")


def test_assets_are_restored_by_their_ids_even_when_another_has_taken_the_name(gateway: Gateway) -> None:
    first = upload(gateway, "film", backup=True)
    destroy(gateway, "film")
    upload(gateway, "other")
    uploader.rename("other", "film", **VIDEO, **gateway.cloud)
    assert by_ids(gateway.cloud, first["asset_id"]) == {first["asset_id"]: {"error": "failed"}}
    destroy(gateway, "film")
    back = by_ids(gateway.cloud, first["asset_id"])[first["asset_id"]]
    assert (back["public_id"], back["bytes"]) == ("film", first["bytes"])


def by_ids(cloud: dict[str, Any], *asset_ids: str, **options: Any) -> dict[str, Any]:
    return dict(api.restore_by_asset_ids(list(asset_ids), **cloud, **options))


def test_requests_that_do_not_fit_are_refused(gateway: Gateway) -> None:
    with pytest.raises(exceptions.BadRequest, match="versions count must match ids count"):
        restore(gateway, "a", "b", versions=["x"])
    with pytest.raises(exceptions.BadRequest, match="Invalid asset_id: abc123"):
        by_ids(gateway.cloud, "abc123")
    with pytest.raises(exceptions.BadRequest, match="asset_ids parameter is required"):
        by_ids(gateway.cloud)


def test_another_account_neither_restores_nor_gives_up(gateway: Gateway, neighbour: dict[str, Any]) -> None:
    found = upload(gateway, "film", backup=True)
    destroy(gateway, "film")
    id, version = found["asset_id"], found["version_id"]
    assert api.restore(["film"], **VIDEO, **neighbour) == {"film": {"error": "no_backup"}}
    assert by_ids(neighbour, id, versions=[version]) == {id: {"error": "no_backup"}}
    with pytest.raises(exceptions.NotFound):
        api.delete_backed_up_assets(id, [version], **neighbour)
    assert shown(gateway, "film")["placeholder"]
    assert restore(gateway, "film")["film"]["bytes"] == found["bytes"]
