"""How a file is cut into the parts of an upload, and which of them have come."""

from collections.abc import Iterable
from dataclasses import dataclass

from clipwarden.media.store import LAST_PART, Part
from clipwarden.store.uploads import Upload


@dataclass(frozen=True, slots=True, kw_only=True)
class Slices:
    """Parts of one size, but for the last, which has the rest."""

    bytes: int
    part_bytes: int

    @classmethod
    def of(cls, upload: Upload) -> "Slices":
        """Return those that were agreed on when the file was announced."""
        return cls(bytes=upload.parameters["total"], part_bytes=upload.parameters["part_bytes"])

    @property
    def count(self) -> int:
        """Return how many there are."""
        return -(-self.bytes // self.part_bytes)

    @property
    def possible(self) -> bool:
        """Say whether a media store takes so many."""
        return self.count <= LAST_PART

    def size(self, number: int) -> int:
        """Return a part's bytes."""
        return min(self.part_bytes, self.bytes - (number - 1) * self.part_bytes)

    def whole(self, arrived: Iterable[Part]) -> dict[int, Part]:
        """Return the parts that have come as they must be, by number."""
        return {one.number: one for one in arrived if one.number <= self.count and one.bytes == self.size(one.number)}

    def missing(self, arrived: Iterable[Part], *, after: int = 0) -> list[int]:
        """Return the numbers of the parts that have not, in their order."""
        there = self.whole(arrived)
        return [number for number in range(after + 1, self.count + 1) if number not in there]

    def excess(self, arrived: Iterable[Part]) -> list[int]:
        """Return the numbers of parts that are larger than they may be."""
        return [one.number for one in arrived if one.number > self.count or one.bytes > self.size(one.number)]
