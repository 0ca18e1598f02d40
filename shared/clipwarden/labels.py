"""All labels of a job, kept compressed beside the media: one JSON label a line, gzip, in the order of timestamps."""

import gzip
import itertools
import json
import tempfile
from collections.abc import Iterable, Iterator
from typing import Any

from clipwarden import errors, evidence
from clipwarden.media.store import MediaStore
from clipwarden.moderation import Location, Moderation
from clipwarden.verdict import SHOWN_LABELS


def location(bucket: str, moderation: Moderation) -> Location:
    """Return where the labels of a moderation's present attempt belong."""
    return Location(bucket=bucket, key=key(moderation.id, moderation.attempt))


def key(moderation_id: str, attempt: int) -> str:
    """Return the key of the labels of a moderation's attempt."""
    return f"labels/{moderation_id}/{attempt}.jsonl.gz"


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


def judged(media: MediaStore, bucket: str, moderation: Moderation) -> Iterator[dict[str, Any]]:
    """Yield the labels that a moderation is judged by: those that a job of its own would have reported.

    Another one's job may have reported less confident ones as well. Raises MediaNotFound, at the latest with the
    first label.
    """
    if moderation.labels_key is None:
        raise errors.MediaNotFound("the labels are gone")
    kept = read(media, Location(bucket=bucket, key=moderation.labels_key))
    return kept if moderation.labels_of is None else sure(kept, moderation.min_confidence or 0.0)


def shown(media: MediaStore, bucket: str, moderation: Moderation) -> list[dict[str, Any]]:
    """Return the labels that callbacks show; none where there are none, or none any more: no verdict waits for them."""
    if moderation.labels_key is None:
        return []
    try:
        return list(itertools.islice(judged(media, bucket, moderation), SHOWN_LABELS))
    except errors.MediaNotFound:
        return []


def sure(labels: Iterable[dict[str, Any]], min_confidence: float) -> Iterator[dict[str, Any]]:
    """Yield the labels of this confidence or more; raises ResultsUnreadable for what is none."""
    return (label for label in labels if evidence.read(label).confidence >= min_confidence)


def read(media: MediaStore, source: Location) -> Iterator[dict[str, Any]]:
    """Yield the labels one by one."""
    with media.open(source) as stream, gzip.open(stream, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)
