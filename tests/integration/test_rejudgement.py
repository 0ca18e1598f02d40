"""Another policy is tried, and put into force, on labels that were paid for once."""

import re
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from clipwarden import decisions, errors
from clipwarden.moderation import Location, Moderation, Placement, Stage, Status
from clipwarden.rejudgement import Rejudgement, apply, rejudge
from clipwarden.store import assets, audit, schema
from clipwarden.store.engine import read, write
from clipwarden_local.analysis.scripted import Script
from fixtures.pipeline import Pipeline
from waiting import eventually

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "change-a-policy.md"
SHOWN: list[dict[str, Any]] = [
    {"at": 0, "path": ["Alcohol", "Alcoholic Beverages"], "confidence": 40},
    {"at": 500, "path": ["Violence", "Weapons"], "confidence": 70},
]
LAX = "aws_rek_video:weapons:ignore"
STRICT = "aws_rek_video"


@pytest.fixture
def approved(pipeline: Pipeline) -> Moderation:
    """Return a moderation whose lax policy let weapons pass."""
    pipeline.endpoint.tell(Script.model_validate({"labels": SHOWN}))
    return pipeline.decided(pipeline.submit(moderation=LAX, public_id="clip"))


def _rejudge(pipeline: Pipeline, moderation_id: str, policy: str = STRICT) -> Rejudgement:
    services = pipeline.services
    return rejudge(services.engine, services.media, moderation_id, policy, bucket=services.settings.media.bucket)


def _apply(pipeline: Pipeline, moderation_id: str, policy: str = STRICT) -> Moderation:
    services = pipeline.services
    return apply(services.engine, _rejudge(pipeline, moderation_id, policy), by="ada", now=services.clock.now())


def _rows(pipeline: Pipeline) -> int:
    with read(pipeline.services.engine) as conn:
        return conn.execute(sa.select(sa.func.count()).select_from(schema.moderations)).scalar_one()


def _jobs(pipeline: Pipeline) -> int:
    return int(pipeline.endpoint.journal.summary()["jobs"])


def _override(pipeline: Pipeline, moderation: Moderation, status: Status) -> None:
    with write(pipeline.services.engine) as conn:
        now = pipeline.services.clock.now()
        decisions.override(conn, moderation.id, status=status, by="eve", labels=(), public_url="http://x", now=now)


def _is(pipeline: Pipeline, asset_id: str, placement: Placement) -> bool:
    with read(pipeline.services.engine) as conn:
        asset = assets.by_id(conn, asset_id)
    return asset is not None and asset.placed is asset.wanted is placement and asset.due_at is None


def test_another_policy_is_tried_and_nothing_changes(pipeline: Pipeline, approved: Moderation) -> None:
    tried = _rejudge(pipeline, approved.id)
    assert (tried.present.verdict.status, tried.other.verdict.status) == (Status.APPROVED, Status.REJECTED)
    assert tried.present.verdict.to_dict() == approved.verdict
    assert [reason.label for reason in tried.other.verdict.reasons] == ["Weapons"]
    assert not tried.replaced
    assert pipeline.get(approved.id) == approved
    assert _rows(pipeline) == 1


def test_another_policy_that_is_applied_goes_the_way_of_every_verdict_without_a_job(
    pipeline: Pipeline, approved: Moderation
) -> None:
    made = _apply(pipeline, approved.id)
    assert (made.stage, made.status) == (Stage.JUDGING, Status.PENDING)
    judged = pipeline.decided(made.id)
    assert (judged.status, judged.labels_of, judged.rejudges) == (Status.REJECTED, approved.id, approved.id)
    assert (judged.job_id, judged.attempt, _jobs(pipeline)) == (None, 0, 1)
    eventually(lambda: _is(pipeline, judged.asset_id, Placement.QUARANTINE))
    told = pipeline.receiver.wait_for(judged.id, within=20)
    assert told is not None
    assert told.verified
    with read(pipeline.services.engine) as conn:
        assert [(event.actor, event.action) for event in audit.of_moderation(conn, judged.id)] == [
            ("human:ada", "rejudged"),
            ("policy", "rejected"),
        ]
    assert pipeline.decided(_apply(pipeline, judged.id, LAX).id).rejudges == approved.id
    eventually(lambda: _is(pipeline, judged.asset_id, Placement.LIBRARY))


def test_applying_twice_is_applying_once_until_something_else_is_asked_for(
    pipeline: Pipeline, approved: Moderation
) -> None:
    first = _apply(pipeline, approved.id)
    assert _apply(pipeline, approved.id).id == first.id
    assert pipeline.decided(first.id).status is Status.REJECTED
    assert _apply(pipeline, first.id).id == first.id
    assert _rows(pipeline) == 2
    eventually(lambda: _is(pipeline, approved.asset_id, Placement.QUARANTINE))
    lax = pipeline.decided(_apply(pipeline, approved.id, LAX).id)
    eventually(lambda: _is(pipeline, approved.asset_id, Placement.LIBRARY))
    again = pipeline.decided(_apply(pipeline, lax.id).id)
    assert again.id != first.id
    assert (lax.labels_of, again.labels_of) == (approved.id, approved.id)
    assert _jobs(pipeline) == 1


