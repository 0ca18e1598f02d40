"""Fork servers whose children do what a test says, in place of probing videos."""

import sys


def children(program: str) -> list[str]:
    """Return the command of a fork server whose children do this, and speak by standard input and output."""
    task = f"import os, sys; os.dup2(0, 1); exec({program!r}); sys.stdout.flush()"
    served = f"from clipwarden.media.forked import serve; serve(lambda parent: exec({task!r}), {{}})"
    return [sys.executable, "-I", "-c", served]
