"""What is erased is nowhere any more: not in the database, not beside the media; and what is past its time goes."""

# mypy: allow-untyped-calls

import hashlib
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from cloudinary import api

import remnants
from clipwarden import errors
from clipwarden.media.folder import FolderStore
from clipwarden.moderation import Asset, Location, Placement, Scope, Stage, Status
from clipwarden.store import erasures, moderations, remains, schema, versions
from clipwarden.store.engine import read, write
from clipwarden_local.analysis.scripted import Script
from erasing import dashed, ended, erased, present, rested
from fixtures.gateway import Gateway
from json_api import JsonApi
from sdk import VIDEO, bytes_at, upload
from waiting import eventually

#: What of the video must not be found anywhere.
NAME, TAG, TOLD = "greta-4711", "tag-4712", "context-4713"
#: Of the needles, those that nothing at all may name: the first of them.
KNOWN_BY = 5
NUDE = [{"at": 0, "path": ["Explicit", "Explicit Nudity"], "confidence": 99}]


@pytest.fixture
def pipeline_settings(pipeline_settings: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Reuse labels; a lease that is short is waited for when something was under way."""
    pipeline_settings["rekognition"]["reuse_window"] = 3600
    pipeline_settings["worker"]["lease"] = 1
    # Nobody looks for what is old while a test lasts.
    pipeline_settings["retention"] = {"labels": 0.001, "rejected": 0.001}
    return pipeline_settings


def _needles(gateway: Gateway, asset: Asset) -> list[str]:
    """Return what the video is called, recognised by, and numbered with."""
    content = gateway.pipeline.clips("plain").read_bytes()
    digests = [hashlib.md5(content, usedforsecurity=False).hexdigest(), asset.fingerprint or "no fingerprint"]
    ids = remnants.forms(remnants.ids_of(gateway.services.engine, asset.id))
    # Ids come last: only they may be known.
    return [NAME, TAG, TOLD, *digests, *ids]


def _files(gateway: Gateway) -> dict[str, bytes]:
    root = gateway.services.settings.media.root
    assert root is not None
    return remnants.files(root)


def _judged(gateway: Gateway, name: str = NAME, **options: Any) -> tuple[Asset, str]:
    """Upload a video with all that can be said of it, and return it once all about it has come to rest."""
    answer = upload(
        gateway,
        name,
        tags=[TAG],
        context={"who": TOLD},
        moderation="aws_rek_video",
        notification_url=gateway.pipeline.receiver.url,
        **options,
    )
    return rested(gateway, dashed(answer["asset_id"])), answer["url"]


def _nothing_is_left(gateway: Gateway, needles: list[str]) -> None:
    """Assert that there is nothing but the audit trail, which knows ids only."""
    engine = gateway.services.engine
    assert remnants.naming(engine, needles) == remnants.STAYS
    assert remnants.naming(engine, needles[:KNOWN_BY]) == set()
    assert _files(gateway) == {}


def test_nothing_is_left_of_what_is_erased(gateway: Gateway) -> None:
    asset, url = _judged(gateway, backup=True)
    _judged(gateway, clip="rotated", backup=True)  # The bytes before are kept as a version.
    needles = _needles(gateway, asset)
    assert all(remnants.naming(gateway.services.engine, [one]) for one in needles[:KNOWN_BY])
    said = erased(gateway, asset.id)
    assert (said["state"], said["requested_by"]) == ("erased", "human:key")
    _nothing_is_left(gateway, needles)
    assert bytes_at(url, gateway) is None


def test_nothing_is_left_of_what_was_rejected(gateway: Gateway) -> None:
    gateway.pipeline.endpoint.tell(Script.model_validate({"labels": NUDE}))
    asset, _ = _judged(gateway)
    assert asset.placed is Placement.QUARANTINE
    needles = _needles(gateway, asset)
    erased(gateway, asset.id)
    _nothing_is_left(gateway, needles)


def test_a_name_is_free_at_once_and_nothing_is_restored(gateway: Gateway) -> None:
    asset, _ = _judged(gateway, backup=True)
    with write(gateway.services.engine) as conn:  # Nobody works on it yet.
        erasures.ask(conn, asset, Scope.ASSET, by="human:me", now=gateway.services.clock.now() + timedelta(hours=1))
    with pytest.raises(Exception, match="not found"):
        api.resource(NAME, **VIDEO, **gateway.cloud)
    answer = api.restore_by_asset_ids([asset.id.replace("-", "")], **gateway.cloud)
    assert answer[asset.id.replace("-", "")] == {"error": "no_backup"}
    again = upload(gateway, NAME)
    assert dashed(again["asset_id"]) != asset.id


def test_labels_that_another_video_is_judged_by_stay_its(gateway: Gateway) -> None:
    mine = gateway.pipeline.put(gateway.pipeline.clips("plain"))
    client = gateway.pipeline.client
    paid, reused = (gateway.pipeline.decided(client.enqueue(str(mine), public_id=name)) for name in (NAME, "another"))
    assert reused.labels_of == paid.id
    assert reused.labels_key is not None
    there = Location(bucket=gateway.services.settings.media.bucket, key=reused.labels_key)
    erased(gateway, paid.asset_id)
    assert gateway.services.media.exists(there)
    assert JsonApi(url=gateway.url).get(f"/v1/moderations/{reused.id}/labels").status == 200
    erased(gateway, reused.asset_id)
    assert not gateway.services.media.exists(there)
    assert gateway.services.media.exists(mine)  # It is a user's own.


def test_a_job_that_runs_keeps_its_slot_and_is_waited_for(gateway: Gateway) -> None:
    gateway.pipeline.endpoint.tell(Script.model_validate({"labels": NUDE, "seconds": 1.5}))
    answer = upload(gateway, NAME, moderation="aws_rek_video")
    asset_id = dashed(answer["asset_id"])
    with read(gateway.services.engine) as conn:
        [moderation] = moderations.of_asset(conn, asset_id, limit=2)
    gateway.pipeline.when(moderation.id, Stage.ANALYSING)
    asset = present(gateway, asset_id)
    needles = _needles(gateway, asset)
    programs = JsonApi(url=gateway.url)
    assert programs.send("DELETE", f"/v1/assets/{asset_id}", None).json["state"] == "erasing"
    assert gateway.pipeline.get(moderation.id) is not None
    assert bytes_at(answer["url"], gateway) is None
    eventually(lambda: ended(programs, asset_id))
    assert gateway.pipeline.endpoint.journal.summary()["jobs"] == 1
    _nothing_is_left(gateway, needles)


def test_an_answer_that_told_of_it_is_not_repeated(gateway: Gateway) -> None:
    _judged(gateway)
    programs = JsonApi(url=gateway.url)
    asked: dict[str, Any] = {"public_id": NAME, "moderation": "manual"}
    made = programs.post("/v1/moderations", asked, Idempotency_Key="once").json
    erased(gateway, made["asset"]["asset_id"])
    refused = programs.post("/v1/moderations", asked, Idempotency_Key="once")
    assert (refused.status, refused.json["code"]) == (404, "not_found")
    assert "erased" in refused.json["detail"]


def test_an_answer_that_is_too_old_to_be_repeated_goes_too(gateway: Gateway) -> None:
    _judged(gateway)
    programs = JsonApi(url=gateway.url)
    asked: dict[str, Any] = {"public_id": NAME, "moderation": "manual"}
    made = programs.post("/v1/moderations", asked, Idempotency_Key="once").json
    table = schema.idempotent_requests
    with write(gateway.services.engine) as conn:  # More than a day passes, and no request comes that sweeps.
        conn.execute(sa.update(table).values(expires_at=gateway.services.clock.now() - timedelta(hours=1)))
    erased(gateway, made["asset"]["asset_id"])
    with read(gateway.services.engine) as conn:
        assert conn.execute(sa.select(table)).all() == []


class Death(BaseException):
    """Raised where the process dies."""


@pytest.mark.parametrize("point", ["purge", "forget", "rows"])
def test_a_process_may_die_on_the_way(gateway: Gateway, monkeypatch: pytest.MonkeyPatch, point: str) -> None:
    asset, _ = _judged(gateway)
    needles = _needles(gateway, asset)
    owner, name = {
        "purge": (FolderStore, "purge"),
        "forget": (remains, "lock"),
        "rows": (erasures, "remember"),
    }[point]
    deaths: list[str] = []
    function = getattr(owner, name)

    def fatal(*args: Any, **options: Any) -> Any:
        done = function(*args, **options)
        if not deaths:
            deaths.append(point)
            raise Death(point)
        return done

    monkeypatch.setattr(owner, name, fatal)
    erased(gateway, asset.id)
    assert deaths == [point]
    _nothing_is_left(gateway, needles)


def test_a_store_that_is_away_is_tried_again(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    asset, _ = _judged(gateway)
    refusals: list[Location] = []
    purge = FolderStore.purge

    def purges(self: FolderStore, location: Location) -> None:
        if len(refusals) < 2:
            refusals.append(location)
            raise errors.MediaUnavailable("away")
        purge(self, location)

    monkeypatch.setattr(FolderStore, "purge", purges)
    erased(gateway, asset.id)
    assert len(refusals) == 2


def _asked(gateway: Gateway, asset: Asset, scope: Scope) -> None:
    """Ask for a part to be erased, and wait until that is done."""
    with write(gateway.services.engine) as conn:
        assert erasures.ask(conn, asset, scope, by="retention", now=gateway.services.clock.now())

    def waits() -> bool:
        with read(gateway.services.engine) as conn:
            return conn.execute(sa.select(schema.erasures.c.id)).first() is not None

    eventually(lambda: not waits())


def test_rejected_bytes_that_are_past_their_time_cannot_be_brought_back(gateway: Gateway) -> None:
    gateway.pipeline.endpoint.tell(Script.model_validate({"labels": NUDE}))
    asset, _ = _judged(gateway, backup=True)
    _asked(gateway, asset, Scope.BYTES)
    after = present(gateway, asset.id)
    assert after.deleted_at is not None
    assert [path for path in _files(gateway) if "quarantine" in path] == []
    answer = api.restore_by_asset_ids([asset.id.replace("-", "")], **gateway.cloud)
    assert answer[asset.id.replace("-", "")] == {"error": "no_backup"}
    with read(gateway.services.engine) as conn:  # The verdict stays.
        assert [one.status for one in moderations.of_asset(conn, asset.id, limit=2)] == [Status.REJECTED]


def test_rejected_bytes_that_are_kept_as_a_backup_go_too(gateway: Gateway) -> None:
    gateway.pipeline.endpoint.tell(Script.model_validate({"labels": NUDE}))
    asset, _ = _judged(gateway, backup=True)
    api.delete_resources([NAME], **VIDEO, **gateway.cloud)
    assert [path for path in _files(gateway) if "quarantine" in path] != []
    _asked(gateway, asset, Scope.BYTES)
    assert [path for path in _files(gateway) if "quarantine" in path] == []
    with read(gateway.services.engine) as conn:
        assert versions.all_of(conn, asset.id) == []


def test_rejected_bytes_of_an_earlier_version_go_and_the_present_ones_stay(gateway: Gateway) -> None:
    gateway.pipeline.endpoint.tell(Script.model_validate({"labels": NUDE}))
    asset, _ = _judged(gateway, backup=True)
    gateway.pipeline.endpoint.tell(Script())
    again, url = _judged(gateway, clip="rotated", backup=True)
    assert (again.id, again.placed) == (asset.id, Placement.LIBRARY)
    assert [path for path in _files(gateway) if "quarantine" in path] != []
    _asked(gateway, asset, Scope.BYTES)
    assert [path for path in _files(gateway) if "quarantine" in path] == []
    with read(gateway.services.engine) as conn:
        assert versions.all_of(conn, asset.id) == []
    assert present(gateway, asset.id).deleted_at is None
    assert bytes_at(url, gateway) is not None


@pytest.mark.parametrize("when", ["moved out", "purged"])
def test_a_process_may_die_as_it_erases_rejected_bytes(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    gateway.pipeline.endpoint.tell(Script.model_validate({"labels": NUDE}))
    asset, _ = _judged(gateway, backup=True)
    purge, deaths = FolderStore.purge, list[str]()

    def fatal(self: FolderStore, location: Location) -> None:
        if when == "purged" or deaths:
            purge(self, location)
        if not deaths:
            deaths.append(when)
            raise Death(when)

    monkeypatch.setattr(FolderStore, "purge", fatal)
    _asked(gateway, asset, Scope.BYTES)
    assert deaths == [when]
    assert [path for path in _files(gateway) if "quarantine" in path] == []


def test_bytes_that_were_approved_meanwhile_stay(gateway: Gateway) -> None:
    asset, url = _judged(gateway)
    _asked(gateway, asset, Scope.BYTES)
    assert present(gateway, asset.id).deleted_at is None
    assert bytes_at(url, gateway) is not None


def test_labels_that_are_past_their_time_go_and_verdicts_stay(gateway: Gateway) -> None:
    asset, _ = _judged(gateway)
    assert [path for path in _files(gateway) if "labels/" in path] != []
    _asked(gateway, asset, Scope.LABELS)
    assert [path for path in _files(gateway) if "labels/" in path] == []
    with read(gateway.services.engine) as conn:
        [one] = moderations.of_asset(conn, asset.id, limit=2)
        assert conn.execute(sa.select(schema.gists)).all() == []
    assert (one.status, one.labels_key, one.verdict is not None) == (Status.APPROVED, None, True)
    shown = JsonApi(url=gateway.url).get(f"/v1/moderations/{one.id}/labels")
    assert shown.status in {404, 409}
