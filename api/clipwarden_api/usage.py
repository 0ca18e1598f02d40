"""What an account has and is called: its usage, its settings and the tags of its assets."""

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from clipwarden.moderation import ResourceType
from clipwarden.store import library, usage
from clipwarden.store.engine import read
from clipwarden_api import calls, rendering
from clipwarden_api.credentials import Caller
from clipwarden_api.parameters import Parameters
from clipwarden_api.refusals import bad
from clipwarden_api.services import Services

_DATE = re.compile(r"(\d{2})-(\d{2})-(\d{4})", re.ASCII)


def report(services: Services, caller: Caller, asked: Parameters, path: dict[str, str]) -> dict[str, Any]:
    """Return how many assets and bytes an account has; of a day that is named, those that came in until its end.

    Nothing is limited by a plan, and what viewers were sent is not counted: those figures are 0.
    """
    del asked
    until = _until(path.get("date"), services.clock.now())
    with read(services.engine) as conn:
        used = usage.of_account(conn, caller.account.id, until=until)
    none = {"usage": 0}
    return {
        "plan": "Self-hosted",
        "last_updated": str(until.date()),
        "date_requested": rendering.instant(until),
        "transformations": none,
        "objects": {"usage": used.assets},
        "bandwidth": none,
        "storage": {"usage": used.bytes},
        "requests": 0,
        "resources": used.assets,
        "derived_resources": 0,
        "backup": {"usage": used.kept_bytes},
        "media_limits": {"video_max_size_bytes": services.settings.media.max_bytes},
    }


def config(services: Services, caller: Caller, asked: Parameters, path: dict[str, str]) -> dict[str, Any]:
    """Return what an account is called, since when it is there, and its settings where they are asked for."""
    del services, path
    account = caller.account
    said = {"cloud_name": account.name, "created_at": rendering.instant(account.created_at)}
    return said | ({"settings": {"folder_mode": "fixed"}} if asked.flag("settings") else {})


def tags(services: Services, caller: Caller, asked: Parameters, path: dict[str, str]) -> dict[str, Any]:
    """Return a page of the tags that an account's assets of one type have, in the order of their letters."""
    limit = calls.paging(asked)["limit"]
    with read(services.engine) as conn:
        found = library.tags(
            conn,
            caller.account.id,
            resource_type=ResourceType(calls.resource_type(path)),
            prefix=asked.text("prefix"),
            limit=limit + 1,
            after=asked.text("next_cursor"),
        )
    # The last tag of a page is its cursor.
    return {"tags": found[:limit]} | ({"next_cursor": found[limit - 1]} if found[limit:] else {})


def _until(text: str | None, now: datetime) -> datetime:
    """Return the end of a day that has passed, and now for today; raises Refusal for what is no day."""
    if text is None:
        return now
    found = _DATE.fullmatch(text)
    try:
        day = date(*(int(part) for part in reversed(found.groups()))) if found else None
    except ValueError:
        day = None
    if day is None:
        raise bad(f"Invalid date: {text[:64]}; dd-mm-yyyy is understood")
    return now if day >= now.date() else datetime.combine(day, time(), tzinfo=UTC) + timedelta(days=1)
