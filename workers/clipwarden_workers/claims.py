"""The rows that this process works on: as long as it lives, their leases do not run out."""

import threading
from collections.abc import Iterator, Sequence
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
        with self.holding_all(table, [(row_id, fence)]):
            yield

    @contextmanager
    def holding_all(self, table: sqlalchemy.Table, claims: Sequence[tuple[str, int]]) -> Iterator[None]:
        """Count rows as held for the time of the block."""
        with self._lock:
            self._held.setdefault(table, set()).update(claims)
        try:
            yield
        finally:
            with self._lock:
                self._held[table].difference_update(claims)

    def held(self) -> dict[sqlalchemy.Table, frozenset[tuple[str, int]]]:
        """Return what is held now."""
        with self._lock:
            return {table: frozenset(claims) for table, claims in self._held.items() if claims}
