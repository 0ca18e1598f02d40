"""Whose code runs under a bench: py-spy samples its processes, and this says what holds their interpreters.

``python -m bench.profile small-uploads`` prints two tables for every kind of process: the libraries whose code ran, and
the functions of clipwarden under which the time was spent. A sample is what holds the interpreter's lock at a moment:
digests and files, which give it away, are not in it. It belongs to the innermost frame that is not the standard
library's. ``--keep`` leaves py-spy's raw samples in a folder, of which flame graphs can be drawn.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench import callbacks, gateway, postgres, processes, report, site, throughput
from clipwarden_local.stack import Stack

#: What the command lines of processes of each kind have.
_KINDS = {"gateway": ("clipwarden.cli", "api", "--child"), "worker": ("clipwarden.cli", "worker", "--child")}
_FRAME = re.compile(r"(?P<function>.+) \((?P<file>[^()]+?)(:\d+)?\)")
#: Samples per second.
_RATE = 50
#: Share from which on something is told.
_LEAST = 0.01
#: Packages of Python itself, whose code is counted for who calls it.
_STANDARD = frozenset(sys.stdlib_module_names)


@dataclass(slots=True)
class Profile:
    """Samples of one kind of process."""

    samples: int = 0
    libraries: Counter[str] = field(default_factory=Counter)
    functions: Counter[str] = field(default_factory=Counter)  #: A sample counts once for each that is in its stack.

    def add(self, stack: Sequence[tuple[str, str]], count: int) -> None:
        """Count a stack of functions and their files, the outermost first."""
        self.samples += count
        self.libraries[next(filter(None, (_library(file) for _, file in reversed(stack))), "Python")] += count
        for function, file in set(stack):
            if file.startswith("clipwarden"):
                self.functions[f"`{file}: {function}`"] += count

    def __str__(self) -> str:
        """Return both tables."""
        return "\n\n".join(
            report.table((head, "share"), self._shares(counted))
            for head, counted in (("code of", self.libraries), ("under the function", self.functions))
        )

    def _shares(self, counted: Counter[str]) -> list[tuple[str, str]]:
        told = [(name, count / self.samples) for name, count in counted.most_common()]
        return [(name, f"{share:.1%}") for name, share in told if share >= _LEAST]


def main() -> None:
    """Run a bench, sample it, and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.profile", description=__doc__)
    parser.add_argument("bench", choices=sorted(_BENCHES))
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave the samples there")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="clipwarden-bench-") as temporary:
        folder = arguments.keep or Path(temporary)
        folder.mkdir(exist_ok=True)
        with sampling(folder):
            _BENCHES[arguments.bench]()
        for kind in _KINDS:
            profile = read(line for file in folder.glob(f"{kind}-*") for line in file.read_text().splitlines())
            if profile.samples:
                print(f"\n{kind}: {profile.samples / _RATE:.0f} s of the interpreter\n\n{profile}")


@contextmanager
def sampling(folder: Path) -> Iterator[None]:
    """Sample every process of these kinds that starts within the block, from then to its end."""
    if (spy := shutil.which("py-spy")) is None:
        raise SystemExit("py-spy is not there: make profile installs it")
    over, samplers = threading.Event(), dict[int, "subprocess.Popen[bytes]"]()

    def attach() -> None:
        while not over.wait(0.2):
            for kind, pid in ((kind, pid) for kind, words in _KINDS.items() for pid in processes.below(*words)):
                if pid not in samplers:
                    file = folder / f"{kind}-{pid}"
                    command = [
                        spy,
                        "record",
                        "--pid",
                        str(pid),
                        "--gil",
                        "--function",
                        "--format",
                        "raw",
                        "--output",
                        str(file),
                    ]
                    samplers[pid] = subprocess.Popen([*command, "--rate", str(_RATE)], stdout=subprocess.DEVNULL)

    thread = threading.Thread(target=attach, name="samplers")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        failed = [pid for pid, sampler in samplers.items() if sampler.wait(60)]
    if failed or not samplers:
        raise SystemExit("py-spy could not sample it; as another user than root it needs CAP_SYS_PTRACE")


def read(lines: Iterable[str]) -> Profile:
    """Return the profile of py-spy's raw lines: a stack, and how often it was seen."""
    profile = Profile()
    for line in lines:
        stack, _, count = line.rpartition(" ")
        frames = [_FRAME.fullmatch(frame) for frame in stack.split(";")]
        profile.add([(frame["function"], frame["file"]) for frame in frames if frame], int(count))
    return profile


def _library(file: str) -> str | None:
    """Return the top-level package of a file that does not belong to Python itself."""
    package, slash, _ = file.partition("/")
    return package if slash and package not in _STANDARD else None


def _small_uploads() -> None:
    with tempfile.TemporaryDirectory(prefix="clipwarden-bench-") as folder, gateway.running(Path(folder)) as server:
        gateway.send_small(server, 2000)


def _large_upload() -> None:
    with tempfile.TemporaryDirectory(prefix="clipwarden-bench-") as folder, gateway.running(Path(folder)) as server:
        gateway.send_large("", server, mib=2048, count=1)


def _verdicts(count: Callable[[Stack, int], float], videos: int) -> None:
    with postgres.running() as server, site.running(limited=False, database_url=postgres.database(server)) as stack:
        count(stack, videos)


def _callbacks() -> None:
    with postgres.running() as server, callbacks.answering() as port:
        callbacks.run(postgres.database(server), callbacks.urls_of(port, 1), 20_000)


_BENCHES: dict[str, Callable[[], None]] = {
    "small-uploads": _small_uploads,
    "large-upload": _large_upload,
    "verdicts": lambda: _verdicts(throughput.verdicts_decoded, 500),
    "verdicts-probed": lambda: _verdicts(throughput.verdicts_probed, 1500),
    "callbacks": _callbacks,
}

if __name__ == "__main__":
    main()
