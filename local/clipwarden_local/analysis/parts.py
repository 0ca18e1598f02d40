"""NudeNet, where it is installed: which parts of bodies a picture shows.

It is AGPL-3.0 and thus an extra; only its file of weights is used. It was trained on RGB and is given RGB here.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipwarden_local.analysis.frames import Picture, resize
from clipwarden_local.analysis.outcome import Observation

_SIDE = 320
#: The network's classes, in the order of its outputs.
_CLASSES = (
    "FEMALE_GENITALIA_COVERED",
    "FACE_FEMALE",
    "BUTTOCKS_EXPOSED",
    "FEMALE_BREAST_EXPOSED",
    "FEMALE_GENITALIA_EXPOSED",
    "MALE_BREAST_EXPOSED",
    "ANUS_EXPOSED",
    "FEET_EXPOSED",
    "BELLY_COVERED",
    "FEET_COVERED",
    "ARMPITS_COVERED",
    "ARMPITS_EXPOSED",
    "FACE_MALE",
    "BELLY_EXPOSED",
    "MALE_GENITALIA_EXPOSED",
    "ANUS_COVERED",
    "FEMALE_BREAST_COVERED",
    "BUTTOCKS_COVERED",
)
_EXPLICIT = ("Explicit", "Explicit Nudity")
_NON_EXPLICIT = ("Non-Explicit Nudity of Intimate parts and Kissing", "Non-Explicit Nudity")
_SWIMWEAR = ("Swimwear or Underwear", "Female Swimwear or Underwear")
_EXPOSED: dict[str, tuple[str, ...]] = {
    "FEMALE_BREAST_EXPOSED": (*_EXPLICIT, "Exposed Female Nipple"),
    "FEMALE_GENITALIA_EXPOSED": (*_EXPLICIT, "Exposed Female Genitalia"),
    "MALE_GENITALIA_EXPOSED": (*_EXPLICIT, "Exposed Male Genitalia"),
    "BUTTOCKS_EXPOSED": (*_EXPLICIT, "Exposed Buttocks or Anus"),
    "ANUS_EXPOSED": (*_EXPLICIT, "Exposed Buttocks or Anus"),
    "MALE_BREAST_EXPOSED": (*_NON_EXPLICIT, "Exposed Male Nipple"),
}
#: Covered parts mean swimwear only beside bare skin.
_COVERED: dict[str, tuple[str, ...]] = {
    "FEMALE_BREAST_COVERED": ("BELLY_EXPOSED", "ARMPITS_EXPOSED"),
    "FEMALE_GENITALIA_COVERED": ("BELLY_EXPOSED",),
    "BUTTOCKS_COVERED": ("BELLY_EXPOSED",),
    "ANUS_COVERED": ("BELLY_EXPOSED",),
}
#: Scores of such networks crowd between 0.2 and 0.85; an uncalibrated stretch to confidences.
_SCORES = (0.25, 0.45, 0.65, 0.85)
_CONFIDENCES = (30.0, 55.0, 80.0, 97.0)


def detect(session: Any, picture: Picture) -> dict[str, float]:
    """Return the best score of every part that some box shows."""
    height, width = picture.shape[:2]
    scale = _SIDE / max(height, width)
    fit_height, fit_width = max(1, round(height * scale)), max(1, round(width * scale))
    canvas = np.zeros((_SIDE, _SIDE, 3), dtype=np.uint8)
    canvas[:fit_height, :fit_width] = resize(picture, fit_width, fit_height)
    batch = (canvas.astype(np.float32) / np.float32(255)).transpose(2, 0, 1)[np.newaxis].copy()
    boxes: NDArray[np.float32] = session.run(None, {session.get_inputs()[0].name: batch})[0][0, 4:]
    # A box counts for the part that it is surest of; boxes that overlap do not change the best score.
    owners = boxes.argmax(axis=0)
    return {
        name: float(boxes[number, owners == number].max())
        for number, name in enumerate(_CLASSES)
        if (owners == number).any()
    }


def observed(timestamp_ms: int, parts: Mapping[str, float]) -> list[Observation]:
    """Return the labels that the parts of one picture stand for."""
    least = _SCORES[0]
    shown = {name: score for name, score in parts.items() if score >= least}
    found = [(_EXPOSED[name], score) for name, score in shown.items() if name in _EXPOSED]
    for name, beside in _COVERED.items():
        if name in shown and any(skin in shown for skin in beside):
            found.append((_SWIMWEAR, shown[name]))
    return [
        Observation(timestamp_ms=timestamp_ms, path=path, confidence=float(np.interp(score, _SCORES, _CONFIDENCES)))
        for path, score in found
    ]
