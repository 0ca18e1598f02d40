"""What a queue is narrowed to: read from the address, and written into it again, so that a queue can be shared."""

import contextlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import ColumnElement

from clipwarden import errors
from clipwarden.moderation import Kind, Status
from clipwarden.simulating import preset_policy
from clipwarden.store.accounts import by_id
from clipwarden.store.engine import read
from clipwarden.store.queues import Search
from clipwarden_api.console.turned import Turned
from clipwarden_api.console.visit import Visit
from clipwarden_api.parameters import Parameters
from clipwarden_api.refusals import Refusal
from clipwarden_api.search import expression, sql

_NAMES = (
    *("kind", "status", "account", "preset", "category", "at_least", "at_most"),
    *("since", "before", "tag", "decided_by", "escalated", "error", "text"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What was asked for, as it stands in the address; a text that is empty excludes nothing."""

    kind: str = ""
    status: str = ""
    account: str = ""
    preset: str = ""
    category: str = ""
    at_least: str = ""
    at_most: str = ""
    since: str = ""
    before: str = ""
    tag: str = ""
    decided_by: str = ""
    escalated: str = ""
    error: str = ""
    text: str = ""

    @classmethod
    def read(cls, asked: Parameters) -> "Filters":
        """Return what a request asks for."""
        return cls(**{name: (asked.text(name) or "").strip()[:500] for name in _NAMES})

    @property
    def given(self) -> dict[str, str]:
        """Return what is not empty."""
        return {name: value for name in _NAMES if (value := getattr(self, name))}

    @property
    def narrowed(self) -> bool:
        """Say whether more than a kind and a status is asked for."""
        return bool(self.given.keys() - {"kind", "status"})

    def query(self, **changes: str) -> str:
        """Return it as an address has it, with its question mark."""
        given = replace(self, **{name: value for name, value in changes.items() if name in _NAMES}).given
        given |= {name: value for name, value in changes.items() if name not in _NAMES and value}
        return address(given)

    def search(self, visit: Visit, accounts: dict[str, str]) -> Search:
        """Return the search of a person who may see these accounts, names by ids; raises Turned for what cannot be."""
        return Search(
            account_ids=_account_ids(visit, accounts, self.account),
            kind=_word(Kind, self.kind),
            status=_word(Status, self.status),
            policies=_policies(visit, accounts, self.account, self.preset),
            category=self.category or None,
            at_least=_percent(self.at_least),
            at_most=_percent(self.at_most),
            since=day(self.since),
            before=day(self.before, days=1),
            tag=self.tag or None,
            decided_by=_decider(self.decided_by),
            escalated=bool(self.escalated),
            error=self.error or None,
            about=_condition(visit, self.text),
        )


def address(given: Mapping[str, str]) -> str:
    """Return what is given as the end of an address, with its question mark."""
    stated = {name: value for name, value in given.items() if value}
    return f"?{urlencode(stated)}" if stated else ""


def _account_ids(visit: Visit, accounts: dict[str, str], wanted: str) -> list[str] | None:
    if wanted:
        return [id for id, name in accounts.items() if name == wanted]
    return list(visit.user.account_ids) if visit.user.account_ids is not None else None


def _policies(visit: Visit, accounts: dict[str, str], account: str, preset: str) -> dict[str, str] | None:
    """Return the policies that a preset of this name has now, by the ids of the accounts that have one."""
    if not preset:
        return None
    found = {}
    with read(visit.services.engine) as conn:
        for id in (id for id, name in accounts.items() if account in ("", name)):
            owner = by_id(conn, id)
            with contextlib.suppress(errors.NotFound, errors.Conflict):
                found[id] = preset_policy(conn, owner, preset) if owner is not None else ""
    return found


def _word(words: Any, text: str) -> Any:
    if text and text not in set(words):
        raise Turned(422, f"There is no {words.__name__.lower()} {text[:40]}.")
    return words(text) if text else None


def _percent(text: str) -> float | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 100:  # noqa: PLR2004 # percent
        raise Turned(422, f"A confidence is a number from 0 to 100, not {text[:40]}.")
    return value


def day(text: str, days: int = 0) -> datetime | None:
    """Return the beginning of a day, or of one so many days later; raises Turned for what is no day."""
    if not text:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC) + timedelta(days=days)
    except (ValueError, OverflowError):
        raise Turned(422, f"A day is written YYYY-MM-DD, not {text[:40]}.") from None


def _decider(text: str) -> str | None:
    if text in ("", "policy", "human"):
        return text or None
    return text if text.startswith("human:") else f"human:{text}"


def _condition(visit: Visit, text: str) -> ColumnElement[bool] | None:
    if not text:
        return None
    try:
        node = expression.parse(text)
        return sql.condition(node, visit.services.clock.now()) if node is not None else None
    except Refusal as exc:
        raise Turned(422, exc.message) from exc
