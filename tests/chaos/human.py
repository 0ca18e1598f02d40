"""A human who decides before and after the machine does, cancels, begins anew, and takes back what was decided."""

import random
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any

from chaos.world import World
from clipwarden import errors, labels, undoing
from clipwarden.media.opening import open_store
from clipwarden.moderation import Moderation, Stage, Status
from clipwarden.store import moderations, retrying
from clipwarden.store.engine import read, write
from json_api import JsonApi

#: Seconds between two decisions, and for which one can be had back.
EVERY, GRACE = 1.0, 8.0
VERDICTS = {"approved": Status.APPROVED, "rejected": Status.REJECTED}
#: Of those that were accepted last, so many are looked at.
_LAST = 40
_DONE, _SERVER_FAULT = 200, 500


class Answer(StrEnum):
    """What became of something that was asked for."""

    DONE = "done"
    REFUSED = "refused"  #: Or not even listened to: and so not done.
    UNKNOWN = "unknown"  #: Done or not; if it was not yet, it will not be any more.
    LATE = "late"  #: Nobody answered in time: it may be done at any time to come.


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """What a human has asked for, and what they say by it."""

    says: Status | None  #: ``None`` where the machine is to decide.
    answer: Answer


def unanswered(exc: Exception) -> Answer:
    """Say what became of a request to which no answer came, by what was raised."""
    # The cause stands within what urllib and Cloudinary's SDK raise.
    said = f"{exc!r} {getattr(exc, 'reason', '')!r}"
    if "timed out" in said or "imeout" in said:
        return Answer.LATE
    return Answer.REFUSED if "Connection refused" in said else Answer.UNKNOWN


@dataclass(slots=True, kw_only=True)
class Human:
    """Works on one account's moderations, one at a time."""

    world: World
    name: str
    api: JsonApi
    words: dict[str, list[Word]] = field(default_factory=dict)  #: By moderation, in their order.
    done: Counter[str] = field(default_factory=Counter)  #: What was done, by what it is.

    def act(self, chance: random.Random) -> None:
        """Choose a moderation in whatever stage it is, and do to it what can be done."""
        found = self._choose(chance)
        if found is None:
            return
        if found.stage is not Stage.DECIDED and chance.random() < 0.2:
            self._cancel(found)
        elif found.status is Status.ABORTED and found.stage is Stage.DECIDED and chance.random() < 0.6:
            self._retry(found)
        elif chance.random() < 0.2:
            self.decide_and_undo(found, chance)
        else:
            self._override(found, chance)

    def may_be(self, id: str) -> set[Status | None]:
        """Return what a moderation may be by this human's word; ``None`` where it is the machine's."""
        may: set[Status | None] = {None}
        for word in self.words.get(id, []):
            before = may if word.answer is not Answer.DONE else set()
            may = before | ({word.says} if word.answer is not Answer.REFUSED else set())
        return may | {word.says for word in self.words.get(id, []) if word.answer is Answer.LATE}

    def _choose(self, chance: random.Random) -> Moderation | None:
        try:
            with read(self.world.engine) as conn:
                page = moderations.page(conn, account_id=self.world.account.id, limit=_LAST).items
        except errors.StoreUnavailable:
            return None
        early = [one for one in page if one.stage is not Stage.DECIDED]
        broken = [one for one in page if one.status is Status.ABORTED]
        chosen = chance.choice([early, early, broken, list(page)]) or list(page)
        return chance.choice(chosen) if chosen else None

    def _override(self, found: Moderation, chance: random.Random) -> None:
        verdict = chance.choice(sorted(VERDICTS))
        answer = self._ask(found, "override", {"verdict": verdict})
        self._note(found, "overrides", VERDICTS[verdict], answer)
        if answer is Answer.DONE and found.stage is not Stage.DECIDED:
            self.done["overrides before the machine"] += 1

    def _cancel(self, found: Moderation) -> None:
        self._note(found, "cancels", Status.ABORTED, self._ask(found, "cancel", {}))

    def _retry(self, found: Moderation) -> None:
        self._note(found, "retries", None, self._ask(found, "retry", {}))

    def _ask(self, found: Moderation, action: str, said: dict[str, str]) -> Answer:
        try:
            reply = self.api.post(f"/v1/moderations/{found.id}/{action}", said | {"by": self.name})
        except (OSError, ValueError) as exc:
            return unanswered(exc)
        if reply.status == _DONE:
            return Answer.DONE
        return Answer.UNKNOWN if reply.status >= _SERVER_FAULT else Answer.REFUSED

    def decide_and_undo(self, found: Moderation, chance: random.Random) -> None:
        """Do as the console does: decide so that nobody is told yet, think again, and have it back."""
        status = VERDICTS[chance.choice(sorted(VERDICTS))]
        answer = self._decide(found, status)
        self._note(found, "decisions with a way back", status, answer)
        if answer is not Answer.DONE:
            return
        before = self.words[found.id][:-1]
        time.sleep(chance.uniform(0.0, 1.5))
        undone = self._undo(found)
        if undone is Answer.DONE:
            self.words[found.id] = before
            self.done["undone"] += 1
        elif undone is Answer.UNKNOWN:
            self.words[found.id] = [*before, Word(says=status, answer=Answer.UNKNOWN)]

    def _decide(self, found: Moderation, status: Status) -> Answer:
        settings = self.world.settings.media
        told: dict[str, Any] = {"public_url": self.world.stack.gateway_url, "grace": timedelta(seconds=GRACE)}
        try:
            shown = labels.shown(open_store(settings), settings.bucket, found)
            now = self.world.clock.now()
            with write(self.world.engine) as conn:
                held = retrying.held(conn, found.id, account_id=found.account_id)
                if held is None:
                    return Answer.REFUSED
                undoing.override(conn, held, by=self.name, now=now, status=status, labels=shown, **told)
        except errors.StoreUnavailable:
            return Answer.UNKNOWN
        return Answer.DONE

    def _undo(self, found: Moderation) -> Answer:
        try:
            now = self.world.clock.now()
            with write(self.world.engine) as conn:
                held = retrying.held(conn, found.id, account_id=found.account_id)
                if held is None:
                    return Answer.REFUSED
                undoing.undo(conn, held, by=self.name, now=now)
        except errors.Conflict:
            return Answer.REFUSED
        except errors.StoreUnavailable:
            return Answer.UNKNOWN
        return Answer.DONE

    def _note(self, found: Moderation, action: str, says: Status | None, answer: Answer) -> None:
        self.words.setdefault(found.id, []).append(Word(says=says, answer=answer))
        self.done[action] += answer is Answer.DONE
