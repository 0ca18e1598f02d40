"""What videos show: labels of scripts, and how a video comes into the media store with the script of what it shows."""

import json
import time
from pathlib import Path
from typing import Any

from chaos.world import BUCKET, World

WEAPONS = {"at": 0, "path": ["Violence", "Weapons"], "confidence": 30}
ALCOHOL = {"at": 0, "path": ["Alcohol", "Alcoholic Beverages"], "confidence": 88}
GESTURE = {"at": 500, "path": ["Rude Gestures", "Middle Finger"], "confidence": 61}
EXPLICIT = {"at": 0, "path": ["Explicit", "Explicit Nudity"], "confidence": 99}
#: Seconds between two attempts to write where there is no room.
_AGAIN = 0.5


def bring(world: World, key: str, video: bytes, script: dict[str, Any]) -> None:
    """Write a video into the bucket, and before it the script beside it."""
    target = world.media / BUCKET / key
    target.parent.mkdir(exist_ok=True)
    _write(target.with_name(f"{target.name}.script.json"), json.dumps(script).encode())
    _write(target, video)


def _write(path: Path, content: bytes) -> None:
    while True:
        try:
            path.write_bytes(content)
        except OSError:  # The disk is full.
            time.sleep(_AGAIN)
        else:
            return
