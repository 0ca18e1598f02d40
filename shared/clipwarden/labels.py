"""All labels of a job, kept compressed beside the media: one JSON label a line, gzip, in the order of timestamps."""

import gzip
import json
import tempfile
from collections.abc import Iterable, Iterator
from typing import Any

from clipwarden.media.store import MediaStore
from clipwarden.moderation import Location, Moderation


def location(bucket: str, moderation: Moderation) -> Location:
    """Return where the labels of a moderation's present attempt belong."""
    return Location(bucket=bucket, key=f"labels/{moderation.id}/{moderation.attempt}.jsonl.gz")


def write(media: MediaStore, target: Location, labels: Iterable[dict[str, Any]]) -> int:
    """Store the labels, all or none of them, and return how many there are."""
    count = 0
    with tempfile.TemporaryFile() as spool:
        with gzip.open(spool, "wt", encoding="utf-8", compresslevel=6) as lines:
            for label in labels:
                lines.write(json.dumps(label, separators=(",", ":")) + "\n")
                count += 1
        spool.seek(0)
        media.put(target, spool, content_type="application/gzip")
    return count


def read(media: MediaStore, source: Location) -> Iterator[dict[str, Any]]:
    """Yield the labels one by one."""
    with media.open(source) as stream, gzip.open(stream, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)
