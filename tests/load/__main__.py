"""Load the stack, and exit with 1 where a promise broke.

``python -m load --videos 10000`` sends as fast as all are taken; ``python -m load --minutes 30`` sends steadily.
"""

import argparse
import json
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from load.growth import Growth
from load.producers import producing
from load.run import Plan, Result, run
from load.world import running

_COLUMNS = "{:<18} {:<12} {:>9} {:>9} {:>9} {:>9} {:>10} {:>7}"
_HEAD = ("whose", "what", "first", "early", "late", "most", "an hour", "limit")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one load and report."""
    options = _parser().parse_args(arguments)
    # Whoever ends it ends its servers, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended before it was through"))
    folder = Path(tempfile.mkdtemp(prefix="clipwarden-load-"))
    began = time.monotonic()
    with running(folder / "data") as world, producing(world) as producers:
        result = run(producers, _plan(options), lambda text: _say(f"{time.monotonic() - began:6.0f} s  {text}"))
    _report(result)
    if options.json is not None:
        options.json.write_text(json.dumps(result.to_dict(), indent=1) + "\n")
    if result.broken or options.keep:
        _say(f"left in {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if result.broken else 0


def _plan(options: argparse.Namespace) -> Plan:
    if options.minutes is None:
        return Plan(videos=options.videos, within=options.within * 60)
    return Plan(videos=max(1, round(options.minutes * 60 * options.rate)), rate=options.rate)


def _report(result: Result) -> None:
    _say(json.dumps(result.figures, indent=1))
    _say(_COLUMNS.format(*_HEAD))
    for one in result.growths:
        _say(_row(one))
    for promise in result.broken:
        _say(f"BROKEN: {promise}")
    _say(f"{len(result.broken)} promises broke")


def _row(one: Growth) -> str:
    numbers = (one.first, one.early, one.late, one.most, one.per_hour, one.limit)
    return _COLUMNS.format(one.whose, one.what, *(f"{number:.1f}" for number in numbers))


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m load", description=__doc__)
    much = parser.add_mutually_exclusive_group(required=True)
    much.add_argument("--videos", type=int, metavar="N", help="to be sent as fast as they are taken")
    much.add_argument("--minutes", type=float, metavar="N", help="of a steady load")
    parser.add_argument("--within", type=float, default=20.0, metavar="N", help="minutes for these; default 20")
    parser.add_argument("--rate", type=float, default=2.0, metavar="N", help="videos per second of it; default 2")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--keep", action="store_true", help="leave the data")
    return parser


if __name__ == "__main__":
    sys.exit(main())
