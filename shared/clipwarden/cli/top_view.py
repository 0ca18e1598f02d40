"""What ``clipwarden top`` shows of one look: tables for people, a document for programs."""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from clipwarden.broker.queues import QueueFigures
from clipwarden.moderation import Stage
from clipwarden.store.deliveries import DeliveryCount
from clipwarden.store.moderations import StageCount
from clipwarden.store.operations import Operations, PoolFigures, Rates
from clipwarden.store.workers import Worker

_WRONG, _FAINT = "bold red", "dim"


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One look; figures of the database are those of an earlier one where there is a fault."""

    operations: Operations | None = None
    rates: Rates | None = None
    bus: Sequence[QueueFigures] | None = None
    store_fault: str | None = None
    bus_fault: str | None = None


def text(frame: Frame) -> RenderableType:
    """Return the look as a screen of text, which fits itself to the terminal's width."""
    return Group(*_parts(frame))


def line(frame: Frame) -> str:
    """Return the look as one line of JSON."""
    return json.dumps(document(frame), default=_plain, ensure_ascii=False)


def document(frame: Frame) -> dict[str, Any]:
    """Return the look as what JSON can say."""
    found = frame.operations
    shown: dict[str, Any] = {
        "database": {"reachable": frame.store_fault is None, "fault": frame.store_fault},
        "bus": {"reachable": frame.bus_fault is None, "fault": frame.bus_fault},
        "rates": asdict(frame.rates) if frame.rates is not None else None,
        "queues": [asdict(one) for one in frame.bus] if frame.bus is not None else None,
    }
    if found is not None:
        shown |= {
            "at": found.at,
            "oldest_pending_seconds": found.age(found.pending_since).total_seconds(),
            "pools": [asdict(pool) for pool in found.pools],
            "stages": [_counted(found, one) for one in found.stages],
            "callbacks": [_counted(found, one) for one in found.deliveries],
            "endpoints": dict(found.endpoints),
            "workers": [asdict(one) for one in found.workers],
        }
    return shown


def _parts(frame: Frame) -> Iterable[RenderableType]:
    yield _head(frame)
    if frame.store_fault is not None:
        yield Text(f"the database cannot be read, trying again: {frame.store_fault}", _WRONG)
    if (found := frame.operations) is not None:
        yield _pools(found)
        yield _stages(found)
        yield _callbacks(found)
        yield _workers(found)
    if frame.bus_fault is not None:
        yield Text(f"the bus cannot be reached, trying again: {frame.bus_fault}", _WRONG)
    if frame.bus is not None:
        yield _bus(frame.bus)


def _head(frame: Frame) -> Text:
    if (found := frame.operations) is None:
        return Text("clipwarden", "bold")
    said = [f"{found.at.astimezone():%H:%M:%S}", f"oldest pending {_duration(found.age(found.pending_since))}"]
    if (rates := frame.rates) is not None:
        said.append(f"per second: {rates.accepted:.1f} in, {rates.decided:.1f} decided, {rates.delivered:.1f} told")
    return Text.assemble(("clipwarden", "bold"), "  ", "   ".join(said))


def _pools(found: Operations) -> RenderableType:
    rows = [
        (pool.name, f"{pool.in_use} / {pool.limit}", str(pool.slots), str(pool.waiting), _hindrance(pool, found.at))
        for pool in found.pools
    ]
    return _table(("POOL", "IN USE", "SLOTS", "WAITING", "HELD BACK"), rows, words={0, 4})


def _hindrance(pool: PoolFigures, now: datetime) -> str:
    """Say what keeps the pool from its full pace."""
    said = []
    if pool.limit < pool.slots:
        again = f", tries for one more in {_duration(max(timedelta(0), pool.probe_at - now))}" if pool.probe_at else ""
        said.append(f"others use the quota{again}")
    paces = {"Start": pool.start_pace, "Get": pool.get_pace}
    said += [f"{call} calls at {pace:.0%}" for call, pace in paces.items() if pace < 1]
    return "; ".join(said) or "-"


def _stages(found: Operations) -> RenderableType:
    counts = {one.stage: one for one in found.stages}
    rows = [
        (str(stage), str(one.count), _duration(found.age(one.oldest)) if one.oldest else "-")
        for stage in Stage
        if (one := counts.get(stage)) is not None
    ]
    return _table(("STAGE", "COUNT", "OLDEST"), rows)


def _callbacks(found: Operations) -> RenderableType:
    rows = [
        (str(one.stage), str(one.count), _duration(found.age(one.oldest)) if one.oldest else "-")
        for one in found.deliveries
    ]
    rows += [(f"endpoints {state}", str(count), "-") for state, count in sorted(found.endpoints.items())]
    return _table(("CALLBACKS", "COUNT", "OLDEST"), rows)


def _workers(found: Operations) -> RenderableType:
    rows = [
        (f"{one.host} {one.pid}", one.version, _duration(found.age(one.started_at)), _presence(one, found))
        for one in found.workers
    ]
    return _table(("WORKERS", "RELEASE", "RUNS FOR", "SEEN"), rows, words={0, 3})


def _presence(worker: Worker, found: Operations) -> str:
    seen = f"{_duration(found.age(worker.seen_at))} ago"
    return f"{seen}, missing" if worker.is_missing(found.at) else seen


def _bus(bus: Sequence[QueueFigures]) -> RenderableType:
    rows = [(str(one.queue), str(one.unacknowledged), str(one.delayed), str(one.dead)) for one in bus]
    return _table(("QUEUE", "OPEN", "DELAYED", "DEAD"), rows)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], words: Collection[int] = (0,)) -> RenderableType:
    if not rows:
        return Text(f"\n{heads[0].lower()}: none", _FAINT)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style=_FAINT)
    for number, head in enumerate(heads):
        table.add_column(head, justify="left" if number in words else "right", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    return Padding(table, (1, 0, 0, 0))


def _duration(length: timedelta) -> str:
    seconds = int(length.total_seconds())
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _counted(found: Operations, one: StageCount | DeliveryCount) -> dict[str, Any]:
    oldest = found.age(one.oldest).total_seconds() if one.oldest is not None else None
    return {"stage": one.stage, "count": one.count, "oldest_seconds": oldest}


def _plain(value: Any) -> Any:
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else str(value)
