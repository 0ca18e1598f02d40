"""What must be so in the end: every video has its verdict, everybody was told, nothing was paid for twice."""

import itertools
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

import scripting
from clipwarden.moderation import DeliveryStage, Stage
from clipwarden.store import schema
from clipwarden.store.engine import read
from load.producers import Sent
from load.world import SLOTS, World

#: Seconds without any progress after which what is left is given up.
PATIENCE = 120.0
_TELL_EVERY = 10.0
#: Of one kind of broken promise, so many are told.
_TOLD = 10
_m, _d = schema.moderations.c, schema.deliveries.c


@dataclass(slots=True, kw_only=True)
class Checker:
    """What was found of the videos that were accepted."""

    world: World
    accepted: Sequence[Sent]
    say: Callable[[str], None]
    patience: float = PATIENCE
    broken: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)

    def check(self) -> None:
        """Wait until all has ended or nothing goes on, then look at everything."""
        self.wait()
        with read(self.world.engine) as conn:
            rows = {row.id: row for row in conn.execute(sa.select(schema.moderations))}
        self._every_video_has_its_verdict(rows)
        self._jobs_are_paid_for_once(rows)
        self._everybody_was_told(rows)

    def wait(self) -> None:
        """Wait until all has ended or nothing goes on."""
        wanted, told = len(self.accepted), time.monotonic()
        last, since = (-1, -1), told
        while (done := self._done()) != (wanted, wanted) and (now := time.monotonic()) < since + self.patience:
            if now > told + _TELL_EVERY:
                told = now
                self.tell()
            if done != last:
                last, since = done, now
            time.sleep(0.25)

    def tell(self) -> None:
        """Say how far it is."""
        ended, delivered = self._done()
        self.say(f"{len(self.accepted)} videos were accepted, {ended} have ended, {delivered} callbacks were delivered")

    def _done(self) -> tuple[int, int]:
        """Return how many videos have ended and how many callbacks were delivered."""
        ended = sa.select(sa.func.count()).where(_m.stage == str(Stage.DECIDED))
        delivered = sa.select(sa.func.count()).where(_d.stage == str(DeliveryStage.DELIVERED), _d.event == "moderation")
        with read(self.world.engine) as conn:
            return conn.execute(ended).scalar_one(), conn.execute(delivered).scalar_one()

    def _every_video_has_its_verdict(self, rows: Mapping[str, Any]) -> None:
        found = [(sent, rows.get(sent.id)) for sent in self.accepted]
        self._break(f"{sent.door} {sent.id} has no row" for sent, row in found if row is None)
        there = [(sent, row) for sent, row in found if row is not None]
        self._break(
            f"{sent.door} {sent.id} is {row.stage}, {row.status} ({row.error_code}), and not {sent.status}"
            for sent, row in there
            if (row.stage, row.status) != (str(Stage.DECIDED), str(sent.status))
        )
        self._break(f"{row.id} was decided {row.decisions} times" for _, row in there if row.decisions > 1)
        self._break(f"{id} was never sent" for id in rows.keys() - {sent.id for sent in self.accepted})
        self.figures["verdicts"] = dict(Counter(str(row.status) for row in rows.values()))
        self.figures["faults"] = sum(row.faults for row in rows.values())
        self._measure([row for row in rows.values() if row.decided_at is not None])

    def _measure(self, decided: Sequence[Any]) -> None:
        """Measure from the row's making on: the client's message comes to its row within one hop."""
        if not decided:
            return
        began, ends = min(row.created_at for row in decided), sorted(row.decided_at for row in decided)
        self.figures["verdicts_per_s"] = round(len(decided) / (ends[-1] - began).total_seconds(), 2)
        self.figures["verdicts_per_s_by_fifths"] = _rates(began, ends)
        self.figures["s_to_verdict"] = _summary([(row.decided_at - row.created_at).total_seconds() for row in decided])

    def _jobs_are_paid_for_once(self, rows: Mapping[str, Any]) -> None:
        journal = scripting.journal(self.world.stack.endpoint_url)
        attempts = sum(row.attempt for row in rows.values())
        if journal["jobs"] != attempts:
            self.broken.append(f"{journal['jobs']} jobs were paid for, and {attempts} attempts made")
        if journal["most_open_jobs"] > SLOTS:
            self.broken.append(f"{journal['most_open_jobs']} jobs were open in a pool of {SLOTS}")
        self.figures |= {key: journal[key] for key in ("jobs", "most_open_jobs")}
        self.figures["calls"] = journal["results"]

    def _everybody_was_told(self, rows: Mapping[str, Any]) -> None:
        received = self.world.receiver.received
        told = {str(one.moderation_id): one for one in received if one.payload.get("notification_type") == "moderation"}
        self._break(f"no callback about {sent.id} came" for sent in self.accepted if sent.id not in told)
        self._break(
            f"the callback about {id} says {one.payload['moderation_status']}, and it is {rows[id].status}"
            for id, one in told.items()
            if id in rows and one.payload["moderation_status"] != rows[id].status
        )
        self._break(f"a callback of {one.moderation_id} has a wrong signature" for one in received if not one.verified)
        self.figures |= {"callbacks": len(told), "callbacks_received": len(received)}
        waits = [(one.at - rows[id].created_at).total_seconds() for id, one in told.items() if id in rows]
        if waits:
            self.figures["s_to_callback"] = _summary(waits)

    def _break(self, promises: Any) -> None:
        found = list(promises)
        self.broken += found[:_TOLD]
        if len(found) > _TOLD:
            self.broken.append(f"… and {len(found) - _TOLD} more of these")


def _rates(began: datetime, ends: Sequence[datetime]) -> list[float]:
    """Return verdicts per second of each fifth of them: what slows as rows become many shows here."""
    marks = [began, *(ends[len(ends) * part // 5 - 1] for part in range(1, 6))]
    return [
        round(len(ends) / 5 / max((after - before).total_seconds(), 1e-3), 2)
        for before, after in itertools.pairwise(marks)
    ]


def _summary(seconds: Sequence[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    shares = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}
    return {name: round(ordered[int(share * (len(ordered) - 1))], 2) for name, share in shares.items()}
