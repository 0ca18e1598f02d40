"""What another policy would have decided about past moderations: read, judged and counted, and nothing changed.

This module is not imported with ``clipwarden``: it needs the database's and the media store's libraries.
"""

import functools
import math
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Engine

from clipwarden import errors, labels, rejudgement
from clipwarden.gist import Gist, Scale
from clipwarden.media.store import MediaStore
from clipwarden.moderation import Account, Kind, Location
from clipwarden.policy import Policy
from clipwarden.simulation import Case, Offending, Simulation, Unjudged
from clipwarden.store import cursor, past, presets
from clipwarden.store.engine import read
from clipwarden.store.past import Past, Search
from clipwarden.verdict import Verdict

#: Moderations that one query reads.
_PAGE = 2000
#: Labels without a gist that are read at once: reading from S3 is waiting.
_READERS = 8
#: Policies whose rules are kept at hand; presets and uploads rarely have more.
_SCALES = 256
#: What reading raises of a file that is cut off, or no file of labels.
_BROKEN = (OSError, EOFError, ValueError, zlib.error)


class Ended(StrEnum):
    """Why a simulation looked no further back."""

    ALL = "all"  #: There was nothing before.
    LAST = "last"  #: It was to look at so many.
    TIME = "time"  #: Its time was up.


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """What a simulation found out, and where another may go on."""

    policy: Policy
    found: Simulation
    ended: Ended
    next_cursor: str | None  #: Leads to the moderations before the last one looked at, if there may be any.
    flips_cursor: str | None  #: Leads to those before the last one listed, where not all that change are.

    def to_dict(self) -> dict[str, Any]:
        """Return what programs are told."""
        where = {"ended": str(self.ended), "next": self.next_cursor, "more_flips": self.flips_cursor}
        return {"moderation": str(self.policy), **self.found.to_dict(), **where}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How far a simulation goes."""

    last: int  #: Moderations that are looked at.
    listed: int = 100  #: Changed ones that are listed.
    seconds: float | None = None  #: Time after which no further one is begun.


def preset_policy(conn: Connection, account: Account, name: str) -> str:
    """Return the canonical policy that an account's preset has now, by which its uploads' moderations are found.

    Raises NotFound where there is no such preset, and Conflict for one without a policy.
    """
    if (preset := presets.by_name(conn, account.id, name)) is None:
        raise errors.NotFound(f"there is no preset {name!r}")
    parts = [part.strip() for part in str(preset.options.get("moderation") or "").split("|")]
    for part in parts:
        if part and part != Kind.MANUAL:
            return str(Policy.parse(part, default_taxonomy=account.default_taxonomy))
    raise errors.Conflict(f"preset {name!r} has no policy")


def simulate(
    engine: Engine,
    media: MediaStore,
    parameter: str,
    search: Search,
    *,
    bucket: str,
    limits: Limits,
    after: str | None = None,
    progress: Callable[[Simulation], None] | None = None,
) -> Simulated:
    """Judge past moderations by another moderation parameter, the newest first; nothing is changed.

    ``bucket`` is where the labels are kept, ``after`` a cursor of an earlier simulation. Raises PolicyError for a
    parameter that cannot be read, and Conflict for what is no cursor.
    """
    policy = Policy.parse(parameter)
    judging = _Judging(media, bucket, parameter, seconds=limits.seconds)
    found = Simulation(listed=limits.listed)
    last: Past | None = None
    ended: Ended | None = None
    while ended is None:
        wanted = min(_PAGE, limits.last - found.examined)
        with read(engine) as conn:
            batch = past.page(conn, search, after=last.cursor if last else after, limit=wanted)
        for last, judged in judging.all(batch):
            _count(found, last, judged)
        through = not batch or last == batch[-1]
        if through and len(batch) < wanted:
            ended = Ended.ALL
        elif through and found.examined == limits.last:
            ended = Ended.LAST
        elif judging.late:
            ended = Ended.TIME
        if progress is not None:
            progress(found)
    return Simulated(
        policy=policy,
        found=found,
        ended=ended,
        next_cursor=last.cursor if last and ended is not Ended.ALL else None,
        flips_cursor=_last_listed(found) if found.changed > len(found.flips) else None,
    )


def _count(found: Simulation, one: Past, judged: "_Judged") -> None:
    if isinstance(judged, Unjudged):
        found.skip(one.created_at, judged)
        return
    present, other = judged
    human = one.status if one.by_human else None
    found.add(
        Case(
            id=one.id,
            asset_id=one.asset_id,
            created_at=one.created_at,
            human=human,
            present=present,
            other=other,
        )
    )


def _last_listed(found: Simulation) -> str | None:
    return cursor.encode(found.flips[-1].created_at, found.flips[-1].id) if found.flips else None


#: What the present and the other policy reject for, or why that is not known.
_Judged = tuple[Offending, Offending] | Unjudged


class _Judging:
    """Judges past moderations by two policies each: by the gists of their labels, or else by all labels."""

    def __init__(self, media: MediaStore, bucket: str, other: str, *, seconds: float | None) -> None:
        self._media = media
        self._bucket = bucket
        self._other = other
        self._end = math.inf if seconds is None else time.monotonic() + seconds
        self._scale = functools.lru_cache(_SCALES)(_scale)

    @property
    def late(self) -> bool:
        """Say whether the time is up."""
        return time.monotonic() > self._end

    def all(self, batch: Sequence[Past]) -> Iterator[tuple[Past, _Judged]]:
        """Yield them with what is found, in their order; the first in any case, the rest until the time is up."""
        readers = ThreadPoolExecutor(_READERS)
        try:
            started = [(one, self._begin(one, readers)) for one in batch]
            for one, judged in started:
                yield one, judged.result() if isinstance(judged, Future) else judged
                if self.late:
                    return
        finally:
            readers.shutdown(cancel_futures=True)

    def _begin(self, one: Past, readers: ThreadPoolExecutor) -> "_Judged | Future[_Judged]":
        """Judge at once by a gist, in a thread where labels are to be read."""
        if one.labels_key is None:
            return Unjudged.NO_LABELS
        other = self._scale(self._other, one.default_taxonomy)
        if other.needs < one.kept_from:
            return Unjudged.LABELS_INSUFFICIENT
        try:
            present = self._scale(one.policy, one.default_taxonomy)
        except errors.PolicyError:
            return Unjudged.UNREADABLE
        if one.gist is not None and (gist := Gist.read(one.gist)) is not None:
            return present.offending(gist), other.offending(gist)
        return readers.submit(self._by_labels, one, one.labels_key, (present.policy, other.policy))

    def _by_labels(self, one: Past, key: str, policies: tuple[Policy, Policy]) -> _Judged:
        kept = labels.read(self._media, Location(bucket=self._bucket, key=key))
        try:
            present, other = rejudgement.verdicts(kept, one.model_version, policies)
        except errors.MediaNotFound:
            return Unjudged.LABELS_GONE
        except (errors.ResultsUnreadable, *_BROKEN):
            return Unjudged.UNREADABLE
        return _offending(present), _offending(other)


def _scale(parameter: str, taxonomy: str) -> Scale:
    return Scale(Policy.parse(parameter, default_taxonomy=taxonomy))


def _offending(verdict: Verdict) -> Offending:
    return {reason.path: reason.confidence for reason in verdict.reasons}
