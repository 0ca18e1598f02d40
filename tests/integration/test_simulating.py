"""A policy is simulated over past moderations: as if each were judged anew, and nothing changes."""

import gzip
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlalchemy.engine import Engine

from clipwarden import errors, ids, rejudgement, simulating
from clipwarden.cli.main import main
from clipwarden.gist import Condenser
from clipwarden.media.opening import open_store
from clipwarden.media.store import MediaStore
from clipwarden.moderation import Account, Kind, Location, Moderation, Stage, Status
from clipwarden.policy import Policy
from clipwarden.settings import MediaSettings
from clipwarden.simulating import Ended, Limits, Simulated
from clipwarden.simulation import Case, Simulation, Unjudged
from clipwarden.store import gists, moderations, presets, schema
from clipwarden.store.engine import read, write
from clipwarden.store.past import Search
from moments import SETTINGS, TAXONOMY, flat, moments, written
from records import START, account, asset, at, moderation
from sightings import label

WEAPONS = [label("Violence", "", 70.0, 500), label("Weapons", "Violence", 70.0, 500)]
STRICT, LAX = "aws_rek_video", "aws_rek_video:weapons:0.8"
A_FEW = settings(
    deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A database, a media store, and what was moderated there, each a second after the one before."""

    engine: Engine
    media: MediaStore
    root: Path
    made: list[str] = field(default_factory=list)

    def owner(self, name: str = "demo") -> Account:
        with write(self.engine) as conn:
            return account(conn, name)

    def judged(
        self,
        owner: Account,
        seen: Sequence[dict[str, Any]] | None = (),
        *,
        condensed: bool = True,
        human: Status | None = None,
        **values: Any,
    ) -> Moderation:
        """Make a moderation that ended, whose labels are kept as workers keep them."""
        values = {"policy": STRICT, "model_version": "7.0", "min_confidence": 0.0, **values}
        if seen is not None:
            values["labels_key"] = f"labels/{ids.new_id()}/1.jsonl.gz"
            self.keep(values["labels_key"], "".join(json.dumps(one) + "\n" for one in seen).encode())
        with write(self.engine) as conn:
            of, now = asset(conn, owner, f"clip {len(self.made)}"), at(len(self.made))
            status = human or Status.APPROVED
            id = moderation(conn, of, stage=Stage.DECIDED, status=status, due_at=None, now=now).id
            values["decided_by"] = "human:ada" if human else "policy"
            conn.execute(sa.update(schema.moderations).where(schema.moderations.c.id == id).values(**values))
            condenser = Condenser(values["model_version"])
            if list(condenser.passing(seen or ())) and condensed and (gist := condenser.gist()) is not None:
                gists.keep(conn, values["labels_key"], gist, now=now)
            made = moderations.by_id(conn, id)
        assert made is not None
        self.made.append(id)
        return made

    def keep(self, key: str, data: bytes, *, zipped: bool = True) -> None:
        path = self.root / "clipwarden" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(data) if zipped else data)

    def simulate(self, policy: str, search: Search = Search(), **given: Any) -> Simulated:  # noqa: B008 # frozen
        after = given.pop("after", None)
        limits = Limits(**{"last": 1000, **given})
        return simulating.simulate(
            self.engine, self.media, policy, search, bucket="clipwarden", limits=limits, after=after
        )

    def rows(self) -> list[Any]:
        with read(self.engine) as conn:
            return [conn.execute(sa.select(table)).all() for table in schema.metadata.sorted_tables]


@pytest.fixture
def world(engine: Engine, tmp_path: Path) -> World:
    root = tmp_path / "media"
    return World(engine=engine, media=open_store(MediaSettings(root=root, url_secret=SecretStr("urls"))), root=root)


def verdicts(found: Simulation) -> tuple[int, int, int, int]:
    return found.still_approved, found.still_rejected, found.approved_to_rejected, found.rejected_to_approved


@A_FEW
@given(st.data(), SETTINGS)
def test_a_simulation_says_what_judging_each_moderation_anew_says(
    world: World, data: st.DataObject, chosen: dict[str, str]
) -> None:
    owner = world.owner(ids.new_id())
    made = []
    for _ in range(data.draw(st.integers(0, 4))):
        taxonomy = data.draw(TAXONOMY)
        one = world.judged(
            owner,
            flat(data.draw(moments(taxonomy))),
            condensed=data.draw(st.booleans()),
            policy=str(written(data.draw(SETTINGS))),
            min_confidence=data.draw(st.sampled_from([0.0, 30.0, 50.0])),
            model_version=data.draw(st.sampled_from([taxonomy.version, None])),
            human=data.draw(st.sampled_from([None, Status.APPROVED, Status.REJECTED])),
        )
        made.append(one)
        if data.draw(st.booleans()):
            reused = {name: getattr(one, name) for name in ("labels_key", "model_version")}
            made.append(world.judged(owner, None, **reused, labels_of=one.id, min_confidence=50.0))
    other = str(written(chosen))
    found = world.simulate(other, Search(account_id=owner.id)).found
    expected = Simulation(listed=100)
    for one in reversed(made):
        try:
            anew = rejudgement.rejudge(world.engine, world.media, one.id, other, bucket="clipwarden")
        except errors.Conflict:
            expected.skip(one.created_at, Unjudged.LABELS_INSUFFICIENT)
            continue
        present, then = (
            {each.path: each.confidence for each in by.verdict.reasons} for by in (anew.present, anew.other)
        )
        expected.add(
            Case(
                id=one.id,
                asset_id=one.asset_id,
                created_at=one.created_at,
                human=one.status if one.decided_by == "human:ada" else None,
                present=present,
                other=then,
            )
        )
    assert found == expected


def test_verdicts_that_change_are_counted_by_category_and_listed(world: World) -> None:
    owner = world.owner()
    clean, kept = world.judged(owner), world.judged(owner, WEAPONS)
    passed = world.judged(owner, WEAPONS, policy="aws_rek_video:weapons:ignore")
    before = world.rows()
    laxer = world.simulate(LAX)
    assert (laxer.ended, laxer.next_cursor, laxer.flips_cursor) == (Ended.ALL, None, None)
    assert verdicts(laxer.found) == (2, 0, 0, 1)
    told = world.simulate(STRICT).to_dict()
    assert (told["examined"], told["newest"], told["oldest"]) == (3, passed.created_at, clean.created_at)
    assert told["categories"] == [
        {
            "path": ["Violence", "Weapons"],
            "present": 1,
            "other": 2,
            "approved_to_rejected": 1,
            "rejected_to_approved": 0,
        }
    ]
    assert told["flips"] == [
        {
            "id": passed.id,
            "asset_id": passed.asset_id.replace("-", ""),
            "created_at": passed.created_at,
            "present": "approved",
            "other": "rejected",
            "human": None,
            "categories": [{"path": ["Violence", "Weapons"], "confidence": 70.0}],
        }
    ]
    assert kept.id not in json.dumps(told, default=str)
    assert world.rows() == before


def test_both_policies_are_compared_with_what_humans_have_decided(world: World) -> None:
    owner = world.owner()
    world.judged(owner, WEAPONS, human=Status.APPROVED)
    world.judged(owner, WEAPONS, human=Status.REJECTED)
    world.judged(owner, WEAPONS)
    world.judged(owner, human=Status.REJECTED)
    assert world.simulate(LAX).to_dict()["humans"] == {
        "decided": 3,
        "present": {"agrees": 1, "too_strict": 1, "too_lax": 1},
        "other": {"agrees": 1, "too_strict": 0, "too_lax": 2},
    }


def test_what_cannot_be_judged_again_is_counted_by_its_reason(world: World) -> None:
    owner = world.owner()
    world.judged(owner, None, human=Status.REJECTED)
    gone = world.judged(owner, WEAPONS, condensed=False)
    world.media.delete(Location(bucket="clipwarden", key=gone.labels_key or ""))
    world.judged(owner, WEAPONS, min_confidence=50.0)
    for data, zipped in ((b"no label\n", True), (b'{"Timestamp":0}\n', True), (b"not gzip", False)):
        broken = world.judged(owner, WEAPONS, condensed=False)
        world.keep(broken.labels_key or "", data, zipped=zipped)
    world.judged(owner, WEAPONS, policy="aws_rek_video:no_such_category:0.5")
    cut = world.judged(owner, WEAPONS, condensed=False)
    path = world.root / "clipwarden" / (cut.labels_key or "")
    path.write_bytes(path.read_bytes()[:-10])
    found = world.simulate("aws_rek_video:weapons:0.3").found
    assert (found.examined, found.judged) == (8, 0)
    assert found.unjudged == Counter(no_labels=1, labels_gone=1, labels_insufficient=1, unreadable=5)


def test_a_gist_tells_what_labels_that_are_gone_told(world: World) -> None:
    gone = world.judged(world.owner(), WEAPONS)
    world.media.delete(Location(bucket="clipwarden", key=gone.labels_key or ""))
    assert verdicts(world.simulate(LAX).found) == (0, 0, 0, 1)


def test_labels_of_another_ones_job_are_kept_from_what_that_was_asked_for(world: World) -> None:
    owner = world.owner()
    origin = world.judged(owner, WEAPONS, min_confidence=10.0)
    reused: dict[str, Any] = {"labels_of": origin.id, "labels_key": origin.labels_key, "min_confidence": 50.0}
    world.judged(owner, None, **reused)
    assert world.simulate("aws_rek_video:weapons:0.1").found.judged == 2
    assert world.simulate("aws_rek_video:weapons:0.05").found.unjudged == Counter(labels_insufficient=2)


def test_names_of_both_taxonomies_are_read_as_each_account_has_them(world: World) -> None:
    seen = [label("Explicit Nudity", "Explicit", 70.0), label("Explicit", "", 70.0)]
    for name, taxonomy in (("old", "6.1"), ("new", "7.0")):
        owner = world.owner(name)
        with write(world.engine) as conn:
            conn.execute(
                sa.update(schema.accounts).where(schema.accounts.c.id == owner.id).values(default_taxonomy=taxonomy)
            )
        world.judged(owner, seen)
        anew = Policy.parse("aws_rek_video:explicit_nudity:0.9", default_taxonomy=taxonomy)
        by_labels = rejudgement.verdicts(seen, "7.0", (anew, anew))[0].status
        found = world.simulate(str(anew), Search(account_id=owner.id)).found
        assert verdicts(found) == ((0, 0, 0, 1) if by_labels is Status.APPROVED else (0, 1, 0, 0))


def test_moderations_are_chosen_by_all_that_is_asked_for(world: World) -> None:
    ours, others = world.owner(), world.owner("other")
    made = [world.judged(ours), world.judged(ours, policy=LAX), world.judged(others), world.judged(ours)]
    world.judged(ours, rejudges=made[0].id)
    with write(world.engine) as conn:
        moderation(conn, asset(conn, ours, "waits"), now=at(99))
        moderation(conn, asset(conn, ours, "manual"), kind=Kind.MANUAL, status=Status.APPROVED, now=at(99))
        options = {"moderation": "manual|aws_rek_video:weapons:.80"}
        presets.ensure(conn, account_id=ours.id, name="site", options=options, now=START)
        presets.ensure(conn, account_id=ours.id, name="none", options={"moderation": "manual"}, now=START)
    with read(world.engine) as conn:
        assert simulating.preset_policy(conn, ours, "site") == LAX
        for name, refusal in (("none", errors.Conflict), ("unknown", errors.NotFound)):
            with pytest.raises(refusal):
                simulating.preset_policy(conn, ours, name)
    for search, expected in (
        (Search(), 4),
        (Search(account_id=ours.id), 3),
        (Search(account_id=ours.id, policy=LAX), 1),
        (Search(since=made[1].created_at), 3),
        (Search(before=made[1].created_at), 1),
        (Search(kind=Kind.MANUAL), 1),
    ):
        assert world.simulate(STRICT, search).found.examined == expected, search


def test_a_simulation_goes_on_where_another_ended(world: World) -> None:
    owner = world.owner()
    changed = [world.judged(owner, WEAPONS).id for _ in range(5)][::-1]
    first = world.simulate(LAX, last=2)
    rest = world.simulate(LAX, after=first.next_cursor)
    assert (first.ended, rest.ended) == (Ended.LAST, Ended.ALL)
    assert [case.id for one in (first, rest) for case in one.found.flips] == changed
    some = world.simulate(LAX, listed=3)
    more = world.simulate(LAX, listed=3, after=some.flips_cursor)
    assert [case.id for one in (some, more) for case in one.found.flips] == changed
    assert (some.found.changed, more.flips_cursor) == (5, None)
    none = world.simulate(LAX, listed=0)
    assert (none.found.changed, none.found.flips, none.flips_cursor) == (5, [], None)


@pytest.mark.parametrize("condensed", [True, False])
def test_a_simulation_whose_time_is_up_says_where_to_go_on(world: World, condensed: bool) -> None:  # noqa: FBT001
    owner = world.owner()
    for _ in range(3):
        world.judged(owner, WEAPONS, condensed=condensed)
    seen, after = [], None
    for ended in (Ended.TIME, Ended.TIME, Ended.ALL):
        part = world.simulate(LAX, seconds=0, after=after)
        assert (part.found.examined, part.ended) == (1, ended)
        seen += [case.id for case in part.found.flips]
        after = part.next_cursor
    assert (seen, after) == (world.made[::-1], None)
    assert world.simulate(LAX, Search(before=START), seconds=0).ended is Ended.ALL


def test_what_is_no_policy_or_no_cursor_is_refused(world: World) -> None:
    with pytest.raises(errors.PolicyError):
        world.simulate("aws_rek_video:alcohl:0.5")
    with pytest.raises(errors.Conflict):
        world.simulate(STRICT, after="no cursor")


def run(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(["policy", "simulate", *words])
    captured = capsys.readouterr()
    return captured.out if ended.value.code == 0 else captured.err


def test_the_command_tells_people_and_programs(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CLIPWARDEN_DATABASE__URL", world.engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("CLIPWARDEN_MEDIA__ROOT", str(world.root))
    owner = world.owner()
    world.judged(owner, WEAPONS, human=Status.APPROVED)
    two = [world.judged(owner, WEAPONS).id for _ in range(2)]
    with write(world.engine) as conn:
        presets.ensure(conn, account_id=owner.id, name="site", options={"moderation": STRICT}, now=START)
    told = json.loads(run(capsys, LAX, "--account", "demo", "--preset", "site", "--list", "2", "--json"))
    assert (told["moderation"], told["verdicts"]["rejected_to_approved"]) == (LAX, 3)
    assert [one["id"] for one in told["flips"]] == two[::-1]
    assert json.loads(run(capsys, LAX, "--after", told["more_flips"], "--json"))["examined"] == 1
    shown = run(capsys, LAX, "--last", "2", "--list", "1", "--since", START.isoformat(), "--until", "2030-01-01")
    assert "rejected to approved  2" in shown
    assert "Violence > Weapons 70.0" in shown
    assert "1 more change" in shown
    assert "earlier moderations: --last" in shown
    assert "humans have decided 1 of those judged" in run(capsys, LAX)
    for words, code in (
        (("aws_rek_video:alcohl:0.5",), "invalid_policy"),
        ((LAX, "--account", "nobody"), "not_found"),
        ((LAX, "--preset", "site"), "conflict"),
        ((LAX, "--after", "x"), "conflict"),
    ):
        assert json.loads(run(capsys, *words, "--json"))["error"]["code"] == code
    assert "--last" in run(capsys, LAX, "--last", "0")
