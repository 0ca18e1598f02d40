"""Approved or rejected, and why: a pure function of Rekognition's labels and a policy."""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from clipwarden.evidence import Atlas, Called, Place, Sighting, read, standing
from clipwarden.moderation import Status
from clipwarden.policy import Policy
from clipwarden.taxonomy import TAXONOMIES, Path, Taxonomy, taxonomy_for, told_by

#: Labels that responses and callbacks show; all are judged.
SHOWN_LABELS = 1000
#: Categories that a verdict lists; Rekognition knows 52, and labels of any further ones are judged all the same.
LISTED_CATEGORIES = 200

Label = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """A category that exceeded its threshold."""

    label: str
    path: Path
    confidence: float  #: 0 to 100, the highest that offends.
    threshold: float  #: 0 to 1.
    timestamp_ms: int  #: When it was highest, the first time if several.
    first_ms: int  #: When it first offended.
    count: int  #: Moments at which it offended.
    origin: str  #: Where the threshold comes from, in words.
    source: str | None  #: The category that the policy names, as it names it; ``None`` for the default.


@dataclass(frozen=True, slots=True, kw_only=True)
class Maximum:
    """The highest confidence that a category reached, whether it offends or not."""

    path: Path
    confidence: float  #: 0 to 100.
    timestamp_ms: int
    threshold: float | None  #: 0 to 1; ``None`` where the category is ignored.


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the rules say about a video."""

    status: Status  #: Approved or rejected.
    reasons: tuple[Reason, ...]  #: One a category, the most confident first; empty when approved.
    maxima: tuple[Maximum, ...]  #: One a category, the most confident first.
    label_count: int
    offences: int  #: Labels that exceeded their thresholds.
    taxonomy: str  #: Version of the taxonomy by which the labels were read.
    model_version: str | None  #: As Rekognition reported it.
    labels: tuple[Label, ...] = ()  #: The first 1000, as they came.

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can carry, without the labels: all of them are kept elsewhere."""
        return {
            "status": str(self.status),
            "reasons": [_plain(reason) for reason in self.reasons],
            "maxima": [_plain(maximum) for maximum in self.maxima],
            "label_count": self.label_count,
            "offences": self.offences,
            "taxonomy": self.taxonomy,
            "model_version": self.model_version,
        }


def judge(labels: Iterable[Label], policy: Policy, model_version: str | None = None) -> Verdict:
    """Return the verdict on all labels of a job; see Judge."""
    judging = Judge(policy, model_version)
    judging.feed(labels)
    return judging.verdict()


class Judge:
    """Judges labels as they come, page by page, in memory that does not grow with their number.

    Labels are elements of GetContentModeration's ``ModerationLabels``, aggregated and sorted by timestamp. What has the
    same timestamp is judged together, whatever page it came on. A timestamp that comes back after another one is
    judged as a moment of its own, which can only make the verdict on known categories stricter.

    Without a model version, the first label that proves a taxonomy decides how all are read; until then they are read
    in both, and if none ever proves one, the reading that rejects stands.
    """

    def __init__(self, policy: Policy, model_version: str | None = None) -> None:
        self._model_version = model_version
        taxonomies = (taxonomy_for(model_version),) if model_version else TAXONOMIES
        self._readings = [_Reading(policy, taxonomy) for taxonomy in taxonomies]
        self._group: dict[Called, float] = {}
        self._timestamp_ms = -1
        self._shown: list[Label] = []
        self._count = 0

    def feed(self, labels: Iterable[Label]) -> None:
        """Take in a page."""
        for label in labels:
            self.add(label)

    def add(self, label: Label) -> None:
        """Take in a label; raises ResultsUnreadable for what is none."""
        sighting = read(label)
        if sighting.timestamp_ms != self._timestamp_ms:
            self._close()
            self._timestamp_ms = sighting.timestamp_ms
        self._group[sighting.called] = max(sighting.confidence, self._group.get(sighting.called, 0.0))
        if len(self._readings) > 1:
            self._settle(sighting)
        if self._count < SHOWN_LABELS:
            self._shown.append(label)
        self._count += 1

    def verdict(self) -> Verdict:
        """Return the verdict on what was taken in; call it after the last label."""
        self._close()
        reading = max(self._readings, key=lambda each: (each.offences > 0, each.taxonomy.version))
        return Verdict(
            status=Status.REJECTED if reading.offences else Status.APPROVED,
            reasons=reading.reasons(),
            maxima=reading.maxima(),
            label_count=self._count,
            offences=reading.offences,
            taxonomy=reading.taxonomy.version,
            model_version=self._model_version,
            labels=tuple(self._shown),
        )

    def _close(self) -> None:
        for reading in self._readings:
            reading.take(self._group, self._timestamp_ms)
        self._group = {}

    def _settle(self, sighting: Sighting) -> None:
        taxonomy = told_by(*sighting.called, sighting.level)
        if taxonomy is not None:
            self._readings = [reading for reading in self._readings if reading.taxonomy == taxonomy]


