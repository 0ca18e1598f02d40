"""Gists are kept with the verdicts on labels, one for each job's."""

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from clipwarden import labels
from clipwarden.gist import Condenser, Gist
from clipwarden.moderation import Location
from clipwarden.rejudgement import apply, rejudge
from clipwarden.store import gists, schema
from clipwarden.store.engine import read, write
from clipwarden_local.analysis.scripted import Script
from fixtures.pipeline import Pipeline
from records import START

WEAPONS = Script.model_validate({"labels": [{"at": 500, "path": ["Violence", "Weapons"], "confidence": 70}]})
GIST = Gist(taxonomy="7.0", heights={"Weapons\nViolence": 70.0})


def test_a_gist_replaces_an_earlier_one_of_the_same_labels(engine: Engine) -> None:
    other = Gist(taxonomy="6.1", heights={"\N{BLACK SPADE SUIT}\n\0": 100 / 3})
    with write(engine) as conn:
        assert gists.of(conn, "labels/a") is None
        for gist in (GIST, other):
            gists.keep(conn, "labels/a", gist, now=START)
        gists.keep(conn, "labels/b", GIST, now=START)
    with read(engine) as conn:
        assert (gists.of(conn, "labels/a"), gists.of(conn, "labels/b")) == (other, GIST)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_verdict_comes_with_the_gist_of_its_labels_and_another_policys_without(pipeline: Pipeline) -> None:
    pipeline.endpoint.tell(WEAPONS)
    services = pipeline.services
    first = pipeline.decided(pipeline.submit(moderation="aws_rek_video:min_confidence:0.1"))
    condenser = Condenser(first.model_version)
    kept = labels.read(services.media, Location(bucket="clipwarden", key=first.labels_key or ""))
    assert list(condenser.passing(kept))
    rejudged = rejudge(services.engine, services.media, first.id, "aws_rek_video:weapons:0.9", bucket="clipwarden")
    pipeline.decided(apply(services.engine, rejudged, by="ada", now=services.clock.now()).id)
    with read(services.engine) as conn:
        assert gists.of(conn, first.labels_key or "") == condenser.gist()
        assert conn.execute(sa.select(sa.func.count()).select_from(schema.gists)).scalar_one() == 1
