"""The checker: reads the database, and what the endpoint and the receiver wrote down, and says which promises broke."""

import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

import scripting
from chaos import graves, jobs, places
from chaos.producers import Producers, Sent
from chaos.shelf import Shelf
from chaos.shelf_checks import ShelfChecker
from chaos.witnesses import Witnesses, serves
from chaos.world import BUCKET, SLOTS, World
from clipwarden import labels
from clipwarden.media.opening import open_store
from clipwarden.moderation import BY_POLICY, Asset, DeliveryStage, Moderation, Placement, Stage, Status
from clipwarden.policy import Policy
from clipwarden.store import accounts, assets, deliveries, moderations, schema
from clipwarden.store.engine import read
from clipwarden.verdict import judge

#: Seconds within which all must have ended once nothing torments any more.
CALM = 180.0
_TELL_EVERY = 10.0
_MOST = 500
#: Seconds by which a callback's timestamp may differ from the time: a slow connection is slow.
_SIGNED_WITHIN = 60.0


@dataclass(slots=True, kw_only=True)
class Checker:
    """What was found, after the torment."""

    world: World
    producers: Producers
    witnesses: Witnesses
    shelf: Shelf
    say: Callable[[str], None]
    broken: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    _names: dict[str, str] = field(default_factory=dict)

    def check(self) -> None:
        """Wait until all has ended, and check every promise."""
        began = time.monotonic()
        self._wait()
        self.figures["seconds_to_end"] = round(time.monotonic() - began, 1)
        rows = self._rows()
        self.figures["moderations"] = len(rows)
        self.figures["verdicts"] = dict(Counter(str(row.status) for row in rows.values()))
        self._every_video_has_one_verdict(rows)
        self._verdicts_are_right(rows)
        self._humans_have_the_last_word(rows)
        self._jobs_are_paid_for_once(rows)
        self._everybody_was_told(rows)
        self._rejected_was_hidden()
        self._all_is_in_its_place()
        self._nobody_waited_for_each_other()
        self._logs_tell_no_secrets()
        self.broken += self.producers.faults + self.witnesses.faults + self.shelf.faults
        self._shelf_is_right(rows)
        self._rejected_can_be_restored(self._firsts(rows))

    def _wait(self) -> None:
        began = told = time.monotonic()
        while (left := self._unfinished()) and (now := time.monotonic()) < began + CALM:
            self.world.tend()
            if now > told + _TELL_EVERY:
                told = now
                self.say(f"{now - began:5.1f} s  {len(left)} left: {left[0]}")
            time.sleep(0.5)
        self.broken += left[:20]

    def _unfinished(self) -> list[str]:
        m, d, a = schema.moderations.c, schema.deliveries.c, schema.assets.c
        e, b = schema.erasures.c, schema.bulk_jobs.c
        with read(self.world.engine) as conn:
            open_ = conn.execute(sa.select(m.id, m.stage, m.faults).where(m.stage != str(Stage.DECIDED))).all()
            untold = conn.execute(sa.select(d.id, d.stage).where(d.stage != str(DeliveryStage.DELIVERED))).all()
            known = set(conn.execute(sa.select(a.public_id)).scalars())
            moving = conn.execute(sa.select(a.public_id).where(a.due_at.is_not(None))).scalars().all()
            erasing = conn.execute(sa.select(e.asset_id)).scalars().all()
            working = conn.execute(sa.select(b.id).where(b.ended_at.is_(None))).scalars().all()
        return [
            *(f"{row.id} does not end: {row.stage}, {row.faults} faults" for row in open_),
            *(f"{one.public_id} has no row" for one in self.producers.accepted if one.public_id not in known),
            *(f"callback {row.id} is {row.stage}" for row in untold),
            *(f"the bytes of {public_id} are not brought where they belong" for public_id in moving),
            *(f"{id} is not erased" for id in erasing),
            *(f"the job {id} about many does not end" for id in working),
        ]

    def _every_video_has_one_verdict(self, rows: dict[str, Moderation]) -> None:
        by_name: dict[str, list[Moderation]] = {}
        for row in self._firsts(rows).values():
            by_name.setdefault(self._name(row), []).append(row)
        for sent in self.producers.accepted:
            mine = by_name.get(sent.public_id, [])
            if len(mine) != 1:
                self.broken.append(f"{sent.door} {sent.public_id} has {len(mine)} moderations")
            elif sent.id not in ("", mine[0].id):
                self.broken.append(f"{sent.public_id} was promised {sent.id} and is {mine[0].id}")
            else:
                self._ended_as_it_must(sent, mine[0])

    def _firsts(self, rows: dict[str, Moderation]) -> dict[str, Moderation]:
        """Return those of the first account: each is a video's only one."""
        return {id: row for id, row in rows.items() if row.account_id == self.world.account.id}

    def _ended_as_it_must(self, sent: Sent, row: Moderation) -> None:
        if row.decided_by == BY_POLICY and row.status is not sent.status:
            why = f"{row.error_code}: {row.error_reason}"
            self.broken.append(f"{sent.door} {row.id} is {row.status} ({why}), and {sent.status} by its script")
        if row.id not in self.witnesses.human.words and row.decisions != 1:
            self.broken.append(f"{row.id} was decided {row.decisions} times")

    def _verdicts_are_right(self, rows: dict[str, Moderation]) -> None:
        for row in rows.values():
            by_rules = row.decided_by == BY_POLICY and row.status is not Status.ABORTED
            if row.verdict is not None and row.labels_key is not None:
                self._is_judged_right(row)
            elif by_rules:
                self.broken.append(f"{row.id} is {row.status} by the rules, and there is no verdict or no label")

    def _is_judged_right(self, row: Moderation) -> None:
        settings = self.world.settings.media
        policy = Policy.parse(row.policy, default_taxonomy=self._taxonomy())
        kept = labels.judged(open_store(settings), settings.bucket, row)
        verdict = judge(kept, policy, model_version=row.model_version)
        if json.loads(json.dumps(verdict.to_dict())) != row.verdict:
            self.broken.append(f"{row.id} was judged wrongly: {row.verdict}")
        if row.decided_by == BY_POLICY and row.status is not verdict.status:
            self.broken.append(f"{row.id} is {row.status}, and {verdict.status} by its labels")

    def _humans_have_the_last_word(self, rows: dict[str, Moderation]) -> None:
        human = self.witnesses.human
        for id in human.words:
            row, may = rows[id], human.may_be(id)
            by_human = row.decided_by == f"human:{human.name}"
            if (row.status if by_human else None) not in may:
                self.broken.append(f"{human.name} said {may} of {id}, which is {row.status} by {row.decided_by}")
        self.figures["human"] = dict(human.done)

    def _jobs_are_paid_for_once(self, rows: dict[str, Moderation]) -> None:
        journal = scripting.journal(self.world.stack.endpoint_url)
        with read(self.world.engine) as conn:
            attempts = graves.attempts(conn) | {row.id: row.attempt for row in rows.values()}
        tokens = jobs.paid(self.world)
        self.broken += jobs.broken(tokens, attempts)
        if journal["most_open_jobs"] > SLOTS:
            self.broken.append(f"{journal['most_open_jobs']} jobs were open in a pool of {SLOTS}")
        self.figures |= {
            "jobs": len(tokens),
            "attempts": sum(attempts.values()),
            "most_open_jobs": journal["most_open_jobs"],
            "calls": len(journal["calls"]),
        }

    def _everybody_was_told(self, rows: dict[str, Moderation]) -> None:
        received = self.world.receiver.received
        acknowledged = {one.headers["webhook-id"] for one in received if one.acknowledged}
        with read(self.world.engine) as conn:
            told = {row.id: deliveries.of_moderation(conn, row.id) for row in rows.values()}
        for row in rows.values():
            mine = [one for one in told[row.id] if one.event == "moderation"]
            if not mine:
                self.broken.append(f"nobody was told of {row.id}")
            elif (last := json.loads(max(mine, key=lambda one: one.sequence).body)["moderation_status"]) != row.status:
                self.broken.append(f"{row.id} is {row.status}, and the last that was told is {last}")
            self.broken += [f"callback {one.id} did not arrive" for one in told[row.id] if one.id not in acknowledged]
        self.broken += [
            f"a callback of {one.moderation_id} has a wrong signature" for one in received if not one.verified
        ]
        late = [abs(float(one.headers["x-cld-timestamp"]) - one.at.timestamp()) for one in received]
        self.broken += [f"a callback is signed {seconds:.0f} s off" for seconds in late if seconds > _SIGNED_WITHIN]
        self.figures |= {"callbacks": len(acknowledged), "callbacks_received": len(received)}

    def _rejected_was_hidden(self) -> None:
        self.broken += [f"{name} was served while it was rejected" for name in self.witnesses.seen]
        self.figures["looks_at_rejected"] = self.witnesses.looks
        self.figures["looks_at_hidden_shelf"] = self.witnesses.shelf_looks

    def _all_is_in_its_place(self) -> None:
        sent = {one.public_id: one.sha256 for one in self.producers.accepted}
        every = places.every(self.world)
        for asset in every:
            mine = asset.account_id == self.world.account.id
            self.broken += places.broken(self.world, asset, sent.get(asset.public_id) if mine else None)
        assert self.world.settings.media.root is not None
        self.broken += places.strays(self.world.engine, self.world.settings.media.root / BUCKET)
        self.figures["in_quarantine"] = sum(one.placed is Placement.QUARANTINE for one in every)

    def _nobody_waited_for_each_other(self) -> None:
        """Look into what PostgreSQL wrote down: it ends one of two transactions that wait for each other."""
        if self.world.server is not None:
            log = (self.world.server.folder / "log").read_text(errors="replace")
            self.figures["deadlocks"] = log.count("deadlock detected")
            if self.figures["deadlocks"]:
                self.broken.append(
                    f"transactions waited for each other {self.figures['deadlocks']} times: {_first(log)}"
                )

    def _shelf_is_right(self, rows: dict[str, Moderation]) -> None:
        mine = {id: row for id, row in rows.items() if row.account_id == self.world.shelf.id}
        checker = ShelfChecker(world=self.world, history=self.shelf.history, rows=mine)
        checker.check()
        self.broken += checker.broken
        self.broken += [f"an upload to the shelf was refused: {why}" for why in self.shelf.calls.refused[:10]]
        self.figures |= checker.figures | {"shelf": dict(sorted(self.shelf.done.items()))}
        self.figures |= {"shelf_moderations": len(mine), "gateway_faults": self.shelf.calls.faults}

    def _logs_tell_no_secrets(self) -> None:
        logs, kept = self.world.logs.read_text(errors="replace"), self.world.stack.secrets()
        secrets = {"the account's secret": kept.api_secret, "the key of URLs": kept.url_secret}
        self.broken += [f"{name} is in the logs" for name, secret in secrets.items() if secret in logs]
        self.figures["log_lines"] = logs.count("\n")

    def _rejected_can_be_restored(self, rows: dict[str, Moderation]) -> None:
        """Approve all that is rejected; what then is served must be what was sent."""
        digests = {sent.public_id: sent.sha256 for sent in self.producers.accepted}
        rejected = [row for row in rows.values() if row.status is Status.REJECTED and self._has_come(row)]
        for row in rejected:
            reply = self.world.api.post(f"/v1/moderations/{row.id}/override", {"verdict": "approved", "by": "ben"})
            if reply.status != 200:  # done
                self.broken.append(f"{row.id} cannot be approved: {reply.data!r}")
        for row in rejected:
            name = self._name(row)
            wanted = digests.get(name)
            if wanted is not None and not self._comes_back(row, wanted):
                self.broken.append(f"{name} did not come back as it was sent")
        self.figures["restored"] = len(rejected)

    def _has_come(self, row: Moderation) -> bool:
        """Say whether the bytes came in, and no human has decided before."""
        asset = self._asset(row.asset_id)
        return asset is not None and asset.location is not None

    def _comes_back(self, row: Moderation, wanted: str) -> bool:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            self.world.tend()
            asset = self._asset(row.asset_id)
            content = serves(self.world, asset) if asset is not None else None
            if content is not None:
                return hashlib.sha256(content).hexdigest() == wanted
            time.sleep(0.1)
        return False

    def _rows(self) -> dict[str, Moderation]:
        found: dict[str, Moderation] = {}
        with read(self.world.engine) as conn:
            page = moderations.page(conn, limit=_MOST)
            found |= {one.id: one for one in page.items}
            while page.next_cursor is not None:
                page = moderations.page(conn, limit=_MOST, after=page.next_cursor)
                found |= {one.id: one for one in page.items}
        return found

    def _name(self, row: Moderation) -> str:
        if row.id not in self._names:
            asset = self._asset(row.asset_id)
            self._names[row.id] = asset.public_id if asset is not None else ""
        return self._names[row.id]

    def _asset(self, id: str) -> Asset | None:
        with read(self.world.engine) as conn:
            return assets.by_id(conn, id)

    def _taxonomy(self) -> str:
        with read(self.world.engine) as conn:
            account = accounts.by_name(conn, "default")
        assert account is not None
        return account.default_taxonomy


def _first(log: str) -> str:
    """Return what PostgreSQL says of the first two that waited for each other."""
    found = log[log.index("deadlock detected") :].splitlines()[:12]
    return " | ".join(line.strip() for line in found)
