"""How the demo tells a person what was decided, and why."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

_COLOURS = {"approved": "green", "rejected": "red", "aborted": "yellow"}
#: Reasons that the table shows of one video; the most confident come first.
_SHOWN_REASONS = 4

_NEXT = """\
Next:
  clipwarden demo FILE... --moderation 'aws_rek_video:alcohol:ignore'
                             any file under any policy; under this one the wine passes
  make run                   keep the stack running and enqueue from your own program
  docs/reference/policy.md   every category, and how thresholds are inherited
(the command is .venv/bin/clipwarden unless the environment is active)"""


def show(console: Console, results: Sequence[Mapping[str, Any]]) -> None:
    """Print a table of the verdicts, what the local model is, and what to try next."""
    table = Table(show_lines=True)
    table.add_column("file", no_wrap=True)
    table.add_column("status", no_wrap=True)
    table.add_column("why: label, time, confidence, threshold in force")
    table.add_column("callback", no_wrap=True)
    for result in results:
        table.add_row(*_row(result))
    console.print(table)
    versions = sorted({result["model_version"] for result in results if result["model_version"]})
    if versions:
        seen = f"Judged from real frames by open models ({', '.join(versions)}),"
        console.print(f"{seen}\nwhich stand in for Amazon Rekognition and do not equal it.\n", soft_wrap=True)
    console.print(_NEXT, highlight=False, soft_wrap=True)


def _row(result: Mapping[str, Any]) -> tuple[str, ...]:
    colour = _COLOURS.get(result["status"], "white")
    signature = "[green]signatures ok[/]" if result["callback_verified"] else "[red]none verified[/]"
    return escape(result["file"]), f"[{colour}]{result['status']}[/]", escape(_why(result)), signature


def _why(result: Mapping[str, Any]) -> str:
    if result["error_reason"]:
        return f"{result['error_code']}: {result['error_reason']}"
    if result["reasons"]:
        return "\n".join(_reason(reason) for reason in result["reasons"][:_SHOWN_REASONS])
    return _nearest(result["maxima"])


def _reason(reason: Mapping[str, Any]) -> str:
    first, highest = (_clock(reason[name]) for name in ("first_ms", "timestamp_ms"))
    when = f"from {first}, highest at {highest}" if first != highest else f"at {first}"
    limit = f"allowed: {reason['threshold'] * 100:g} %, {_origin(reason['origin'])}"
    return f"{' > '.join(reason['path'])}\n  {when}: {reason['confidence']:.1f} %; {limit}"


def _nearest(maxima: Sequence[Mapping[str, Any]]) -> str:
    """Say what came nearest to a threshold, for a video in which nothing exceeds one."""
    if not maxima:
        return "no label at all"
    lines = ["nothing above its threshold"]
    for maximum in maxima[:_SHOWN_REASONS]:
        limit = "ignored" if maximum["threshold"] is None else f"allowed: {maximum['threshold'] * 100:g} %"
        lines.append(f"  {maximum['path'][-1]} {maximum['confidence']:.1f} %, {limit}")
    return "\n".join(lines)


def _clock(milliseconds: int) -> str:
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes}:{rest / 1000:04.1f}"


def _origin(origin: str) -> str:
    return {"set": "set by the policy", "default": "the default"}.get(origin, origin)
