"""Torment the stack, seed after seed, and exit with 1 where a promise broke: ``python -m chaos --seeds 1-40``."""

import argparse
import json
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from chaos import ledger
from chaos.run import Result, run
from chaos.world import Plan

#: Seconds by which the clock of some workers is ahead, by seed.
_SKEWS = (0, 240, -240)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all seeds, one after the other."""
    options = _parser().parse_args(arguments)
    # Whoever ends it ends its servers, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended before it was through"))
    results = []
    for seed, database in ((number, one) for number in options.seeds for one in _databases(options, number)):
        results.append(_one(options, seed, database))
        if options.json is not None:
            ledger.keep(options.json, [results[-1].to_dict()])
    _say(ledger.table(result.to_dict() for result in results))
    broken = [result for result in results if result.broken]
    sys.stdout.write(f"\n{len(results)} runs, {len(broken)} in which a promise broke\n")
    return 1 if broken else 0


def _one(options: argparse.Namespace, seed: int, database: str) -> Result:
    folder = Path(tempfile.mkdtemp(prefix="clipwarden-chaos-"))
    # Whoever shares a file has one clock.
    skew = _SKEWS[seed % len(_SKEWS)] if database == "postgresql" else 0
    plan = Plan(seed=seed, seconds=options.seconds, database=database, folder=folder / "data", skew=skew)
    _say(f"seed {seed}, {options.seconds:g} s, {database}")
    result = run(plan, (lambda text: _say(f"  {text}")) if options.verbose else (lambda _: None))
    _say(f"  {json.dumps(result.figures)}")
    for promise in result.broken:
        _say(f"  BROKEN: {promise}")
    if result.broken or options.keep:
        _say(f"  left in {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return result


def _databases(options: argparse.Namespace, seed: int) -> list[str]:
    if options.database == "both":
        return ["postgresql", "sqlite"]
    return [options.database] if options.database != "turns" else [["postgresql", "sqlite"][seed % 2]]


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _seeds(text: str) -> list[int]:
    first, _, last = text.partition("-")
    return list(range(int(first), int(last or first) + 1))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("--seeds", type=_seeds, default=[1], metavar="N[-M]", help="default 1")
    parser.add_argument("--seconds", type=float, default=60.0, metavar="N", help="of torment for each; default 60")
    parser.add_argument("--database", choices=("postgresql", "sqlite", "turns", "both"), default="turns")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep all figures there, each seed's last")
    parser.add_argument("--keep", action="store_true", help="leave the data of every run")
    parser.add_argument("--verbose", action="store_true", help="tell each torment")
    return parser


if __name__ == "__main__":
    sys.exit(main())
