"""Labels as a timeline: a lane for each category, and on it a hit for each stretch in which it was seen."""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from clipwarden.evidence import Atlas, Place, read, standing
from clipwarden.policy import Policy
from clipwarden.taxonomy import Path, taxonomy_for

#: Labels that are drawn at most, and lanes; all are judged, and the verdict tells of them.
MOST_LABELS, MOST_LANES = 50_000, 60
#: Milliseconds between two looks of the model where the labels do not tell, and the longest gap within a hit.
_STEP, _LONGEST_GAP = 500, 2500


@dataclass(slots=True, kw_only=True)
class Hit:
    """A stretch in which a category was seen."""

    start_ms: int
    end_ms: int
    confidence: float  #: 0 to 100, the highest.


@dataclass(slots=True, kw_only=True)
class Lane:
    """A category that was seen."""

    path: Path
    threshold: float | None  #: 0 to 100; ``None`` where the category is ignored.
    origin: str
    hits: list[Hit] = field(default_factory=list)

    @property
    def most(self) -> float:
        """Return the highest confidence."""
        return max(hit.confidence for hit in self.hits)

    @property
    def over(self) -> bool:
        """Say whether something exceeds the threshold."""
        return self.threshold is not None and self.most > self.threshold


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """What was seen, and when."""

    lanes: tuple[Lane, ...]  #: What exceeds its threshold first, then by confidence.
    duration_ms: int
    whole: bool  #: Whether all labels are drawn.


def draw(labels: Iterable[Mapping[str, Any]], policy: Policy, *, taxonomy: str, duration_ms: int | None) -> Timeline:
    """Return the timeline of labels in the order of their moments; raises ResultsUnreadable for what is none.

    What only repeats a category below it is left out, as it is left out of the verdict.
    """
    atlas = Atlas(policy=policy, taxonomy=taxonomy_for(taxonomy))
    lanes: dict[Path, Lane] = {}
    moments: list[int] = []
    sightings = map(read, itertools.islice(labels, MOST_LABELS + 1))
    drawn = 0
    for at, group in itertools.groupby(sightings, key=lambda sighting: sighting.timestamp_ms):
        seen = {sighting.called: sighting.confidence for sighting in group}
        drawn += len(seen)
        moments.append(at)
        for place, confidence in standing(atlas.places(seen)):
            lane = lanes.setdefault(place.key, _lane(place))
            lane.hits.append(Hit(start_ms=at, end_ms=at, confidence=confidence))
    return _timeline(list(lanes.values()), moments, duration_ms, whole=drawn <= MOST_LABELS)


def _lane(place: Place) -> Lane:
    rule = place.rule
    threshold = None if rule.threshold is None else float(rule.threshold * 100)
    return Lane(path=rule.category.path, threshold=threshold, origin=rule.origin)


def _timeline(lanes: list[Lane], moments: list[int], duration_ms: int | None, *, whole: bool) -> Timeline:
    gaps = [later - earlier for earlier, later in itertools.pairwise(moments) if later > earlier]
    step = min([_LONGEST_GAP, *gaps]) if gaps else _STEP
    end = max([duration_ms or 0, *(moment + 1 for moment in moments)])
    for lane in lanes:
        lane.hits = _joined(lane.hits, step, end)
    chosen = sorted(lanes, key=lambda lane: (not lane.over, -lane.most, lane.path))
    return Timeline(lanes=tuple(chosen[:MOST_LANES]), duration_ms=end, whole=whole and len(chosen) <= MOST_LANES)


def _joined(seen: list[Hit], step: int, end: int) -> list[Hit]:
    """Return moments as stretches: each lasts to the next look of the model, and two looks in a row are one."""
    found: list[Hit] = []
    for one in seen:
        until = min(one.start_ms + step, end)
        if found and one.start_ms <= found[-1].end_ms + step // 2:
            last = found[-1]
            last.end_ms, last.confidence = max(last.end_ms, until), max(last.confidence, one.confidence)
        else:
            found.append(Hit(start_ms=one.start_ms, end_ms=until, confidence=one.confidence))
    return found
