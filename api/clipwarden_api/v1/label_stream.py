"""All labels that a moderation is judged by: page by page, or as lines while they are read."""

import itertools
from collections.abc import Iterator
from typing import Any

from starlette.responses import Response, StreamingResponse

from clipwarden import errors, labels
from clipwarden.store.engine import read
from clipwarden_api.v1 import reading
from clipwarden_api.v1.models import Label, LabelPage
from clipwarden_api.v1.operation import Answer, Call

LINES = "application/x-ndjson"
#: Labels that are read and sent at once.
_BATCH = 500


def give(call: Call) -> Answer | Response:
    """Return a page of the labels, or all from the cursor on as lines, if that is what the caller accepts.

    Raises Conflict where there are none yet, and MediaNotFound where they are gone.
    """
    with read(call.services.engine) as conn:
        moderation = call.moderation(conn)
    if moderation.labels_key is None:
        raise errors.Conflict(f"there are no labels of a moderation that is {moderation.status} in {moderation.stage}")
    kept = labels.judged(call.services.media, call.services.settings.media.bucket, moderation)
    start = int(call.query.cursor or 0)
    found = map(_label, itertools.islice(kept, start, None))
    if LINES not in call.accept:
        return _page(call, found, start)
    # Labels that are gone must be known before the answer begins.
    first = list(itertools.islice(found, _BATCH))
    return StreamingResponse(_lines(first, found), media_type=LINES, headers={"Cache-Control": "no-store"})


def _page(call: Call, found: Iterator[Label], start: int) -> Answer:
    limit = call.query.limit
    items = list(itertools.islice(found, limit + 1))
    cursor = str(start + limit) if items[limit:] else None
    return reading.paged(call, LabelPage(items=items[:limit], next=cursor), cursor)


def _lines(first: list[Label], rest: Iterator[Label]) -> Iterator[str]:
    batch = first
    while batch:
        yield "".join(label.model_dump_json() + "\n" for label in batch)
        batch = list(itertools.islice(rest, _BATCH))


def _label(kept: dict[str, Any]) -> Label:
    found = kept["ModerationLabel"]
    return Label(
        timestamp_ms=kept["Timestamp"],
        name=found["Name"],
        parent_name=found.get("ParentName") or "",
        confidence=found["Confidence"],
        taxonomy_level=found.get("TaxonomyLevel"),
    )
