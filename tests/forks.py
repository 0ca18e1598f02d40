"""Fork servers for tests: whose children do what a test says, and that tell what their children have needed."""

import sys
from pathlib import Path

#: What probes videos, as ``python -m clipwarden.media.probing`` does.
PROBING = "from clipwarden.media.probing import LIMITS, task; serve(task, LIMITS)"
_TELL = """
import json, resource
used = resource.getrusage(resource.RUSAGE_CHILDREN)
with open({told!r}, "a") as file: print(json.dumps([used.ru_maxrss, used.ru_utime + used.ru_stime]), file=file)
"""


def children(program: str) -> list[str]:
    """Return the command of a fork server whose children do this, and speak by standard input and output."""
    return _command(_serving(program))


def measured(told: Path, program: str | None = None) -> list[str]:
    """Return the command of one whose children do this, or probe; at its end it adds a line about all of them.

    That has the most memory that one of them had, in the system's units, and the seconds of processor time of all.
    """
    served = PROBING if program is None else _serving(program)
    return _command(served + "\n" + _TELL.format(told=str(told)))


def _serving(program: str) -> str:
    task = f"import os, sys; os.dup2(0, 1); exec({program!r}); sys.stdout.flush()"
    return f"serve(lambda parent: exec({task!r}), {{}})"


def _command(served: str) -> list[str]:
    return [sys.executable, "-I", "-c", f"from clipwarden.media.forked import serve; {served}"]
