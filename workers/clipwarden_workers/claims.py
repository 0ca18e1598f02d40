"""The rows that this process works on: as long as it lives, their leases do not run out."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy


class Claims:
    """Rows held by this process, each with the fence under which it was taken."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[sqlalchemy.Table, set[tuple[str, int]]] = {}

    @contextmanager
    def holding(self, table: sqlalchemy.Table, row_id: str, fence: int) -> Iterator[None]:
        """Count a row as held for the time of the block."""
        claim = (row_id, fence)
        with self._lock:
            self._held.setdefault(table, set()).add(claim)
        try:
            yield
        finally:
            with self._lock:
                self._held[table].discard(claim)

    def held(self) -> dict[sqlalchemy.Table, frozenset[tuple[str, int]]]:
        """Return what is held now."""
        with self._lock:
            return {table: frozenset(claims) for table, claims in self._held.items() if claims}
