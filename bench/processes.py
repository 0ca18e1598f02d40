"""Processes that came of this one (Linux)."""

import os
from collections.abc import Iterator
from pathlib import Path

from living import family_of


def below(*words: str) -> Iterator[int]:
    """Give those that came of this process and whose command lines have all these words."""
    for pid in sorted(family_of(os.getpid())):
        try:
            line = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
        except (FileNotFoundError, ProcessLookupError):  # It has ended since.
            continue
        if set(words) <= set(line):
            yield pid
