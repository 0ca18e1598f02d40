"""Run a program that ends when the process that started it ends, however that happens.

``python -m clipwarden.tether PARENT_PID PROGRAM [ARGUMENT ...]``: on Linux the kernel sends SIGTERM to the program when
its parent dies (prctl(2), PR_SET_PDEATHSIG; kept over execve); elsewhere the program is simply run.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def command(argv: list[str]) -> list[str]:
    """Return the command line that runs ``argv`` tied to this process."""
    return [sys.executable, "-m", "clipwarden.tether", str(os.getpid()), *argv]


def main(argv: list[str]) -> None:
    """Tie this process to its parent and become the program."""
    parent, program = int(argv[0]), argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the parent is gone already")
    os.execvp(program[0], program)  # noqa: S606 # becoming the program is the purpose


if __name__ == "__main__":
    main(sys.argv[1:])
