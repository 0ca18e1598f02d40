"""The figures as tables for people, in ``bench/README.md`` between markers, and as JSON for machines."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.figures import SlotFigures

_FOLDER = Path(__file__).parent
_COLUMNS = (
    "strategy",
    "videos",
    "slots used",
    "makespan ÷ list schedule",
    "Starts refused",
    "Starts throttled",
    "Gets per job",
    "delay median",
    "delay p99",
    "delay median, s",
    "never decided",
    "Redis peak, MB",
)


def slots_table(found: Sequence[SlotFigures]) -> str:
    """Return one row per strategy."""
    return table(
        _COLUMNS,
        [
            (
                one.strategy,
                one.videos,
                f"{one.utilisation:.1%}",
                f"{one.makespan_to_list_schedule:.2f}",
                one.starts_refused,
                one.starts_throttled,
                one.gets_per_job,
                f"{one.delay_median:.1%}",
                f"{one.delay_p99:.1%}",
                one.delay_median_s,
                one.never_decided,
                one.redis_peak_mb,
            )
            for one in found
        ],
    )


def pairs_table(found: Mapping[str, Any]) -> str:
    """Return one row per figure."""
    return table(("figure", "value"), [(name.replace("_", " "), value) for name, value in found.items()])


def machine() -> dict[str, Any]:
    """Return what the figures were measured on; a load above the number of processors says that others had work."""
    return {
        "cpus": os.cpu_count(),
        "load_of_the_last_15_minutes": round(os.getloadavg()[2], 1),
        "machine": platform.machine(),
        "python": platform.python_version(),
    }


def keep(name: str, document: Any) -> None:
    """Write one part's figures to ``bench/results``."""
    (_FOLDER / "results").mkdir(exist_ok=True)
    (_FOLDER / "results" / f"{name}.json").write_text(json.dumps(document, indent=2) + "\n")


def publish(sections: Mapping[str, str]) -> None:
    """Put each text between the markers of its name."""
    page = _FOLDER / "README.md"
    text = page.read_text()
    for name, section in sections.items():
        before, begin, rest = text.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition(f"<!-- end of {name} -->")
        if not (begin and end):
            raise SystemExit(f"{page} has no markers for {name}")
        text = f"{before}{begin}{section}\n{end}{after}"
    page.write_text(text)


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return a table of Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
