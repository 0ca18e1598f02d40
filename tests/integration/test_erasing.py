"""What is erased is nowhere any more: not in the database, not beside the media; and what is past its time goes."""

# mypy: allow-untyped-calls

import hashlib
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from cloudinary import api

from clipwarden import errors
from clipwarden.media.folder import FolderStore
from clipwarden.moderation import Asset, Location, Placement, Scope, Stage, Status
from clipwarden.store import assets, erasures, moderations, remains, schema
from clipwarden.store.engine import read, write
from clipwarden_local.analysis.scripted import Script
from fixtures.gateway import Gateway
from json_api import JsonApi
from sdk import VIDEO, bytes_at, upload
from waiting import eventually

#: What of the video must not be found anywhere.
NAME, TAG, TOLD, FILE = "greta-4711", "tag-4712", "context-4713", "plain"
NUDE = [{"at": 0, "path": ["Explicit", "Explicit Nudity"], "confidence": 99}]


@pytest.fixture
def pipeline_settings(pipeline_settings: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Reuse labels; a lease that is short is waited for when something was under way."""
    pipeline_settings["rekognition"]["reuse_window"] = 3600
    pipeline_settings["worker"]["lease"] = 1
    # Nobody looks for what is old while a test lasts.
    pipeline_settings["retention"] = {"labels": 0.001}
    return pipeline_settings


def _dump(gateway: Gateway) -> str:
    """Return all that the database holds."""
    with read(gateway.services.engine) as conn:
        tables = {table.name: conn.execute(sa.select(table)).all() for table in schema.metadata.sorted_tables}
    return repr(tables)


def _files(gateway: Gateway) -> dict[str, bytes]:
    """Return all that is kept beside the media."""
    root = gateway.services.settings.media.root
    assert root is not None
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def _needles(gateway: Gateway, asset: Asset) -> list[str]:
    content = gateway.pipeline.clips("plain").read_bytes()
    digests = [hashlib.new(name, content).hexdigest() for name in ("sha256", "md5")]
    return [NAME, TAG, TOLD, *digests, *([asset.fingerprint] if asset.fingerprint else [])]


def _asset(gateway: Gateway, asset_id: str) -> Asset:
    with read(gateway.services.engine) as conn:
        asset = assets.by_id(conn, asset_id)
    assert asset is not None
    return asset


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
    asset_id = _id(answer["asset_id"])
    eventually(lambda: _open(gateway, asset_id) == 0 and not _placing(gateway, asset_id))
    return _asset(gateway, asset_id), answer["url"]


def _id(hexadecimal: str) -> str:
    parts = (8, 12, 16, 20, 32)
    return "-".join(hexadecimal[start:end] for start, end in zip((0, *parts), parts, strict=False))


def _open(gateway: Gateway, asset_id: str) -> int:
    m, d = schema.moderations.c, schema.deliveries.c
    with read(gateway.services.engine) as conn:
        undecided = sa.select(m.id).where(m.asset_id == asset_id, m.stage != Stage.DECIDED)
        undelivered = sa.select(d.id).where(d.asset_id == asset_id, d.due_at.is_not(None))
        return len(conn.execute(undecided).all()) + len(conn.execute(undelivered).all())


def _placing(gateway: Gateway, asset_id: str) -> bool:
    return _asset(gateway, asset_id).due_at is not None


def _erased(gateway: Gateway, asset_id: str) -> dict[str, Any]:
    """Ask for the erasure, and return what is said of it once it is done."""
    programs = JsonApi(url=gateway.url)
    assert programs.send("DELETE", f"/v1/assets/{asset_id}", None).status == 202
    eventually(lambda: _ended(programs, asset_id))
    return _ended(programs, asset_id) or {}


def _ended(programs: JsonApi, asset_id: str) -> dict[str, Any] | None:
    told = programs.get(f"/v1/assets/{asset_id}/erasure").json
    return told if told["state"] == "erased" else None


def _nothing_is_left(gateway: Gateway, asset: Asset, needles: list[str]) -> None:
    rows, files = _dump(gateway), _files(gateway)
    assert [one for one in needles if one in rows] == []
    assert [path for path in files if asset.id in path or any(one in path for one in needles)] == []
    content = gateway.pipeline.clips("plain").read_bytes()
    assert [path for path, held in files.items() if content in held] == []
    # What was done to it, by whom and when, is all that is known.
    with read(gateway.services.engine) as conn:
        held = {table.name: repr(conn.execute(sa.select(table)).all()) for table in schema.metadata.sorted_tables}
    assert [name for name, rows in held.items() if asset.id in rows] == ["audit_events"]


def test_nothing_is_left_of_what_is_erased(gateway: Gateway) -> None:
    asset, url = _judged(gateway, backup=True)
    _judged(gateway, clip="rotated", backup=True)  # The bytes before are kept as a version.
    needles = _needles(gateway, asset)
    assert all(one in _dump(gateway) for one in needles[:3])
    said = _erased(gateway, asset.id)
    assert (said["state"], said["requested_by"]) == ("erased", "human:key")
    _nothing_is_left(gateway, asset, needles)
    assert bytes_at(url, gateway) is None


def test_nothing_is_left_of_what_was_rejected(gateway: Gateway) -> None:
    gateway.pipeline.endpoint.tell(Script.model_validate({"labels": NUDE}))
    asset, _ = _judged(gateway)
    assert asset.placed is Placement.QUARANTINE
    _erased(gateway, asset.id)
    _nothing_is_left(gateway, asset, _needles(gateway, asset))


def test_a_name_is_free_at_once_and_nothing_is_restored(gateway: Gateway) -> None:
    asset, _ = _judged(gateway, backup=True)
    with write(gateway.services.engine) as conn:  # Nobody works on it yet.
        erasures.ask(conn, asset, Scope.ASSET, by="human:me", now=gateway.services.clock.now() + timedelta(hours=1))
    with pytest.raises(Exception, match="not found"):
        api.resource(NAME, **VIDEO, **gateway.cloud)
    answer = api.restore_by_asset_ids([asset.id.replace("-", "")], **gateway.cloud)
    assert answer[asset.id.replace("-", "")] == {"error": "no_backup"}
    again = upload(gateway, NAME)
    assert _id(again["asset_id"]) != asset.id


def test_labels_that_another_video_is_judged_by_stay_its(gateway: Gateway) -> None:
    mine = gateway.pipeline.put(gateway.pipeline.clips("plain"))
    client = gateway.pipeline.client
    paid, reused = (gateway.pipeline.decided(client.enqueue(str(mine), public_id=name)) for name in (NAME, "another"))
    assert reused.labels_of == paid.id
    assert reused.labels_key is not None
    there = Location(bucket=gateway.services.settings.media.bucket, key=reused.labels_key)
    _erased(gateway, paid.asset_id)
    assert gateway.services.media.exists(there)
    assert JsonApi(url=gateway.url).get(f"/v1/moderations/{reused.id}/labels").status == 200
    _erased(gateway, reused.asset_id)
    assert not gateway.services.media.exists(there)
    assert gateway.services.media.exists(mine)  # It is a user's own.


def test_a_job_that_runs_keeps_its_slot_and_is_waited_for(gateway: Gateway) -> None:
    gateway.pipeline.endpoint.tell(Script.model_validate({"labels": NUDE, "seconds": 1.5}))
    answer = upload(gateway, NAME, moderation="aws_rek_video")
    asset_id = _id(answer["asset_id"])
    with read(gateway.services.engine) as conn:
        [moderation] = moderations.of_asset(conn, asset_id, limit=2)
    gateway.pipeline.when(moderation.id, Stage.ANALYSING)
    asset = _asset(gateway, asset_id)
    programs = JsonApi(url=gateway.url)
    assert programs.send("DELETE", f"/v1/assets/{asset_id}", None).json["state"] == "erasing"
    assert gateway.pipeline.get(moderation.id) is not None
    assert bytes_at(answer["url"], gateway) is None
    eventually(lambda: _ended(programs, asset_id))
    assert gateway.pipeline.endpoint.journal.summary()["jobs"] == 1
    _nothing_is_left(gateway, asset, _needles(gateway, asset))


def test_an_answer_that_told_of_it_is_not_repeated(gateway: Gateway) -> None:
    _judged(gateway)
    programs = JsonApi(url=gateway.url)
    asked: dict[str, Any] = {"public_id": NAME, "moderation": "manual"}
    made = programs.post("/v1/moderations", asked, Idempotency_Key="once").json
    _erased(gateway, made["asset"]["asset_id"])
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
    _erased(gateway, made["asset"]["asset_id"])
    with read(gateway.services.engine) as conn:
        assert conn.execute(sa.select(table)).all() == []


class Death(BaseException):
    """Raised where the process dies."""


@pytest.mark.parametrize("point", ["purge", "forget", "rows"])
def test_a_process_may_die_on_the_way(gateway: Gateway, monkeypatch: pytest.MonkeyPatch, point: str) -> None:
    asset, _ = _judged(gateway)
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
    _erased(gateway, asset.id)
    assert deaths == [point]
    _nothing_is_left(gateway, asset, _needles(gateway, asset))


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
    _erased(gateway, asset.id)
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
    after = _asset(gateway, asset.id)
    assert after.deleted_at is not None
    assert [path for path in _files(gateway) if "quarantine" in path] == []
    answer = api.restore_by_asset_ids([asset.id.replace("-", "")], **gateway.cloud)
    assert answer[asset.id.replace("-", "")] == {"error": "no_backup"}
    with read(gateway.services.engine) as conn:  # The verdict stays.
        assert [one.status for one in moderations.of_asset(conn, asset.id, limit=2)] == [Status.REJECTED]


def test_bytes_that_were_approved_meanwhile_stay(gateway: Gateway) -> None:
    asset, url = _judged(gateway)
    _asked(gateway, asset, Scope.BYTES)
    assert _asset(gateway, asset.id).deleted_at is None
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
