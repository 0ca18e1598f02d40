"""Which processes live, and which came of which (Linux)."""

from pathlib import Path


def runs(pid: int) -> bool:
    """Say whether a process is there and more than a zombie, which only waits for its parent to take note."""
    try:
        # The state follows the name, which is in brackets.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def children_of(pid: int) -> set[int]:
    """Return the processes that a process has started and that have not ended."""
    found: set[int] = set()
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            found |= {int(child) for child in (task / "children").read_text().split()}
    except (FileNotFoundError, ProcessLookupError):
        return found
    return found


def family_of(pid: int) -> set[int]:
    """Return a process and all that came of it."""
    family, fresh = {pid}, {pid}
    while fresh:
        fresh = {child for parent in fresh for child in children_of(parent)} - family
        family |= fresh
    return family
