"""Show what another policy would have decided about past moderations; nothing is changed, and no job is paid."""

import argparse
import sys
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Engine

from clipwarden import errors, simulating
from clipwarden.cli import output
from clipwarden.cli.database import connected
from clipwarden.cli.moments import moment
from clipwarden.media.opening import open_store
from clipwarden.moderation import Kind
from clipwarden.settings import Settings
from clipwarden.simulating import Limits, Simulated
from clipwarden.simulation import Simulation
from clipwarden.store import accounts
from clipwarden.store.engine import read
from clipwarden.store.past import Search

_AGREEMENT = ("policy", "agrees", "too_strict", "too_lax")
_CATEGORIES = ("category", "present", "other", "approved_to_rejected", "rejected_to_approved")
_FLIPS = ("id", "present", "other", "human", "created_at", "for")
#: Categories that a line of a changed moderation names.
_NAMED = 3


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="simulate")
    one = actions.add_parser("simulate", help="count which past verdicts another policy would change")
    one.add_argument("moderation", metavar="POLICY", help="the other policy")
    one.add_argument("--last", type=_count, default=10_000, metavar="N", help="of so many (default %(default)s)")
    one.add_argument("--account", metavar="NAME", help="only this account's")
    one.add_argument("--preset", metavar="NAME", help="only those judged by the policy that this preset has now")
    one.add_argument("--kind", choices=list(Kind), default=Kind.AWS_REK_VIDEO, help="of this kind (%(default)s)")
    one.add_argument("--since", type=moment, metavar="TIME", help="accepted from then on, such as 2026-11-20T12:00Z")
    one.add_argument("--until", type=moment, metavar="TIME", help="accepted before then")
    one.add_argument("--list", type=_count, default=20, metavar="N", help="show so many that change (default 20)")
    one.add_argument("--after", metavar="CURSOR", help="go on where an earlier simulation ended")
    one.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON for programs")


def run(arguments: argparse.Namespace) -> int:
    """Simulate and show what was found."""
    with connected() as (settings, engine):
        simulated = _simulate(settings, engine, arguments)
    if arguments.json:
        output.show_json(simulated.to_dict())
    else:
        _show(simulated)
    return 0


def _simulate(settings: Settings, engine: Engine, arguments: argparse.Namespace) -> Simulated:
    progress = _Progress(arguments.last)
    try:
        return simulating.simulate(
            engine,
            open_store(settings.media),
            arguments.moderation,
            _search(engine, arguments),
            bucket=settings.media.bucket,
            limits=Limits(last=arguments.last, listed=arguments.list),
            after=arguments.after,
            progress=progress.show,
        )
    finally:
        progress.clear()


def _search(engine: Engine, arguments: argparse.Namespace) -> Search:
    with read(engine) as conn:
        account = accounts.by_name(conn, arguments.account) if arguments.account else None
        if arguments.account and account is None:
            raise errors.NotFound(f"there is no account {arguments.account!r}")
        if arguments.preset and account is None:
            raise errors.Conflict("a preset is an account's: name that with --account")
        policy = simulating.preset_policy(conn, account, arguments.preset) if account and arguments.preset else None
    return Search(
        account_id=account.id if account else None,
        kind=Kind(arguments.kind),
        policy=policy,
        since=arguments.since,
        before=arguments.until,
    )


class _Progress:
    """A line on a person's terminal that says how far it is."""

    def __init__(self, last: int) -> None:
        self._last = last
        self._wanted = sys.stderr.isatty()

    def show(self, found: Simulation) -> None:
        if self._wanted:
            sys.stderr.write(f"\r{found.examined:,} of up to {self._last:,} moderations, {found.changed:,} change ")
            sys.stderr.flush()

    def clear(self) -> None:
        if self._wanted:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()


def _show(simulated: Simulated) -> None:
    found = simulated.to_dict()
    times = {"accepted_from": found["oldest"], "accepted_until": found["newest"]}
    unjudged = {f"not_judged:_{reason}": count for reason, count in found["unjudged"].items() if count}
    counts = {"moderations": found["examined"], "judged": found["judged"], **found["verdicts"], **unjudged}
    output.show_fields({"policy": found["moderation"], **times, **counts})
    if found["humans"]["decided"]:
        output.say(f"\nhumans have decided {found['humans']['decided']} of those judged")
        output.show_table([{"policy": name, **found["humans"][name]} for name in ("present", "other")], _AGREEMENT)
    if found["categories"]:
        output.say("\nmoderations that a category rejects")
        output.show_table([{**one, "category": _path(one)} for one in found["categories"]], _CATEGORIES)
    if found["flips"]:
        output.say("\nverdicts that change")
        output.show_table([{**one, "for": _named(one)} for one in found["flips"]], _FLIPS)
    _show_rest(simulated)


def _show_rest(simulated: Simulated) -> None:
    unlisted = simulated.found.changed - len(simulated.found.flips)
    if unlisted:
        output.say(f"{unlisted} more change: --list, or --after {simulated.flips_cursor}")
    if simulated.next_cursor:
        output.say(f"\nearlier moderations: --last, or --after {simulated.next_cursor}")


def _path(named: Mapping[str, Any]) -> str:
    return " > ".join(named["path"])


def _named(flip: Mapping[str, Any]) -> str:
    """Return for what the policy that rejects does so, the surest first."""
    named = [f"{_path(one)} {one['confidence']:.1f}" for one in flip["categories"][:_NAMED]]
    return ", ".join(named) + (" …" if flip["categories"][_NAMED:] else "")


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 on")
    return int(text)
