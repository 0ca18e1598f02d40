"""The ledger: what every seed came to, kept in one file, and as a table."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

_HEAD = (
    "seed",
    "database",
    "clocks",
    "torments",
    "kills",
    "videos",
    "shelf",
    "jobs",
    "callbacks",
    "decided by a human, before the machine",
    "looks",
    "sent again",
    "at rest after",
    "broken",
)
_KILLS = ("kill-", "restart-", "empty-")
_DATABASES = {"postgresql": "PostgreSQL", "sqlite": "SQLite"}
Entry = Mapping[str, Any]


def keep(path: Path, results: Sequence[Entry]) -> None:
    """Write results into a file, in place of those that it has of the same seeds, times and databases."""
    before = json.loads(path.read_text()) if path.exists() else []
    found = {_key(one): one for one in [*before, *results]}
    path.write_text(json.dumps([found[key] for key in sorted(found)], indent=1) + "\n")


def table(results: Iterable[Entry]) -> str:
    """Return results as a table in Markdown."""
    lines = [_HEAD, ("---",) * len(_HEAD), *(_row(one) for one in results)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _key(one: Entry) -> tuple[int, str, float]:
    return one["seed"], one["database"], one["seconds"]


def _row(one: Entry) -> tuple[str, ...]:
    figures, struck, human = one["figures"], one["struck"], one["figures"]["human"]
    kills = sum(count for name, count in struck.items() if name.startswith(_KILLS))
    looks = figures["looks_at_rejected"] + figures["looks_at_hidden_shelf"]
    return (
        str(one["seed"]),
        _DATABASES[one["database"]],
        f"{one['skew']:+d} s" if one["skew"] else "",
        str(sum(struck.values())),
        str(kills),
        str(sum(figures["accepted"].values())),
        str(figures["shelf_moderations"]),
        str(figures["jobs"]),
        str(figures["callbacks"]),
        f"{human.get('overrides', 0)}, {human.get('overrides before the machine', 0)}",
        str(looks),
        str(figures["resent_messages"]),
        f"{figures['seconds_to_end']:.0f} s",
        "; ".join(one["broken"]) or "none",
    )
