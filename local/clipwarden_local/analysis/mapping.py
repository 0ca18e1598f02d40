"""From the models' scores to the labels of Rekognition's taxonomy 7.0, as far as the models reach.

The indices are those of ImageNet's thousand classes; which of them to trust was measured on harmless pictures.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from clipwarden_local.analysis import parts
from clipwarden_local.analysis.outcome import Observation, with_parents

Path = tuple[str, ...]

#: What the results name as their model: the taxonomy they use, and that it is not Rekognition.
MODEL_VERSION = "7.0-local"

_WEAPONS = ("Violence", "Weapons")
_GRAPHIC = ("Violence", "Graphic Violence")
_EXPLICIT = ("Explicit", "Explicit Nudity")
_NON_EXPLICIT = ("Non-Explicit Nudity of Intimate parts and Kissing", "Non-Explicit Nudity")
_FEMALE_SWIMWEAR = ("Swimwear or Underwear", "Female Swimwear or Underwear")
_MALE_SWIMWEAR = ("Swimwear or Underwear", "Male Swimwear or Underwear")

#: Similar classes share their probability, so that the sum over a group counts. Left out, for they fire at harmless
#: things: cleaver, hatchet, scabbard, corkscrew, military uniform, lighter, miniskirt; and missiles, which rockets are.
_GROUPS: dict[Path, tuple[int, ...]] = {
    _WEAPONS: (413, 471, 597, 763, 764, 847),
    ("Alcohol", "Alcoholic Beverages"): (440, 441, 503, 572, 901, 907, 966),
    ("Gambling",): (800,),
    ("Drugs & Tobacco", "Drugs & Tobacco Paraphernalia & Use"): (845,),
    ("Drugs & Tobacco", "Products", "Pills"): (720,),
    _FEMALE_SWIMWEAR: (445, 459, 638, 639),
    _MALE_SWIMWEAR: (842,),
}
#: Below this a group's sum is noise, in percent.
_NOISE = 10.0
_SEXUAL = 0.5
_SUGGESTIVE = 0.3
#: Brings the range from suggestive to sexual to 50-70, where a default threshold sees it.
_SUGGESTIVE_LIFT = 20.0
_GRAPHIC_LEAST = 0.5
#: Blocky pictures of old telephones look graphic to the model.
_GRAPHIC_LEAST_HEIGHT = 240


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """What the models say of one picture; all 0-1."""

    timestamp_ms: int
    views: NDArray[np.float32]  #: Probabilities of the thousand classes, one row per view of the picture.
    opennsfw: float
    nsfw: float
    nsfl: float
    parts: Mapping[str, float] = field(default_factory=dict)  #: NudeNet's, where it is installed.


def observations(samples: Sequence[Scores], *, frame_height: int) -> tuple[Observation, ...]:
    """Return the labels of a whole video, given its samples in order."""
    seen = [one for sample in samples for one in _in_picture(sample)]
    if frame_height >= _GRAPHIC_LEAST_HEIGHT:
        seen += _graphic(samples)
    return with_parents(seen)


def _in_picture(scores: Scores) -> Iterator[Observation]:
    for path, indices in _GROUPS.items():
        confidence = 100 * float(scores.views[:, list(indices)].sum(axis=1).max())
        if confidence >= _NOISE:
            yield Observation(timestamp_ms=scores.timestamp_ms, path=path, confidence=confidence)
    # Either model alone is wrong once in a few hundred harmless pictures, hardly ever both at once.
    sexual = (scores.opennsfw + scores.nsfw) / 2
    if sexual >= _SEXUAL:
        yield Observation(timestamp_ms=scores.timestamp_ms, path=_EXPLICIT, confidence=100 * sexual)
    elif sexual >= _SUGGESTIVE:
        confidence = 100 * sexual + _SUGGESTIVE_LIFT
        yield Observation(timestamp_ms=scores.timestamp_ms, path=_NON_EXPLICIT, confidence=confidence)
    # NudeNet sees bodies in planets and rabbits: its boxes only say more of what the whole picture shows already.
    if sexual >= _SUGGESTIVE:
        yield from parts.observed(scores.timestamp_ms, scores.parts)


def _graphic(samples: Sequence[Scores]) -> list[Observation]:
    """Graphic violence counts where two samples in a row show it: single pictures are too often an accident."""
    lasting: dict[int, float] = {}
    for before, after in pairwise(samples):
        if min(before.nsfl, after.nsfl) >= _GRAPHIC_LEAST:
            lasting |= {before.timestamp_ms: before.nsfl, after.timestamp_ms: after.nsfl}
    return [Observation(timestamp_ms=at, path=_GRAPHIC, confidence=100 * nsfl) for at, nsfl in lasting.items()]
