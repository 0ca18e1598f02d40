"""Whatever was done to a video, in whichever way it came, and wherever it is kept: erased, it is nowhere any more."""

import io
import re
import threading
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import sqlalchemy as sa
from cloudinary.uploader import call_api

import remnants
from clipwarden import ids, labels
from clipwarden.moderation import Asset, Kind, Location, Moderation, Placement, Status
from clipwarden.people import Role
from clipwarden.store import bulk, moderations, schema, uploads
from clipwarden.store.bulk import Action, Job, Skipped
from clipwarden.store.engine import read, write
from clipwarden.store.queues import Search
from clipwarden_local.analysis.scripted import Script
from erasing import dashed, erased, present, rested
from fixtures.aws import Aws
from fixtures.clips import padded
from fixtures.console import Browser, user
from fixtures.gateway import Gateway, serving_gateway
from fixtures.pipeline import SECRET, Pipeline
from json_api import JsonApi
from sdk import VIDEO, upload
from waiting import eventually

# The SDK has no types.
call: Any = call_api

MIB = 1024**2
#: What of the video must not be found anywhere.
NAME, TAG, TOLD = "greta-4711", "tag-4712", "context-4713"
NUDE = [{"at": 0, "path": ["Explicit", "Explicit Nudity"], "confidence": 99}]


