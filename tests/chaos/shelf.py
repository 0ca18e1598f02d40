"""The shelf: a handful of names under which videos are overwritten, renamed, deleted, erased and judged again.

Several threads work on the same names at once. Each operation is written down with the time in which it was done, so
that what may be left in the end follows from what was answered alone (``shelf_checks``).
"""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from chaos import shelf_bulk
from chaos.emptiness import WORKS
from chaos.history import History
from chaos.human import VERDICTS, Answer, Human
from chaos.shelf_calls import POLICIES, Calls
from chaos.witnesses import on_shelf
from chaos.world import World
from clipwarden import errors
from clipwarden.moderation import Asset, Moderation, Status
from clipwarden.store import moderations
from clipwarden.store.engine import read

NAMES = tuple(f"shelf-{number}" for number in range(6))
_THREADS, _PACE = 4, 0.2
#: Seconds of work in peace, and how many it may become until all that proves something was done.
_PEACE, _LONGEST = 10.0, 60.0
#: Of those that were accepted last, so many are decided about.
_LAST = 30


@dataclass(slots=True, kw_only=True)
class Shelf:
    """Threads that work on the names, from ``start`` to ``stop``."""

    world: World
    calls: Calls
    history: History = field(default_factory=History)
    done: Counter[str] = field(default_factory=Counter)  #: What was answered, by what was asked.
    faults: list[str] = field(default_factory=list)
    peaceful: bool = False  #: Whether nothing torments any more.
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Begin."""
        user = shelf_bulk.employ(self.world)
        for number in range(_THREADS):
            chance = random.Random(f"{self.world.plan.seed} shelf {number}")
            human = Human(world=self.world, name=f"eve{number}", api=self.world.shelf_api)
            turn = Turn(shelf=self, human=human, user=user, chance=chance)
            thread = threading.Thread(target=self._run, args=(turn,), name=f"shelf {number}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """Work on in peace for a while, so that there is something to look at; then wait for what is under way."""
        self.peaceful, began = True, time.monotonic()
        while (now := time.monotonic()) < began + _PEACE or (self.undone() and now < began + _LONGEST):
            time.sleep(_PACE)
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
            if thread.is_alive():
                self.faults.append(f"{thread.name} never got an answer")

    def undone(self) -> set[str]:
        """Return what must have been done, and was not yet."""
        return {work for work in WORKS if not self.done[f"{work}: {Answer.DONE}"]}

    def _run(self, turn: "Turn") -> None:
        try:
            while not self._stop.wait(turn.chance.uniform(0.5, 1.5) * _PACE):
                turn.take()
        except Exception as exc:
            self.faults.append(f"{threading.current_thread().name}: {exc!r}")
            raise


@dataclass(slots=True, kw_only=True)
class Turn:
    """One thread's hand: it does one thing after the other."""

    shelf: Shelf
    human: Human
    user: str  #: Who begins jobs about many.
    chance: random.Random

    def take(self) -> None:
        """Do one thing, chosen by chance, to a name, a video or a moderation; in peace rather what was never done."""
        works = _WORKS
        if self.shelf.peaceful and self.chance.random() < 0.5 and (undone := self.shelf.undone()):
            works = tuple(one for one in _WORKS if one[0] in undone)
        [(name, work, _)] = self.chance.choices(works, [often for _, _, often in works])
        try:
            answer = work(self)
        except errors.StoreUnavailable:  # The harness looks past the proxies; the database itself is away.
            time.sleep(_PACE)
            return
        if answer is not None:
            self.shelf.done[f"{name}: {answer}"] += 1

    @property
    def _calls(self) -> Calls:
        return self.shelf.calls

    def _name(self) -> str:
        return self.chance.choice(NAMES)

    def _upload(self) -> Answer:
        video = self._calls.video_with_file()
        return self.shelf.history.upload(self._calls.upload, self._name(), video, self._policy())

    def _upload_object(self) -> Answer:
        video = self._calls.video_in_bucket(self.chance)
        return self.shelf.history.upload(self._calls.upload, self._name(), video, self._policy())

    def _submit(self) -> Answer:
        video = self._calls.video_in_bucket(self.chance)
        return self.shelf.history.submit(self._calls.submit, self._name(), video, self._policy())

    def _ask_again(self) -> Answer:
        return self._calls.explicit(self._name(), self._policy())

    def _ask_again_by_json(self) -> Answer:
        return self._calls.moderate(self._name(), self._policy())

    def _rename(self) -> Answer:
        [before, after] = self.chance.sample(NAMES, 2)
        overwrite = self.chance.random() < 0.5
        return self.shelf.history.rename(self._calls.rename, before, after, overwrite=overwrite)

    def _delete(self) -> Answer:
        return self.shelf.history.delete(self._calls.delete, self._name())

    def _erase(self) -> Answer | None:
        found = self._present()
        return self.shelf.history.erase(self._calls.erase, found.id) if found is not None else None

    def _override(self) -> Answer | None:
        found = self._moderation()
        if found is None:
            return None
        return self._calls.change(found.id, "override", verdict=self.chance.choice(sorted(VERDICTS)))

    def _override_asset(self) -> Answer:
        return self._calls.decide(self._name(), self.chance.choice(sorted(VERDICTS)))

    def _cancel_or_retry(self) -> Answer | None:
        found = self._moderation(Status.PENDING, Status.ABORTED)
        if found is None:
            return None
        return self._calls.change(found.id, "cancel" if found.status is Status.PENDING else "retry")

    def _rejudge(self) -> Answer | None:
        found = self._moderation(Status.APPROVED, Status.REJECTED)
        if found is None or found.labels_key is None:
            return None
        return self._calls.rejudge(found.id, self._policy())

    def _undo(self) -> Answer | None:
        found = self._moderation()
        if found is None:
            return None
        self.human.decide_and_undo(found, self.chance)
        return Answer.DONE

    def _bulk(self) -> Answer:
        return shelf_bulk.begin(self.shelf.world, self.user, self.chance)

    def _policy(self) -> str:
        return self.chance.choice(POLICIES)

    def _present(self) -> Asset | None:
        there = on_shelf(self.shelf.world)
        return self.chance.choice(there) if there else None

    def _moderation(self, *statuses: Status) -> Moderation | None:
        with read(self.shelf.world.engine) as conn:
            found = moderations.page(conn, account_id=self.shelf.world.shelf.id, limit=_LAST).items
        meant = [one for one in found if one.status in statuses] if statuses else list(found)
        return self.chance.choice(meant) if meant else None


#: What is done, and how often.
_WORKS: tuple[tuple[str, Callable[[Turn], Answer | None], int], ...] = (
    ("upload", Turn._upload, 2),
    ("upload of an object", Turn._upload_object, 3),
    ("submit", Turn._submit, 2),
    ("explicit", Turn._ask_again, 4),
    ("submit again", Turn._ask_again_by_json, 2),
    ("rename", Turn._rename, 4),
    ("delete", Turn._delete, 1),
    ("erase", Turn._erase, 1),
    ("override", Turn._override, 4),
    ("override of an asset", Turn._override_asset, 1),
    ("cancel or retry", Turn._cancel_or_retry, 3),
    ("rejudge", Turn._rejudge, 3),
    ("decide and undo", Turn._undo, 1),
    ("bulk", Turn._bulk, 1),
)
