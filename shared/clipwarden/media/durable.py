"""What lasts although the machine fails: names of files are on disk only once their folder is."""

import os
from pathlib import Path


def sync(folder: Path) -> None:
    """Bring to disk which files a folder has."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
