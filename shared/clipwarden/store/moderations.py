"""Moderations: accepting, finding, hurrying, deciding, overriding and re-judging them."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from clipwarden import errors
from clipwarden.moderation import SLOT_STAGES, Kind, Moderation, Stage, Status
from clipwarden.store import cursor, rows
from clipwarden.store.schema import assets, moderations, one_of

_c = moderations.c

#: The stages in which a job was, or may have been, started and its labels are still to be read.
UNDER_WAY = (*SLOT_STAGES, Stage.COLLECTING, Stage.JUDGING)

#: Beginning of ``decided_by`` where a human decided.
BY_HUMAN = "human:"


_ZERO = dict.fromkeys(("fence", "faults", "attempt", "looks", "decisions"), 0)


#: What a re-judgement has in common with what it re-judges.
_SAME = (
    "account_id",
    "asset_id",
    "asset_version",
    "kind",
    "source",
    "priority",
    "labels_key",
    "label_count",
    "model_version",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some moderations, newest first, and the cursor of the next page, if there is one."""

    items: tuple[Moderation, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StageCount:
    """How many moderations are in a stage, and since when the one that is there for longest."""

    stage: Stage
    count: int
    oldest: datetime | None  #: ``None`` where all wait for others of their chains.


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked for, in the place where it comes in."""

    id: str
    account_id: str
    asset_id: str
    kind: Kind
    policy: str
    source: str
    idempotency_key: str | None
    notification_urls: Sequence[str]
    priority: int
    stage: Stage
    status: Status
    due_at: datetime | None
    chain: str | None = None
    chain_position: int = 0
    asset_version: int | None = None


def accept(conn: Connection, *, now: datetime, **asked: Any) -> tuple[Moderation, bool]:
    """Create a moderation, as ``accept_all`` does."""
    return accept_all(conn, [Request(**asked)], now=now)[0]


def accept_all(conn: Connection, asked: Sequence[Request], *, now: datetime) -> list[tuple[Moderation, bool]]:
    """Create moderations in the order of the requests, and tell of each whether it is new.

    One with the same id or idempotency key is returned as it is. Raises Conflict when an id belongs to a moderation of
    another account.
    """
    if not asked:
        return []
    rest = {**_ZERO, "stage_since": now, "created_at": now, "updated_at": now}
    rows.hold(conn, assets, {request.asset_id for request in asked})
    in_order = sorted({request.id: request for request in reversed(asked)}.values(), key=lambda request: request.id)
    made = rows.insert_absent(conn, moderations, [_values(request) | rest for request in in_order])
    _supersede(conn, [row["asset_id"] for row in made])
    new = {row["id"]: parse(row) for row in made}
    answers = []
    for request in asked:
        moderation = new.pop(request.id, None)
        created = moderation is not None
        answers.append(
            (moderation or _accepted(conn, request.id, request.account_id, request.idempotency_key), created)
        )
    return answers


def rejudge(
    conn: Connection, before: Moderation, *, id: str, policy: str, min_confidence: float, now: datetime
) -> tuple[Moderation, bool]:
    """Create a moderation of the same bytes that is judged at once by the same labels, and tell whether it is new.

    It names the moderation whose job the labels are from, and the one that was asked for first.
    """
    values = {name: getattr(before, name) for name in _SAME} | {
        "id": id,
        "policy": policy,
        "min_confidence": min_confidence,
        "notification_urls": list(before.notification_urls),
        "labels_of": before.labels_of or before.id,
        "rejudges": before.rejudges or before.id,
        "stage": Stage.JUDGING,
        "status": Status.PENDING,
        "due_at": now,
    }
    rows.hold(conn, assets, [before.asset_id])
    times = dict.fromkeys(("stage_since", "created_at", "updated_at"), now)
    row = rows.insert_unless_present(conn, moderations, values | _ZERO | times)
    _supersede(conn, [before.asset_id])
    return (parse(row), True) if row is not None else (_accepted(conn, id, before.account_id, None), False)


def by_id(conn: Connection, id: str, *, account_id: str | None = None) -> Moderation | None:
    """Return the moderation with this id, if it is this account's; of any account when none is named."""
    row = rows.by_id(conn, moderations, id)
    if row is None or account_id not in (None, row["account_id"]):
        return None
    return parse(row)


def page(
    conn: Connection,
    *,
    account_id: str | None = None,
    kind: Kind | None = None,
    status: Status | None = None,
    stage: Stage | None = None,
    since: datetime | None = None,
    before: datetime | None = None,
    after: str | None = None,
    limit: int = 50,
) -> Page:
    """Return one page of the moderations that match all that is given; ``after`` is the last page's ``next_cursor``.

    ``since`` and ``before`` bound the time at which they were accepted. Raises Conflict when ``after`` is not a cursor.
    """
    wanted = {"account_id": account_id, "kind": kind, "status": status, "stage": stage}
    query = sa.select(moderations).where(*(_c[name] == value for name, value in wanted.items() if value is not None))
    if since is not None:
        query = query.where(_c.created_at >= since)
    if before is not None:
        query = query.where(_c.created_at < before)
    if after is not None:
        created_at, last_id = cursor.decode(after)
        last = sa.tuple_(sa.literal(created_at, _c.created_at.type), sa.literal(last_id, _c.id.type))
        query = query.where(sa.tuple_(_c.created_at, _c.id) < last)
    query = query.order_by(_c.created_at.desc(), _c.id.desc()).limit(limit + 1)
    found = [parse(row) for row in conn.execute(query).mappings()]
    items = tuple(found[:limit])
    return Page(items=items, next_cursor=cursor.encode(items[-1].created_at, items[-1].id) if found[limit:] else None)


def newest(conn: Connection, asset_id: str) -> Moderation | None:
    """Return the moderation of this asset that was accepted last."""
    query = sa.select(moderations).where(_c.asset_id == asset_id)
    row = conn.execute(query.order_by(_c.created_at.desc(), _c.id.desc()).limit(1)).mappings().one_or_none()
    return parse(row) if row is not None else None


def of_asset(conn: Connection, asset_id: str, *, limit: int) -> list[Moderation]:
    """Return the asset's moderations, the newest first."""
    query = sa.select(moderations).where(_c.asset_id == asset_id).order_by(_c.created_at.desc(), _c.id.desc())
    return [parse(row) for row in conn.execute(query.limit(limit)).mappings()]


def outdate(conn: Connection, asset_id: str, version: int) -> None:
    """Let what was asked about an asset's earlier bytes not count as the asset's."""
    never_seen = sa.and_(_c.asset_version.is_(None), _c.stage == Stage.DECIDED)
    about_others = sa.or_(_c.asset_version != version, never_seen)
    older = sa.update(moderations).where(_c.asset_id == asset_id, _c.superseded.is_(False), about_others)
    conn.execute(older.values(superseded=True))


def paid(
    conn: Connection, account_id: str, fingerprint: str, *, min_confidence: float, since: datetime
) -> Moderation | None:
    """Return the account's newest moderation whose own job's labels say all that is needed of these bytes.

    The job asked for labels from ``min_confidence`` or less, ended since then, and its labels were judged.
    """
    kept = (_c.labels_key.is_not(None), _c.labels_of.is_(None), _c.verdict.is_not(None))
    same = (_c.account_id == account_id, _c.fingerprint == fingerprint, _c.ended_at >= since)
    query = sa.select(moderations).where(*same, *kept, _c.min_confidence <= min_confidence)
    row = conn.execute(query.order_by(_c.ended_at.desc()).limit(1)).mappings().one_or_none()
    return parse(row) if row is not None else None


def hint(conn: Connection, job_id: str, *, now: datetime, gap: timedelta) -> list[Moderation]:
    """Make the moderation whose job this is due now if the job is not known to have ended, and return it.

    Within the gap after one hint others change nothing: however many there are, they lead to few looks. Jobs of
    several regions may have one id, and then all are meant.
    """
    running = sa.and_(_c.job_id == job_id, one_of(_c.stage, [Stage.ANALYSING]))
    rested = sa.or_(_c.hinted_at.is_(None), _c.hinted_at <= now - gap)
    hinted = sa.update(moderations).where(running, rested).values(due_at=now, hinted_at=now)
    return [parse(row) for row in conn.execute(hinted.returning(moderations)).mappings()]


def stages(conn: Connection) -> list[StageCount]:
    """Count the moderations of each stage that has any, but for those that have ended, which only grow in number."""
    # What waits for others of its chain is not begun. Rows that an earlier release made tell only when they came.
    since = sa.case((_c.status != Status.QUEUED, sa.func.coalesce(_c.stage_since, _c.created_at)))
    query = sa.select(_c.stage, sa.func.count().label("count"), sa.func.min(since).label("oldest"))
    open_ = query.where(_c.stage != sa.literal_column(f"'{Stage.DECIDED}'")).group_by(_c.stage)
    return [StageCount(stage=Stage(stage), count=count, oldest=oldest) for stage, count, oldest in conn.execute(open_)]


def accepted_since(conn: Connection, since: datetime) -> int:
    """Count the moderations that were accepted from that time on."""
    count: int = conn.execute(sa.select(sa.func.count()).where(_c.created_at >= since)).scalar_one()
    return count


def ended_since(conn: Connection, since: datetime) -> int:
    """Count the moderations whose last step was taken, or that were decided anew, from that time on."""
    # The latest change is what the index knows; not every change is an end.
    lately = (_c.stage == Stage.DECIDED, _c.updated_at >= since, _c.stage_since >= since)
    count: int = conn.execute(sa.select(sa.func.count()).where(*lately)).scalar_one()
    return count


def oldest_pending(conn: Connection) -> datetime | None:
    """Return when the oldest moderation was accepted that waits for a verdict, and not for a human.

    What was begun anew, or waited for others of its chain before, is left out: its age says nothing of its wait.
    """
    at_once = (_c.retries == 0, _c.chain_position == 0)
    waiting = sa.select(_c.created_at).where(_c.status == Status.PENDING, _c.stage != Stage.REVIEW, *at_once)
    return conn.execute(waiting.order_by(_c.created_at, _c.id).limit(1)).scalar_one_or_none()


def decide(
    conn: Connection,
    moderation: Moderation,
    *,
    status: Status,
    verdict: dict[str, Any] | None,
    decided_by: str | None,
    error_code: str | None,
    error_reason: str | None,
    now: datetime,
) -> bool:
    """End a moderation; ``False``, and nothing changed, when it has moved on since it was read.

    Where a human has decided meanwhile, their decision stands and the verdict is kept as evidence only.
    """
    decision = {
        "status": status,
        "decided_by": decided_by,
        "decided_at": now,
        "decisions": _c.decisions + 1,
        "error_code": error_code,
        "error_reason": error_reason,
    }
    ended = {"stage": Stage.DECIDED, "stage_since": now, "due_at": None, "verdict": verdict, "updated_at": now}
    ended["fence"] = _c.fence + 1
    held = sa.update(moderations).where(_c.id == moderation.id, _c.fence == moderation.fence)
    return conn.execute(held.values(**ended, **_unless(_decided_by_human(), decision))).rowcount == 1


def override(conn: Connection, id: str, *, status: Status, by: str, now: datetime) -> Moderation | None:
    """Let a human decide, whatever was decided before, and return the moderation; ``None`` when there is none.

    A job that is under way goes on, its slot stays counted and its verdict becomes evidence; without a job, nothing is
    left to do or to pay. Raises Conflict for any other status than approved and rejected.
    """
    if status not in (Status.APPROVED, Status.REJECTED):
        raise errors.Conflict(f"a human approves or rejects; {status} is neither")
    # An id that is none must not reach PostgreSQL, which would refuse the statement.
    if rows.by_id(conn, moderations, id) is None:
        return None
    decision = {
        "status": status,
        "decided_by": f"{BY_HUMAN}{by}",
        "decided_at": now,
        "decisions": _c.decisions + 1,
        "error_code": None,
        "error_reason": None,
        "updated_at": now,
    }
    ended = {"stage": Stage.DECIDED, "stage_since": now, "due_at": None, "fence": _c.fence + 1}
    changed = sa.update(moderations).where(_c.id == id)
    changed = changed.values(**decision, **_unless(one_of(_c.stage, UNDER_WAY), ended))
    return parse(conn.execute(changed.returning(moderations)).mappings().one())


def tell(conn: Connection, id: str, notification_urls: Sequence[str]) -> None:
    """Let decisions from now on be told to these URLs."""
    conn.execute(sa.update(moderations).where(_c.id == id).values(notification_urls=list(notification_urls)))


def human_since(conn: Connection, asset_id: str, *, version: int, since: datetime) -> bool:
    """Tell whether a human has decided about a version of the asset's bytes after that time; to cancel is not to."""
    decided = sa.and_(_decided_by_human(), _c.status != Status.ABORTED)
    about = sa.or_(_c.asset_version.is_(None), _c.asset_version == version)
    later = sa.and_(_c.asset_id == asset_id, about, decided, _c.decided_at > since)
    return conn.execute(sa.select(sa.exists().where(later))).scalar_one() is True


def parse(row: RowMapping) -> Moderation:
    """Return the moderation that a row of ``moderations`` holds."""
    values: dict[str, Any] = dict(row)
    values["notification_urls"] = tuple(values["notification_urls"])
    values["kind"], values["stage"], values["status"] = Kind(row["kind"]), Stage(row["stage"]), Status(row["status"])
    return Moderation(**values)


def _values(request: Request) -> dict[str, Any]:
    values = {name: getattr(request, name) for name in Request.__dataclass_fields__}
    return values | {"notification_urls": list(request.notification_urls)}


def follow(conn: Connection, decided: Moderation, *, now: datetime) -> Moderation | None:
    """Let the next of the decided one's chain begin once that is approved, and return it; else let none begin."""
    if decided.chain is None:
        return None
    rest = sa.update(moderations).where(_c.chain == decided.chain, _c.status == Status.QUEUED)
    if decided.status is Status.REJECTED:
        reason = {"error_code": "rejected_before", "error_reason": "another moderation of the chain has rejected it"}
        ended = {"stage": Stage.DECIDED, "status": Status.ABORTED, "fence": _c.fence + 1}
        times = dict.fromkeys(("stage_since", "decided_at", "updated_at"), now)
        conn.execute(rest.values(**ended, **reason, **times))
    if decided.status is not Status.APPROVED:
        return None
    begun = rest.where(_c.chain_position == decided.chain_position + 1)
    # A human waits for nobody; whatever else judges begins with a look at the bytes.
    manual = _c.kind == Kind.MANUAL
    begun = begun.values(
        status=Status.PENDING,
        stage=sa.case((manual, str(Stage.REVIEW)), else_=str(Stage.INTAKE)),
        due_at=sa.case((manual, sa.null()), else_=sa.literal(now, _c.due_at.type)),
        fence=_c.fence + 1,
        stage_since=now,
        updated_at=now,
    )
    row = conn.execute(begun.returning(moderations)).mappings().one_or_none()
    return parse(row) if row is not None else None


def _supersede(conn: Connection, asset_ids: Sequence[str]) -> None:
    """Let of each kind only the newest count as an asset's; the caller holds the assets."""
    if asset_ids:
        conn.execute(_older(), {"of": list(asset_ids)})


@functools.cache
def _older() -> sa.Update:
    later = moderations.alias("later")
    newer = sa.tuple_(later.c.created_at, later.c.id) > sa.tuple_(_c.created_at, _c.id)
    exists = sa.exists().where(later.c.asset_id == _c.asset_id, later.c.kind == _c.kind, newer)
    of = _c.asset_id.in_(sa.bindparam("of", type_=_c.asset_id.type, expanding=True))
    return sa.update(moderations).where(of, _c.superseded.is_(False), exists).values(superseded=True)


def _accepted(conn: Connection, id: str, account_id: str, idempotency_key: str | None) -> Moderation:
    same = sa.or_(_c.id == id, sa.and_(_c.account_id == account_id, _c.idempotency_key == idempotency_key))
    # Where the id is one row's and the key another's, the key wins: it is what the producer repeats.
    query = sa.select(moderations).where(same).order_by(sa.case((_c.id == id, 1), else_=0)).limit(1)
    moderation = parse(conn.execute(query).mappings().one())
    if moderation.account_id != account_id:
        raise errors.Conflict(f"moderation {id} is another account's")
    return moderation


def _decided_by_human() -> sa.ColumnElement[bool]:
    return _c.decided_by.startswith(BY_HUMAN, autoescape=True)


def _unless(condition: sa.ColumnElement[bool], values: dict[str, Any]) -> dict[str, Any]:
    """Return values for all rows but those that meet the condition, which keep theirs."""
    return {name: sa.case((condition, _c[name]), else_=_bound(name, value)) for name, value in values.items()}


def _bound(name: str, value: Any) -> sa.ColumnElement[Any]:
    if value is None:
        return sa.null()
    return value if isinstance(value, sa.ColumnElement) else sa.literal(value, _c[name].type)