def test_what_a_human_has_decided_about_the_video_stands(pipeline: Pipeline, approved: Moderation) -> None:
    _override(pipeline, approved, Status.APPROVED)
    judged = pipeline.decided(_apply(pipeline, approved.id).id)
    assert judged.status is Status.REJECTED
    assert _is(pipeline, approved.asset_id, Placement.LIBRARY)
    _override(pipeline, judged, Status.REJECTED)
    eventually(lambda: _is(pipeline, approved.asset_id, Placement.QUARANTINE))


def test_newer_bytes_are_not_judged_by_older_labels(pipeline: Pipeline, approved: Moderation) -> None:
    newer = str(pipeline.put(pipeline.clips("mov"), key="in/newer.mov"))
    pipeline.endpoint.tell(Script())
    assert pipeline.decided(pipeline.client.enqueue(newer, public_id="clip")).status is Status.APPROVED
    assert _rejudge(pipeline, approved.id).replaced
    judged = pipeline.decided(_apply(pipeline, approved.id).id)
    assert (judged.status, judged.asset_version) == (Status.REJECTED, approved.asset_version)
    assert _is(pipeline, approved.asset_id, Placement.LIBRARY)


@pytest.mark.parametrize(
    ("policy", "culprit"),
    [
        ("aws_rek_video:weapons:0.7:alcohol:0.3", "alcohol:0.3 needs them from 30"),
        ("aws_rek_video:alcohol:0.4:min_confidence:0.2", "min_confidence:0.2 needs them from 20"),
    ],
)
def test_a_policy_that_needs_labels_which_were_not_kept_is_refused(
    policy: str, culprit: str, pipeline: Pipeline, approved: Moderation
) -> None:
    with pytest.raises(errors.Conflict, match=f"from a confidence of 50 on, but {culprit}"):
        _rejudge(pipeline, approved.id, policy)


def test_labels_that_were_kept_for_a_stricter_need_answer_for_all_that_follow(pipeline: Pipeline) -> None:
    pipeline.endpoint.tell(Script.model_validate({"labels": SHOWN}))
    origin = pipeline.decided(pipeline.submit(moderation=f"{LAX}:min_confidence:0.1"))
    laxer = pipeline.decided(_apply(pipeline, origin.id, LAX).id)
    assert (laxer.labels_of, laxer.min_confidence) == (origin.id, 50.0)
    strict = pipeline.decided(_apply(pipeline, laxer.id, "aws_rek_video:weapons:ignore:alcohol:0.3").id)
    assert (strict.status, strict.labels_of) == (Status.REJECTED, origin.id)


def test_what_has_no_labels_or_is_not_known_is_refused(pipeline: Pipeline) -> None:
    manual = pipeline.when(pipeline.submit(moderation="manual"), Stage.REVIEW)
    with pytest.raises(errors.Conflict, match="no labels"):
        _rejudge(pipeline, manual.id)
    for unknown in ("018f0000-0000-7000-8000-000000000003", "no id"):
        with pytest.raises(errors.NotFound):
            _rejudge(pipeline, unknown)


def test_labels_that_are_gone_are_said_to_be_gone_and_nothing_is_paid(pipeline: Pipeline, approved: Moderation) -> None:
    made = _rejudge(pipeline, approved.id)
    assert approved.labels_key is not None
    pipeline.services.media.delete(Location(bucket="clipwarden", key=approved.labels_key))
    with pytest.raises(errors.MediaNotFound):
        _rejudge(pipeline, approved.id)
    applied = apply(pipeline.services.engine, made, by="ada", now=pipeline.services.clock.now())
    judged = pipeline.decided(applied.id)
    assert (judged.status, judged.error_code) == (Status.ABORTED, "media_not_found")
    assert _jobs(pipeline) == 1
    assert _is(pipeline, approved.asset_id, Placement.LIBRARY)


def test_the_example_of_the_documentation_shows_both_verdicts(
    pipeline: Pipeline, approved: Moderation, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = pipeline.services.settings
    monkeypatch.setenv("CLIPWARDEN_DATABASE__URL", settings.database.url.get_secret_value())
    monkeypatch.setenv("CLIPWARDEN_MEDIA__ROOT", str(settings.media.root))
    (example,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(example.replace("018f0000-0000-7000-8000-000000000003", approved.id), names)  # that is the point
    names["engine"].dispose()
    assert "approved rejected" in capsys.readouterr().out.splitlines()  # The workers' log lines stand there too.
