"""How long it takes to simulate a policy over a hundred thousand past moderations.

``python -m bench.simulate`` fills SQLite and PostgreSQL, each with the gists of labels that a job of some minutes
reports, and asks five times what another policy would have decided; then over labels that have no gists.
"""

import argparse
import gzip
import itertools
import json
import random
import statistics
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from pydantic import SecretStr

from bench import postgres, report, workload
from clipwarden import ids
from clipwarden.gist import Condenser, Gist
from clipwarden.media.opening import open_store
from clipwarden.media.store import MediaStore
from clipwarden.moderation import BY_POLICY, Stage, Status
from clipwarden.policy import Policy
from clipwarden.settings import DatabaseSettings, MediaSettings
from clipwarden.simulating import Limits, simulate
from clipwarden.simulation import Simulation
from clipwarden.store import migrating, schema
from clipwarden.store.clock import DatabaseClock
from clipwarden.store.engine import create_engine, write
from clipwarden.store.past import Search
from clipwarden.taxonomy import V7
from clipwarden.verdict import judge

_MODERATIONS, _WITHOUT = 100_000, 2_000
_RUNS = 5
_BATCH = 5_000
_BUCKET = "clipwarden"
#: Sets of labels that the moderations draw from: each has a row of its own, but making them takes a while.
_SETS = 1_000
_CLEAN, _HUMAN = 0.7, 0.02
_POLICIES = ("aws_rek_video", "aws_rek_video:violence:0.8", "aws_rek_video:swimwear_or_underwear:ignore:alcohol:0.9")
_OTHER = "aws_rek_video:violence:0.9:explicit:0.9:alcohol:0.95:hate_symbols:0.8:drugs_and_tobacco:0.9"

_Labels = list[dict[str, Any]]


def main() -> None:
    """Measure, print, keep and publish; another number of moderations than the usual is only printed."""
    parser = argparse.ArgumentParser(prog="python -m bench.simulate", description=__doc__)
    parser.add_argument("--moderations", type=int, default=_MODERATIONS, help="default %(default)s")
    arguments = parser.parse_args()
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="clipwarden-bench-") as folder, postgres.running() as server:
        urls = {"SQLite": f"sqlite:///{folder}/bench.db", "PostgreSQL": postgres.database(server)}
        for name, url in urls.items():
            figures |= measure(name, url, Path(folder) / name, arguments.moderations)
    section = report.pairs_table({**figures, **report.machine(), "moderations": arguments.moderations})
    print(section)
    if arguments.moderations == _MODERATIONS:
        report.keep("simulate", {"on": report.machine(), "figures": figures})
        report.publish({"simulate": section})


def measure(database: str, url: str, folder: Path, count: int) -> dict[str, Any]:
    """Return the figures of one database."""
    engine = create_engine(DatabaseSettings(url=SecretStr(url)))
    media = open_store(MediaSettings(root=folder, url_secret=SecretStr("urls")))
    migrating.upgrade(engine)
    _load(engine, folder / _BUCKET, count)
    print(f"{database}: {count} moderations loaded", flush=True)
    figures = _simulating(engine, media, count) | _without_gists(engine, media, count)
    engine.dispose()
    return {f"{database}: {name}": value for name, value in figures.items()}


def _simulating(engine: sa.Engine, media: MediaStore, count: int) -> dict[str, Any]:
    walls, cpus, found = [], [], None
    for _ in range(_RUNS):
        began, cpu = time.perf_counter(), time.process_time()
        found = _simulate(engine, media, count)
        walls.append(time.perf_counter() - began)
        cpus.append(time.process_time() - cpu)
        print(f"{walls[-1]:.2f} s, {cpus[-1]:.2f} s of processor time", flush=True)
    assert found is not None
    assert found.judged == count
    return {
        "s": round(statistics.median(walls), 2),
        f"slowest of {_RUNS}, s": round(max(walls), 2),
        "cpu s": round(statistics.median(cpus), 2),
        "verdicts that change": found.changed,
    }


