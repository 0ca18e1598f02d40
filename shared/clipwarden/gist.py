"""The gist of a job's labels: short enough for a row, and all that any policy needs to approve or reject by them.

Which labels of a moment stand for themselves depends on the taxonomy, never on thresholds. So the highest confidence at
which each category stands tells whether it offends, whatever the policy.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from clipwarden import evidence
from clipwarden.evidence import Atlas, Called, Place
from clipwarden.policy import Policy
from clipwarden.taxonomy import Path, Taxonomy, taxonomy_for
from clipwarden.verdict import LISTED_CATEGORIES, Label

#: The form of the text, and of what is in it: to be raised with every change of the taxonomies or of what stands.
FORM = 1

_BETWEEN = "\n"
# Places that a scale remembers; Rekognition's own are a tenth of that.
_REMEMBERED = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Gist:
    """The highest confidences at which labels stood for themselves, by their lineages."""

    taxonomy: str  #: Version of the taxonomy by which the labels were read.
    heights: Mapping[str, float]  #: 0 to 100; a lineage is names, the label's own first, with line feeds between.

    def __str__(self) -> str:
        """Return the text that is kept."""
        return json.dumps([FORM, self.taxonomy, self.heights], separators=(",", ":"))

    @classmethod
    def read(cls, text: str) -> "Gist | None":
        """Return the gist that a text keeps; ``None`` where it is of another release's form."""
        form, *rest = json.loads(text)
        return cls(taxonomy=rest[0], heights=rest[1]) if form == FORM else None


class Condenser:
    """Makes the gist of labels as they come, in memory that does not grow with their number.

    There is none where it would not tell the same as the labels from any confidence on: for labels without a model
    version, out of order, of too many names, or placed by what less confident ones say.
    """

    def __init__(self, model_version: str | None) -> None:
        self._atlas = Atlas(policy=Policy(), taxonomy=taxonomy_for(model_version or ""))
        self._fit = model_version is not None
        self._heights: dict[str, float] = {}
        self._group: dict[Called, float] = {}
        self._timestamp_ms = -1

    def passing(self, labels: Iterable[Label]) -> Iterator[Label]:
        """Take labels in and yield them on; raises ResultsUnreadable for what is none."""
        for label in labels:
            self.add(label)
            yield label

    def add(self, label: Label) -> None:
        """Take in a label; raises ResultsUnreadable for what is none."""
        if not self._fit:
            return
        sighting = evidence.read(label)
        if sighting.timestamp_ms != self._timestamp_ms:
            self._close()
            self._fit = self._fit and sighting.timestamp_ms > self._timestamp_ms
            self._timestamp_ms = sighting.timestamp_ms
        self._group[sighting.called] = max(sighting.confidence, self._group.get(sighting.called, 0.0))

    def gist(self) -> Gist | None:
        """Return the gist of what was taken in, if there is one; call it after the last label."""
        self._close()
        return Gist(taxonomy=self._atlas.taxonomy.version, heights=self._heights) if self._fit else None

    def _close(self) -> None:
        placed = self._atlas.places(self._group)
        for place, confidence in evidence.standing(placed):
            lineage = _BETWEEN.join(place.lineage)
            self._heights[lineage] = max(confidence, self._heights.get(lineage, 0.0))
        well_placed = all(self._surely(place, confidence) for place, confidence in placed)
        self._fit = self._fit and well_placed and len(self._heights) <= LISTED_CATEGORIES
        self._group = {}

    def _surely(self, place: Place, confidence: float) -> bool:
        """Say whether a label stays in its place where the moment's less confident labels are left out."""
        name, parent, *_ = place.lineage
        if self._atlas.taxonomy.find(name, parent) is not None:
            return True
        upwards = {upper.casefold() for upper in place.lineage[1:]}
        said = (sure for (lower, _), sure in self._group.items() if lower.casefold() in upwards)
        return all(sure >= confidence for sure in said) and not any(_BETWEEN in name for name in place.lineage)


@dataclass(frozen=True, slots=True)
class Scale:
    """Weighs gists by one policy, and remembers what each lineage weighs."""

    policy: Policy
    needs: float = field(init=False)  #: The confidence, 0 to 100, from which on it needs labels.
    _places: dict[str, dict[str, Place]] = field(init=False, default_factory=lambda: defaultdict(dict))

    def __post_init__(self) -> None:
        """Resolve what takes a while once."""
        object.__setattr__(self, "needs", self.policy.min_confidence)

    def offending(self, gist: Gist) -> dict[Path, float]:
        """Return the categories that reject, with their highest confidences; none where the policy approves."""
        known = self._places[gist.taxonomy]
        found: dict[Path, float] = {}
        for lineage, confidence in gist.heights.items():
            place = known.get(lineage) or self._look_up(known, lineage, taxonomy_for(gist.taxonomy))
            if confidence > place.limit:
                path = place.rule.category.path
                found[path] = max(confidence, found.get(path, 0.0))
        return found

    def _look_up(self, known: dict[str, Place], lineage: str, taxonomy: Taxonomy) -> Place:
        place = Atlas(policy=self.policy, taxonomy=taxonomy).at(lineage.split(_BETWEEN))
        if len(known) < _REMEMBERED:
            known[lineage] = place
        return place
