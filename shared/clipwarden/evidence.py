"""What the labels of one moment prove: which stand for themselves, and which only repeat what lies below them."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from clipwarden.errors import ResultsUnreadable
from clipwarden.policy import Policy
from clipwarden.rules import Rule, strictest
from clipwarden.taxonomy import TAXONOMIES, Category, Path, Taxonomy

#: What a label calls itself: its name and its parent's, as reported.
Called = tuple[str, str]

# Models have known three levels; a chain of unknown parents is followed no further than this.
_DEPTH = 8
# More names than these are none of Rekognition's, and are not worth remembering.
_REMEMBERED = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One label at one moment."""

    called: Called
    level: int | None
    confidence: float  #: 0 to 100.
    timestamp_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a label stands, and what it is judged by there."""

    rule: Rule
    limit: float
    key: Path  #: The path, whatever the case of its names.
    above: tuple[Path, ...]  #: The keys of all its ancestors.
    lineage: tuple[str, ...]  #: The label's name, its parent's, and those of further ancestors that it is placed by.


def read(element: Mapping[str, Any]) -> Sighting:
    """Read an element of GetContentModeration's ``ModerationLabels``; raises ResultsUnreadable for any other thing."""
    try:
        timestamp_ms, label = element["Timestamp"], element["ModerationLabel"]
        name, parent, confidence = label["Name"], label.get("ParentName") or "", label["Confidence"]
        level = label.get("TaxonomyLevel")
    except (KeyError, TypeError, AttributeError) as exc:
        raise _unreadable(element, "Timestamp and ModerationLabel with Name and Confidence are expected") from exc
    if not isinstance(name, str) or not name or not isinstance(parent, str):
        raise _unreadable(element, "names must be texts")
    if type(timestamp_ms) is not int or timestamp_ms < 0:
        raise _unreadable(element, "Timestamp must be milliseconds from the start")
    if type(confidence) not in (float, int) or not 0 <= confidence <= 100:  # noqa: PLR2004 # NaN is not between either
        raise _unreadable(element, "Confidence must be a number from 0 to 100")
    return Sighting(
        called=(name, parent),
        level=level if type(level) is int else None,
        confidence=float(confidence),
        timestamp_ms=timestamp_ms,
    )


@dataclass(slots=True, kw_only=True)
class Atlas:
    """Finds the place of labels in one taxonomy under one policy, those included that the taxonomy does not know."""

    policy: Policy
    taxonomy: Taxonomy
    _known: dict[Called, Place] = field(default_factory=dict)

    def places(self, group: Mapping[Called, float]) -> list[tuple[Place, float]]:
        """Return the place of every label of one moment, with its confidence."""
        strange = any(called not in self._known for called in group)
        parents = _parents(group) if strange else {}
        return [(self._known.get(called) or self._look_up(called, parents), group[called]) for called in group]

    def at(self, lineage: Sequence[str]) -> Place:
        """Return the place that has this lineage."""
        name, *upwards = lineage
        parents = {lower.casefold(): upper for lower, upper in itertools.pairwise(upwards)}
        return self._look_up((name, upwards[0]), parents)

    def _look_up(self, called: Called, parents: Mapping[str, str]) -> Place:
        name, parent = called
        if (category := self.taxonomy.find(name, parent)) is not None:
            place = _place(self.policy.rule_for(category), called)
        else:
            place = self._stray(name, parent, parents)
        lasting = category is not None or not parent or self._named(parent) is not None
        if lasting and len(self._known) < _REMEMBERED:
            self._known[called] = place
        return place

    def _stray(self, name: str, parent: str, parents: Mapping[str, str]) -> Place:
        """Place a label that the taxonomy does not have, or not there.

        It stands below the nearest ancestor that is known, and is judged by the stricter of that one's rule and, where
        the name is known from elsewhere, of that one's.
        """
        upwards: list[str] = []
        anchor: Category | None = None
        for ancestor in _chain(parent, parents):
            upwards.append(ancestor)
            if (anchor := self._named(ancestor)) is not None:
                break
        between = reversed(upwards[:-1] if anchor else upwards)
        path = (*(anchor.path if anchor else ()), *between, name)
        namesakes = (found for found in (anchor, self._named(name)) if found is not None)
        rule = strictest(
            map(self.policy.rule_for, namesakes),
            Category(path=path, taxonomy=self.taxonomy.version),
        )
        return _place(rule, (name, *(upwards or [parent])))

    def _named(self, name: str) -> Category | None:
        """Return the category of a name, looking into the other taxonomy last."""
        found = (taxonomy.named(name) for taxonomy in (self.taxonomy, *TAXONOMIES))
        return next((category for category in found if category is not None), None)


def standing(placed: list[tuple[Place, float]]) -> Iterator[tuple[Place, float]]:
    """Yield the labels of one moment that are not explained by what is reported below them.

    Rekognition repeats a category's confidence on all that lie above it, so that an ancestor is evidence in its own
    right only where its confidence is higher than the highest below it.
    """
    below: dict[Path, float] = {}
    for place, confidence in placed:
        for key in place.above:
            below[key] = max(confidence, below.get(key, confidence))
    return ((place, confidence) for place, confidence in placed if confidence > below.get(place.key, -math.inf))


def _parents(group: Mapping[Called, float]) -> dict[str, str]:
    """Return what the labels of one moment say lies above whom; of two sayings, always the same one."""
    return {name.casefold(): parent for name, parent in sorted(group, reverse=True)}


def _chain(parent: str, parents: Mapping[str, str]) -> Iterator[str]:
    """Yield a label's ancestors, nearest first."""
    seen: set[str] = set()
    while parent and parent.casefold() not in seen and len(seen) < _DEPTH:
        yield parent
        seen.add(parent.casefold())
        parent = parents.get(parent.casefold(), "")


def _place(rule: Rule, lineage: tuple[str, ...]) -> Place:
    key = tuple(name.casefold() for name in rule.category.path)
    above = tuple(key[:depth] for depth in range(1, len(key)))
    return Place(rule=rule, limit=rule.limit, key=key, above=above, lineage=lineage)


def _unreadable(element: object, expected: str) -> ResultsUnreadable:
    return ResultsUnreadable(f"not a label of GetContentModeration by timestamps: {element!r:.200}: {expected}")