@pytest.fixture
def pipeline_settings(pipeline_settings: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Have a lease that is short: it is waited for when something was under way."""
    pipeline_settings["worker"]["lease"] = 1
    return pipeline_settings


@pytest.fixture
def large(pipeline: Pipeline) -> bytes:
    """Return a video that comes in two chunks."""
    return padded(pipeline.clips("plain").read_bytes(), bytes(7 * MIB))


def in_chunks(gateway: Gateway, content: bytes, **options: Any) -> dict[str, Any]:
    """Upload a video as the SDKs do large ones, and return the last answer."""
    answer = {}
    for start in range(0, len(content), 6 * MIB):
        end = min(start + 6 * MIB, len(content))
        told = {"Content-Range": f"bytes {start}-{end - 1}/{len(content)}", "X-Unique-Upload-Id": NAME}
        asked = {"public_id": NAME, "timestamp": int(gateway.services.clock.now().timestamp()), **options}
        sent = {"http_headers": told, "file": ("file", content[start:end])}
        answer = call("upload", asked, **sent, **gateway.cloud, **VIDEO)
    return dict(answer)


def newest(gateway: Gateway, asset: Asset) -> Moderation:
    with read(gateway.services.engine) as conn:
        return moderations.of_asset(conn, asset.id, limit=1)[0]


def leave_labels_of_earlier_attempts(gateway: Gateway, moderation: Moderation) -> None:
    """Be two processes that died between keeping labels and saying so."""
    m, bucket = schema.moderations.c, gateway.services.settings.media.bucket
    for attempt in (2, 3):
        where = Location(bucket=bucket, key=labels.key(moderation.id, attempt))
        gateway.services.media.put(where, io.BytesIO(b"labels"))
    with write(gateway.services.engine) as conn:
        conn.execute(sa.update(schema.moderations).where(m.id == moderation.id).values(attempt=3))


def review(gateway: Gateway, browser: Browser, moderation: Moderation) -> None:
    """Approve it as a reviewer does."""
    page = browser.get(f"/console/cases/{moderation.id}").text
    form = {name: re.findall(rf'name="{name}" value="([^"]*)"', page)[0] for name in ("claim", "seen")}
    assert browser.post(f"/console/cases/{moderation.id}/decide", verdict="approve", **form).status == 200
    eventually(lambda: (there := present(gateway, moderation.asset_id)).due_at is None and there.placed == "library")


def begin_job(gateway: Gateway, user_id: str, *, wait: timedelta) -> Job:
    """Begin a job that rejects all that people were to look at."""
    now = gateway.services.clock.now()
    with write(gateway.services.engine) as conn:
        return bulk.begin(
            conn,
            Search(kind=Kind.AWS_REK_VIDEO),
            id=ids.new_id(),
            user_id=user_id,
            action=Action.REJECT,
            expected=1,
            due_at=now + wait,
            now=now,
            filters={"kind": "aws_rek_video"},
        )


def ended(gateway: Gateway, job: Job) -> Job:
    """Return the job once it has ended."""

    def found() -> Job | None:
        with read(gateway.services.engine) as conn:
            now = bulk.by_id(conn, job.id)
        return now if now is not None and now.ended_at is not None else None

    done = eventually(found)
    assert done is not None
    return done


def asked_with_keys(gateway: Gateway) -> None:
    """Have answers kept that tell of it: one that may be repeated, and one that is too old for that."""
    asked, programs, table = {"public_id": NAME, "moderation": "manual"}, JsonApi(url=gateway.url), schema
    for key in ("old", "young"):
        assert programs.post("/v1/moderations", asked, Idempotency_Key=key).status == 201
    past = gateway.services.clock.now() - timedelta(hours=1)
    old = table.idempotent_requests.c.key == "old"
    with write(gateway.services.engine) as conn:
        conn.execute(sa.update(table.idempotent_requests).where(old).values(expires_at=past))


def test_a_video_with_a_long_history_is_nowhere(gateway: Gateway, large: bytes) -> None:
    engine, root = gateway.services.engine, gateway.services.settings.media.root
    assert root is not None
    described = {"tags": TAG, "context": f"who={TOLD}", "notification_url": gateway.pipeline.receiver.url}
    ana = Browser(gateway.services)
    user_id = user(engine, role=Role.SUPERVISOR).id
    ana.sign_in()
    first = in_chunks(gateway, large, moderation="aws_rek_video", backup="true", **described)
    asset = rested(gateway, dashed(first["asset_id"]))
    upload(gateway, NAME, backup=False)  # What came in chunks is kept as a version.
    upload(gateway, NAME, clip="rotated", moderation="aws_rek_video", **described)  # The one before it is left over.
    asset = rested(gateway, asset.id)
    judged = newest(gateway, asset)
    leave_labels_of_earlier_attempts(gateway, judged)
    assert ended(gateway, begin_job(gateway, user_id, wait=timedelta())).done == 1
    review(gateway, ana, judged)
    asked_with_keys(gateway)
    job = begin_job(gateway, user_id, wait=timedelta(hours=1))
    with write(engine) as conn:
        ask: dict[str, Any] = {"upload_id": "another", "token": "t"}
        ask["target"] = Location(bucket="clipwarden", key="videos/unwanted")
        now = gateway.services.clock.now()
        unwanted = uploads.begin(conn, account_id=asset.account_id, parameters={}, now=now, **ask)
        assert unwanted is not None
        uploads.become(conn, unwanted.id, asset.id, now=now, unwanted=True)
    gateway.services.media.put(unwanted.target, io.BytesIO(b"died before this was deleted"))

    picture = f"/console/posters/{asset.id}"
    assert ana.get(picture).status == 200
    own = remnants.forms(remnants.ids_of(engine, asset.id))
    assert remnants.naming(engine, own) == (remnants.OF_AN_ASSET | remnants.STAYS) - {"erasures"}
    assert len([name for name in remnants.files(root) if "labels/" in name]) >= 3
    assert len([name for name in remnants.files(root) if "videos/" in name]) == 4
    erased(gateway, asset.id)

    assert ana.get(picture).status == 404
    assert remnants.naming(engine, own) == remnants.STAYS
    assert remnants.naming(engine, [NAME, TAG, TOLD]) == set()
    assert remnants.files(root) == {}
    with write(engine) as conn:
        conn.execute(sa.update(schema.bulk_jobs).where(schema.bulk_jobs.c.id == job.id).values(due_at=now))
    missed = ended(gateway, job)
    assert (missed.done, missed.skipped) == (0, {str(Skipped.ERASED): 1})


def test_every_table_is_known_to_be_of_an_asset_or_not() -> None:
    """Whoever adds a table says whether erasing a video concerns it, and these tests look into it."""
    parts = (remnants.OF_AN_ASSET, remnants.STAYS, remnants.OF_NONE)
    assert sorted(name for part in parts for name in part) == sorted(schema.metadata.tables)


@pytest.fixture
def origin(pipeline: Pipeline) -> Iterator[str]:
    """Serve the clips, and return the address of one."""
    folder = pipeline.clips("plain").parent
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/{pipeline.clips('plain').name}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_video_that_was_fetched_is_nowhere(gateway: Gateway, origin: str) -> None:
    engine, root = gateway.services.engine, gateway.services.settings.media.root
    assert root is not None
    made = gateway.pipeline.client.enqueue(origin, public_id=NAME, notification_url=gateway.pipeline.receiver.url)
    asset = rested(gateway, gateway.pipeline.decided(made).asset_id)
    own = remnants.forms(remnants.ids_of(engine, asset.id))
    assert "moderations" in remnants.naming(engine, [origin])
    assert [name for name in remnants.files(root) if made in name and "videos/" in name] != []
    erased(gateway, asset.id)
    assert remnants.naming(engine, own) == remnants.STAYS
    assert remnants.naming(engine, [NAME, origin]) == set()
    assert remnants.files(root) == {}


@pytest.fixture
def in_s3(aws: Aws, aws_pipeline: Pipeline) -> Iterator[Gateway]:
    """Serve a gateway over a bucket that keeps versions."""
    aws.s3.put_bucket_versioning(Bucket=aws.name, VersioningConfiguration={"Status": "Enabled"})
    with serving_gateway(aws_pipeline.services.settings) as (url, services):
        cloud = {"cloud_name": "default", "api_key": "key", "api_secret": SECRET, "upload_prefix": url}
        yield Gateway(url=url, services=services, pipeline=aws_pipeline, cloud=cloud)


def in_bucket(aws: Aws) -> list[str]:
    """Return the keys of all versions, of marks that objects were deleted, and of uploads that are under way."""
    found = aws.s3.list_object_versions(Bucket=aws.name)
    kept = [*found.get("Versions", []), *found.get("DeleteMarkers", [])]
    return [one["Key"] for one in [*kept, *aws.s3.list_multipart_uploads(Bucket=aws.name).get("Uploads", [])]]


def test_no_version_of_an_object_is_left_in_a_bucket(in_s3: Gateway, aws: Aws) -> None:
    in_s3.pipeline.endpoint.tell(Script.model_validate({"labels": NUDE}))
    content = padded(in_s3.pipeline.clips("plain").read_bytes(), bytes(7 * MIB))
    first = in_chunks(in_s3, content, backup="true")
    asset = rested(in_s3, dashed(first["asset_id"]))
    upload(in_s3, NAME, tags=[TAG], moderation="aws_rek_video", notification_url=in_s3.pipeline.receiver.url)
    asset = rested(in_s3, asset.id)
    assert asset.placed is Placement.QUARANTINE
    assert newest(in_s3, asset).status is Status.REJECTED
    # The version before, what was moved away and the mark that it left there, what it was moved to, and the labels.
    assert len(in_bucket(aws)) >= 5
    own = remnants.forms(remnants.ids_of(in_s3.services.engine, asset.id))
    erased(in_s3, asset.id)
    assert in_bucket(aws) == []
    assert remnants.naming(in_s3.services.engine, own) == remnants.STAYS
    assert remnants.naming(in_s3.services.engine, [NAME, TAG]) == set()
