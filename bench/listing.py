"""How fast the gateway lists a large library, page by page: over HTTP, on connections that stay open.

``python -m bench.listing`` loads a million assets into PostgreSQL, and a tenth of that into SQLite, walks each listing
from its first page to its last, and measures these and one in the middle. It takes about ten minutes.
"""

import argparse
import base64
import http.client
import itertools
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from bench import library, postgres, report, site, workload
from clipwarden_local.stack import Stack

_ASSETS, _ASSETS_ON_SQLITE = 1_000_000, 100_000
#: Entries of a page, and how often each page is fetched.
_SIZES: Mapping[int, int] = {30: 300, 500: 60}
_WALKED = 500
_COLUMNS = ("database", "listing", "entries", "a page", "first p50", "first p99", "middle p50", "middle p99")
_LAST_COLUMNS = ("last p50", "last p99")
_FAST = {"CLIPWARDEN_API__CALLS_PER_HOUR": "100000000"}

#: By name: the path, and what is asked.
LISTINGS: Mapping[str, tuple[str, dict[str, str]]] = {
    "all videos": ("/resources/video", {}),
    "rejected videos": ("/resources/video/moderations/aws_rek_video/rejected", {}),
    "videos with a tag": (f"/resources/video/tags/{quote('tag 7')}", {}),
    "videos of a folder": ("/resources/video", {"prefix": "folder 42/"}),
    "videos of ten folders": ("/resources/video", {"prefix": "folder 4"}),
    "search: rejected, of a day": ("/resources/search", {"expression": "moderation_status=rejected AND created_at>1d"}),
    "search: rejected, of all": ("/resources/search", {"expression": "moderation_status=rejected"}),
}

Fetch = Callable[[int, str | None], dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The times of a listing's pages, in milliseconds: the median and the 99th percentile of each."""

    database: str
    listing: str
    entries: int
    page: int
    first: tuple[float, float]
    middle: tuple[float, float]
    last: tuple[float, float]


def main() -> None:
    """Measure, print, keep and publish; other numbers of assets than the usual are only printed."""
    parser = argparse.ArgumentParser(prog="python -m bench.listing", description=__doc__)
    parser.add_argument("--assets", type=int, default=_ASSETS, help="on PostgreSQL; default %(default)s")
    parser.add_argument("--sqlite-assets", type=int, default=_ASSETS_ON_SQLITE, help="default %(default)s")
    arguments = parser.parse_args()
    found = measure("SQLite", arguments.sqlite_assets, None)
    with postgres.running() as server:
        found += measure("PostgreSQL", arguments.assets, postgres.database(server))
    section = table(found)
    print(section)
    if (arguments.assets, arguments.sqlite_assets) == (_ASSETS, _ASSETS_ON_SQLITE):
        size = {"assets": arguments.assets, "sqlite_assets": arguments.sqlite_assets}
        rows = [{name: getattr(one, name) for name in Figures.__slots__} for one in found]
        report.keep("listing", {"on": report.machine(), "size": size, "listings": rows})
        report.publish({"listing": section, "listing machine": report.pairs_table({**report.machine(), **size})})


def measure(database: str, assets: int, database_url: str | None) -> list[Figures]:
    """Return the figures of every listing, at every size of a page."""
    with site.running(database_url=database_url, more=_FAST) as stack:
        with stack.engine() as engine:
            began = time.monotonic()
            library.load(stack, engine, assets)
        print(f"{database}: {assets} assets loaded in {time.monotonic() - began:.0f} s", flush=True)
        with closing(http.client.HTTPConnection("127.0.0.1", stack.port, timeout=60)) as connection:
            return [
                figures
                for name, (path, asked) in LISTINGS.items()
                for figures in _listing(database, name, _fetcher(connection, stack, path, asked))
            ]


def table(found: list[Figures]) -> str:
    """Return one row per listing and size of a page."""
    rows = [(one.database, one.listing, one.entries, one.page, *one.first, *one.middle, *one.last) for one in found]
    return report.table((*_COLUMNS, *_LAST_COLUMNS), rows)


def _fetcher(connection: http.client.HTTPConnection, stack: Stack, path: str, asked: Mapping[str, str]) -> Fetch:
    key, secret = workload.credentials(stack.options.account)
    headers = {"Authorization": "Basic " + base64.b64encode(f"{key}:{secret}".encode()).decode()}

    def fetch(size: int, cursor: str | None) -> dict[str, Any]:
        query = {**asked, "max_results": str(size), **({"next_cursor": cursor} if cursor else {})}
        connection.request("GET", f"/v1_1/{stack.options.account}{path}?{urlencode(query)}", headers=headers)
        with connection.getresponse() as answer:
            found: dict[str, Any] = json.load(answer)
        if "resources" not in found:
            raise SystemExit(f"{path} was answered by {found}")
        return found

    return fetch


def _listing(database: str, name: str, fetch: Fetch) -> Iterator[Figures]:
    cursors: list[str | None] = []
    entries = 0
    for cursor, page in _walk(fetch, _WALKED, None):
        cursors.append(cursor)
        entries += len(page["resources"])
    for size, times in _SIZES.items():
        *_, (last, _) = _walk(fetch, size, cursors[-1])
        places = [None, cursors[len(cursors) // 2], last]
        first, middle, end = _timed(fetch, size, places, times)
        figures = Figures(
            database=database, listing=name, entries=entries, page=size, first=first, middle=middle, last=end
        )
        print(figures, flush=True)
        yield figures


def _walk(fetch: Fetch, size: int, cursor: str | None) -> Iterator[tuple[str | None, dict[str, Any]]]:
    """Give each page and the cursor that leads to it, up to the last."""
    while True:
        page = fetch(size, cursor)
        yield cursor, page
        if (cursor := page.get("next_cursor")) is None:
            return


def _timed(fetch: Fetch, size: int, places: list[str | None], times: int) -> list[tuple[float, float]]:
    """Return the times of pages, which are fetched in turns, so that whatever else goes on meets them alike."""
    taken: list[list[float]] = [[] for _ in places]
    for _, (place, cursor) in itertools.product(range(times), enumerate(places)):
        began = time.perf_counter()
        fetch(size, cursor)
        taken[place].append((time.perf_counter() - began) * 1000)
    return [_summary(sorted(one)) for one in taken]


def _summary(ordered: list[float]) -> tuple[float, float]:
    return round(ordered[len(ordered) // 2], 1), round(ordered[int(0.99 * (len(ordered) - 1))], 1)


if __name__ == "__main__":
    main()
