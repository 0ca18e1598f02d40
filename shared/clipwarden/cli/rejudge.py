"""Show what another policy says about labels that are kept, or put it into force; no job is paid."""

import argparse
import getpass
from typing import Any

from clipwarden import rejudgement
from clipwarden.cli import output
from clipwarden.cli.database import connected, full
from clipwarden.media.opening import open_store
from clipwarden.moderation import Moderation
from clipwarden.rejudgement import Judged, Rejudgement
from clipwarden.store.clock import DatabaseClock
from clipwarden.verdict import Maximum

_CATEGORIES = ("category", "confidence", "timestamp_ms", "threshold_now", "threshold_then")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("id", help="the moderation's id")
    parser.add_argument("--moderation", required=True, metavar="POLICY", help="the other policy")
    parser.add_argument("--apply", action="store_true", help="make a new moderation that is judged by it")
    parser.add_argument("--by", default=getpass.getuser(), metavar="NAME", help="who asks (default: %(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Judge anew and show both verdicts; workers do the rest of what is applied."""
    with connected() as (settings, engine):
        rejudged = rejudgement.rejudge(
            engine,
            open_store(settings.media),
            arguments.id,
            arguments.moderation,
            bucket=settings.media.bucket,
        )
        applied = None
        if arguments.apply:
            applied = rejudgement.apply(engine, rejudged, by=arguments.by, now=DatabaseClock(engine).now())
    if arguments.json:
        output.show_json(_document(rejudged, applied))
    else:
        _show(rejudged, applied)
    return 0


def _document(rejudged: Rejudgement, applied: Moderation | None) -> dict[str, Any]:
    moderation = rejudged.moderation
    return {
        "id": moderation.id,
        "status": moderation.status,
        "decided_by": moderation.decided_by,
        "replaced": rejudged.replaced,
        "present": _judged(rejudged.present),
        "other": _judged(rejudged.other),
        "applied": full(applied) if applied else None,
    }


def _judged(judged: Judged) -> dict[str, Any]:
    return {"policy": str(judged.policy), **judged.verdict.to_dict()}


def _show(rejudged: Rejudgement, applied: Moderation | None) -> None:
    moderation = rejudged.moderation
    output.show_fields({"id": moderation.id, "status": moderation.status, "decided_by": moderation.decided_by})
    for title, judged in (("present", rejudged.present), ("other", rejudged.other)):
        output.say(f"\n{title}: {judged.policy} says {judged.verdict.status}")
        if reasons := judged.verdict.to_dict()["reasons"]:
            output.show_table(reasons, list(reasons[0]))
    if categories := _categories(rejudged):
        output.say("\ncategories")
        output.show_table(categories, _CATEGORIES)
    if rejudged.replaced:
        output.say("\nthe video was replaced since: its present bytes are not judged by these labels")
    if applied:
        output.say(f"\n{applied.id} is judged by the other policy as soon as a worker runs")


def _categories(rejudged: Rejudgement) -> list[dict[str, Any]]:
    """Return what was seen, with both thresholds: each policy knows only what a job for it would have reported."""
    now, then = ({maximum.path: maximum for maximum in judged.verdict.maxima} for judged in _both(rejudged))
    seen = now | then
    return [
        {
            "category": " > ".join(path),
            "confidence": maximum.confidence,
            "timestamp_ms": maximum.timestamp_ms,
            "threshold_now": _threshold(now.get(path)),
            "threshold_then": _threshold(then.get(path)),
        }
        for path, maximum in sorted(seen.items(), key=lambda each: -each[1].confidence)
    ]


def _both(rejudged: Rejudgement) -> tuple[Judged, Judged]:
    return rejudged.present, rejudged.other


def _threshold(maximum: Maximum | None) -> float | str | None:
    if maximum is None:
        return None
    return "ignore" if maximum.threshold is None else maximum.threshold
