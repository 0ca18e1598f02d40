"""What another policy would have decided: counted case by case, in memory that does not grow with their number."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from clipwarden.moderation import Status
from clipwarden.taxonomy import Path
from clipwarden.verdict import LISTED_CATEGORIES

#: The categories that reject, with their highest confidences; none where a policy approves.
Offending = Mapping[Path, float]


class Unjudged(StrEnum):
    """Why a moderation is not judged again."""

    NO_LABELS = "no_labels"  #: A human decided, and no job was ever read.
    LABELS_GONE = "labels_gone"  #: They were kept, and are there no more.
    LABELS_INSUFFICIENT = "labels_insufficient"  #: The policy needs less confident labels than were kept.
    UNREADABLE = "unreadable"  #: Its labels, or its own policy, cannot be read.


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A moderation under two policies: its own, and the other."""

    id: str
    asset_id: str
    created_at: datetime
    human: Status | None  #: What a human has decided, if one has.
    present: Offending
    other: Offending

    @property
    def now(self) -> Status:
        """Return what the moderation's own policy says."""
        return Status.REJECTED if self.present else Status.APPROVED

    @property
    def then(self) -> Status:
        """Return what the other policy says."""
        return Status.REJECTED if self.other else Status.APPROVED

    def to_dict(self) -> dict[str, Any]:
        """Return what is said of a verdict that would be another, with the categories of the policy that rejects."""
        rejecting = sorted((self.present or self.other).items(), key=lambda one: (-one[1], one[0]))
        return {
            "id": self.id,
            "asset_id": self.asset_id.replace("-", ""),
            "created_at": self.created_at,
            "present": str(self.now),
            "other": str(self.then),
            "human": str(self.human) if self.human is not None else None,
            "categories": [{"path": list(path), "confidence": confidence} for path, confidence in rejecting],
        }


@dataclass(slots=True, kw_only=True)
class Changes:
    """What becomes of a category: in how many moderations it rejects."""

    present: int = 0  #: By their own policies.
    other: int = 0  #: By the other one.
    approved_to_rejected: int = 0  #: Of those that the other one alone rejects.
    rejected_to_approved: int = 0  #: Of those that it alone approves: the category rejects no more.


@dataclass(slots=True, kw_only=True)
class Agreement:
    """How a policy's verdicts compare with humans' on the same moderations."""

    agrees: int = 0
    too_strict: int = 0  #: It rejects what a human has approved.
    too_lax: int = 0  #: It approves what a human has rejected.

    def add(self, verdict: Status, human: Status) -> None:
        """Count a moderation."""
        if verdict is human:
            self.agrees += 1
        elif verdict is Status.REJECTED:
            self.too_strict += 1
        else:
            self.too_lax += 1


@dataclass(slots=True, kw_only=True)
class Simulation:
    """What was found out so far."""

    listed: int  #: Changed moderations that are listed at most; all are counted.
    examined: int = 0
    newest: datetime | None = None  #: When the first one that was looked at was accepted.
    oldest: datetime | None = None
    still_approved: int = 0
    still_rejected: int = 0
    approved_to_rejected: int = 0
    rejected_to_approved: int = 0
    unjudged: Counter[Unjudged] = field(default_factory=Counter)
    humans: int = 0  #: Judged moderations that a human has decided.
    present: Agreement = field(default_factory=Agreement)
    other: Agreement = field(default_factory=Agreement)
    categories: dict[Path, Changes] = field(default_factory=dict)
    flips: list[Case] = field(default_factory=list)  #: The first that change.

    @property
    def changed(self) -> int:
        """Return how many verdicts would be others."""
        return self.approved_to_rejected + self.rejected_to_approved

    @property
    def judged(self) -> int:
        """Return of how many both verdicts are known."""
        return self.still_approved + self.still_rejected + self.changed

    def to_dict(self) -> dict[str, Any]:
        """Return what programs are told, those categories first that change most verdicts."""
        return {
            "examined": self.examined,
            "judged": self.judged,
            "newest": self.newest,
            "oldest": self.oldest,
            "verdicts": {
                "still_approved": self.still_approved,
                "still_rejected": self.still_rejected,
                "approved_to_rejected": self.approved_to_rejected,
                "rejected_to_approved": self.rejected_to_approved,
            },
            "unjudged": {str(reason): self.unjudged[reason] for reason in Unjudged},
            "humans": {"decided": self.humans, "present": asdict(self.present), "other": asdict(self.other)},
            "categories": [{"path": list(path), **asdict(changes)} for path, changes in self._ranked()],
            "flips": [case.to_dict() for case in self.flips],
        }

    def _ranked(self) -> list[tuple[Path, Changes]]:
        def rank(one: tuple[Path, Changes]) -> tuple[int, int, Path]:
            path, changes = one
            return -changes.approved_to_rejected - changes.rejected_to_approved, -changes.other, path

        return sorted(self.categories.items(), key=rank)

    def skip(self, created_at: datetime, reason: Unjudged) -> None:
        """Count a moderation that cannot be judged again."""
        self._see(created_at)
        self.unjudged[reason] += 1

    def add(self, case: Case) -> None:
        """Count a moderation that both policies were asked about."""
        self._see(case.created_at)
        if case.human is not None:
            self.humans += 1
            self.present.add(case.now, case.human)
            self.other.add(case.then, case.human)
        if case.present or case.other:
            self._compare(case)
        else:
            self.still_approved += 1

    def _see(self, created_at: datetime) -> None:
        self.examined += 1
        self.newest = self.newest or created_at
        self.oldest = created_at

    def _compare(self, case: Case) -> None:
        rejecting, approving = not case.present, not case.other
        if rejecting:
            self.approved_to_rejected += 1
        elif approving:
            self.rejected_to_approved += 1
        else:
            self.still_rejected += 1
        if (rejecting or approving) and len(self.flips) < self.listed:
            self.flips.append(case)
        for path in case.present.keys() | case.other.keys():
            if (changes := self._changes(path)) is not None:
                changes.present += path in case.present
                changes.other += path in case.other
                changes.approved_to_rejected += rejecting
                changes.rejected_to_approved += approving

    def _changes(self, path: Path) -> Changes | None:
        if path not in self.categories and len(self.categories) >= LISTED_CATEGORIES:
            return None
        return self.categories.setdefault(path, Changes())