@dataclass(slots=True, kw_only=True)
class _Tally:
    """What is remembered of one category: its highest confidence, when, and how often it was counted."""

    place: Place
    confidence: float
    timestamp_ms: int
    first_ms: int
    count: int = 0

    def add(self, confidence: float, timestamp_ms: int) -> None:
        self.count += 1
        self.first_ms = min(self.first_ms, timestamp_ms)
        if (confidence, -timestamp_ms) > (self.confidence, -self.timestamp_ms):
            self.confidence = confidence
            self.timestamp_ms = timestamp_ms


@dataclass(slots=True)
class _Reading:
    """The labels, read by one taxonomy."""

    policy: Policy
    taxonomy: Taxonomy
    offences: int = 0
    _atlas: Atlas = field(init=False)
    _highest: dict[Path, _Tally] = field(default_factory=dict)
    _offending: dict[Path, _Tally] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._atlas = Atlas(policy=self.policy, taxonomy=self.taxonomy)

    def take(self, group: Mapping[Called, float], timestamp_ms: int) -> None:
        """Judge the labels of one moment."""
        placed = self._atlas.places(group)
        for place, confidence in placed:
            _note(self._highest, place, confidence, timestamp_ms)
        for place, confidence in standing(placed):
            if confidence > place.limit:
                self.offences += 1
                _note(self._offending, place, confidence, timestamp_ms)

    def reasons(self) -> tuple[Reason, ...]:
        return tuple(_reason(tally) for tally in _ranked(self._offending))

    def maxima(self) -> tuple[Maximum, ...]:
        return tuple(
            Maximum(
                path=tally.place.rule.category.path,
                confidence=tally.confidence,
                timestamp_ms=tally.timestamp_ms,
                threshold=None if tally.place.rule.threshold is None else float(tally.place.rule.threshold),
            )
            for tally in _ranked(self._highest)
        )


def _note(tallies: dict[Path, _Tally], place: Place, confidence: float, timestamp_ms: int) -> None:
    tally = tallies.get(place.key)
    if tally is None:
        if len(tallies) >= LISTED_CATEGORIES:
            return
        tally = _Tally(place=place, confidence=confidence, timestamp_ms=timestamp_ms, first_ms=timestamp_ms)
        tallies[place.key] = tally
    tally.add(confidence, timestamp_ms)


def _ranked(tallies: Mapping[Path, _Tally]) -> list[_Tally]:
    return sorted(tallies.values(), key=lambda tally: (-tally.confidence, tally.place.key))


def _reason(tally: _Tally) -> Reason:
    rule = tally.place.rule
    return Reason(
        label=rule.category.name,
        path=rule.category.path,
        confidence=tally.confidence,
        threshold=float(rule.threshold or 0),  # What is ignored has none, and never offends.
        timestamp_ms=tally.timestamp_ms,
        first_ms=tally.first_ms,
        count=tally.count,
        origin=rule.origin,
        source=rule.source.slug if rule.source else None,
    )


def _plain(listed: Reason | Maximum) -> dict[str, Any]:
    return {**dataclasses.asdict(listed), "path": list(listed.path)}