def _without_gists(engine: sa.Engine, media: MediaStore, count: int) -> dict[str, Any]:
    last = min(_WITHOUT, count)
    with write(engine) as conn:
        conn.execute(sa.delete(schema.gists))
    began = time.perf_counter()
    assert _simulate(engine, media, last).judged == last
    return {"without gists, moderations per s": round(last / (time.perf_counter() - began))}


def _simulate(engine: sa.Engine, media: MediaStore, count: int) -> Simulation:
    return simulate(engine, media, _OTHER, Search(), bucket=_BUCKET, limits=Limits(last=count)).found


def _load(engine: sa.Engine, bucket: Path, count: int) -> None:
    """Put so many judged moderations of one video into the database, and the labels of the newest into files."""
    rng = random.Random(1)
    seen = [_labels(rng) for _ in range(_SETS)]
    judged = [[judge(one, Policy.parse(text), V7.version).to_dict() for text in _POLICIES] for one in seen]
    gists = [str(_condensed(one)) for one in seen]
    with write(engine) as conn:
        asset, pattern = workload.pattern(conn, DatabaseClock(engine), _BUCKET, "bench")
        conn.execute(sa.insert(schema.assets), asset)
    numbers = iter(range(count))
    while batch := list(itertools.islice(numbers, _BATCH)):
        rows, told = [], []
        for number in batch:
            chosen, policy = rng.randrange(_SETS), rng.randrange(len(_POLICIES))
            one = _row(rng, pattern, number, _POLICIES[policy], judged[chosen][policy])
            rows.append(one)
            told.append({"labels_key": one["labels_key"], "gist": gists[chosen], "created_at": one["created_at"]})
            if number >= count - _WITHOUT:
                _put(bucket / one["labels_key"], seen[chosen])
        with write(engine) as conn:
            conn.execute(sa.insert(schema.moderations), rows)
            conn.execute(sa.insert(schema.gists), told)
    if engine.dialect.name == "postgresql":
        with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as conn:
            conn.exec_driver_sql("VACUUM ANALYZE")


def _labels(rng: random.Random) -> _Labels:
    """Draw what a job reports of a video: mostly nothing, else some scenes of a few categories with all above them."""
    if rng.random() < _CLEAN:
        return []
    leaves = rng.sample(V7.categories, rng.randint(1, 4))
    scenes = [(rng.choice(leaves), rng.randrange(0, 180_000, 500), 50 + 50 * rng.betavariate(1, 3)) for _ in range(20)]
    return [
        {"Timestamp": at, "ModerationLabel": {"Name": one.name, "ParentName": one.parent, "Confidence": confidence}}
        for leaf, at, confidence in sorted(scenes, key=lambda scene: scene[1])
        for one in (V7.at(leaf.path[:depth]) for depth in range(1, leaf.level + 1))
    ]


def _condensed(seen: _Labels) -> Gist:
    condenser = Condenser(V7.version)
    for label in seen:
        condenser.add(label)
    gist = condenser.gist()
    assert gist is not None
    return gist


def _row(
    rng: random.Random, pattern: dict[str, Any], number: int, policy: str, verdict: dict[str, Any]
) -> dict[str, Any]:
    id, moment = ids.new_id(), pattern["created_at"] + timedelta(seconds=number)
    human = rng.random() < _HUMAN
    return {
        **pattern,
        "id": id,
        "policy": policy,
        "stage": Stage.DECIDED,
        "status": rng.choice([Status.APPROVED, Status.REJECTED]) if human else verdict["status"],
        "decided_by": "human:ada" if human else BY_POLICY,
        "due_at": None,
        "min_confidence": 50.0,
        "labels_key": f"labels/{id}/1.jsonl.gz",
        "model_version": V7.version,
        "verdict": verdict,
        "created_at": moment,
        "updated_at": moment,
    }


def _put(path: Path, seen: _Labels) -> None:
    """Write labels as ``clipwarden.labels`` does, but for the moment at which they are safe on the disk."""
    path.parent.mkdir(parents=True)
    lines = "".join(json.dumps(label, separators=(",", ":")) + "\n" for label in seen)
    path.write_bytes(gzip.compress(lines.encode(), compresslevel=6))


if __name__ == "__main__":
    main()
