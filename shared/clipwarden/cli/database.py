"""The database that a command works on, and how commands show what is in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine

from clipwarden import logs
from clipwarden.moderation import Moderation
from clipwarden.settings import Settings
from clipwarden.store.engine import create_engine
from clipwarden.store.migrating import require_usable


@contextmanager
def connected() -> Iterator[tuple[Settings, Engine]]:
    """Yield the settings and an engine on a database of our schema."""
    settings = Settings()
    logs.configure(settings.log)
    engine = create_engine(settings.database, patient=True)
    try:
        require_usable(engine)
        yield settings, engine
    finally:
        engine.dispose()


def brief(moderation: Moderation) -> dict[str, Any]:
    """Return what a list shows of a moderation."""
    return {
        "id": moderation.id,
        "kind": moderation.kind,
        "status": moderation.status,
        "stage": moderation.stage,
        "source": moderation.source,
        "created_at": moderation.created_at,
        "decided_by": moderation.decided_by,
    }


def full(moderation: Moderation) -> dict[str, Any]:
    """Return all that a person may want to know of a moderation."""
    return brief(moderation) | {
        "policy": moderation.policy,
        "asset_id": moderation.asset_id,
        "attempt": moderation.attempt,
        "job_id": moderation.job_id,
        "model_version": moderation.model_version,
        "labels": moderation.label_count,
        "labels_of": moderation.labels_of,
        "rejudges": moderation.rejudges,
        "due_at": moderation.due_at,
        "started_at": moderation.started_at,
        "ended_at": moderation.ended_at,
        "decided_at": moderation.decided_at,
        "error_code": moderation.error_code,
        "error_reason": moderation.error_reason,
    }
