"""What many videos a day take, computed from what the other parts measured; ``python -m bench.capacity`` prints it.

Computed, not run: the measured figures are read from ``results/``, and what is assumed is named here.
"""

import json
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"

VIDEOS_A_DAY = 10_000_000
#: Share of a video's length that its job takes, as the bench's scripted jobs do in the mean.
JOB_SHARE = 0.4
#: What AWS grants each account and region unless asked, and asks for a minute of video at first.
SLOTS, STARTS_PER_S, DOLLARS_PER_MINUTE = 20, 5, 0.1
#: Messages of one video beside its looks: intake, probe, start, decide and notify.
OTHER_MESSAGES = 5
#: Transactions of a step: one takes the row, one moves it on.
TRANSACTIONS = 2
#: Transactions of a dispatcher's look, beside one for each pool: one for each of the six kinds of rows that fall due,
#: one for callbacks of which nobody has reported, and one for those that are handed out.
LOOK_TRANSACTIONS = 8
#: A large installation, and the seconds between its dispatchers' looks: the default, and what is recommended for it.
PROCESSES, POOLS, INTERVALS_S = 50, 24, (0.25, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Videos of one length, and how their jobs' ends are learnt."""

    minutes: float
    completions: bool

    @property
    def name(self) -> str:
        """Return what stands above the column."""
        return f"{self.minutes:g} min, {'completions' if self.completions else 'polling'}"


LOADS = tuple(Load(minutes=minutes, completions=told) for minutes in (0.5, 1, 3) for told in (False, True))


def computed(load: Load) -> dict[str, int]:
    """Return what a load takes, rounded up."""
    slots = _result("slots")["strategies"][int(load.completions)]
    rate = VIDEOS_A_DAY / 86_400
    busy = rate * load.minutes * 60 * JOB_SHARE / slots["utilisation"]
    messages = OTHER_MESSAGES + slots["gets_per_job"]
    machine = _result("throughput")
    found = {
        "videos per s": rate,
        "slots": busy,
        "pools of 20 slots": busy / SLOTS,
        "pools for 5 Starts per s": rate / STARTS_PER_S,
        "Gets per s": rate * slots["gets_per_job"],
        "messages per s": rate * messages,
        "transactions of steps per s": rate * messages * TRANSACTIONS,
        "cores for workers": rate * machine["on"]["cpus"] / machine["verdicts_of_instant_jobs_per_s"],
        "worker processes for callbacks": rate / _result("callbacks")["callbacks per s to 100 endpoints"],
        "thousand dollars a day to AWS": VIDEOS_A_DAY * load.minutes * DOLLARS_PER_MINUTE / 1000,
    }
    return {name: ceil(round(value, 6)) for name, value in found.items()}


def table() -> str:
    """Return all loads as a table in Markdown."""
    columns = [computed(load) for load in LOADS]
    lines = ["| | " + " | ".join(load.name for load in LOADS) + " |", "| --- |" + " --- |" * len(LOADS)]
    lines += [f"| {name} | " + " | ".join(f"{column[name]:,}" for column in columns) + " |" for name in columns[0]]
    return "\n".join(lines)


def looks() -> str:
    """Return what the looks of a large installation's dispatchers take, as a table in Markdown."""
    named = f"{PROCESSES} processes, {POOLS} pools: seconds between looks"
    lines = [f"| {named} | transactions per s | ms between looks of any |", "| --- | --- | --- |"]
    for interval in INTERVALS_S:
        transactions = PROCESSES / interval * (LOOK_TRANSACTIONS + POOLS)
        lines.append(f"| {interval:g} | {transactions:,.0f} | {interval / PROCESSES * 1000:g} |")
    return "\n".join(lines)


def _result(part: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((RESULTS / f"{part}.json").read_text())
    return found


if __name__ == "__main__":
    print(table(), looks(), sep="\n\n")
