"""Rekognition's moderation categories: both taxonomies that it answers with, and the published map between them."""

import functools
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

#: A category's names from the top level down to its own.
Path = tuple[str, ...]

#: Names that older models and older documentation have used, and the slug of what is called so today.
_LEGACY = {
    "female_underwear": "female_swimwear_or_underwear",
    "male_underwear": "male_swimwear_or_underwear",
    "illustrated_nudity_or_sexual_activity": "illustrated_explicit_nudity",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """A node of a taxonomy; its path tells it apart, since 6.1 has a Gambling below Gambling."""

    path: Path
    taxonomy: str  #: Version of the taxonomy, ``6.1`` or ``7.0``.

    @property
    def name(self) -> str:
        """Return the name as Rekognition spells it."""
        return self.path[-1]

    @property
    def parent(self) -> str:
        """Return the name of the category above, empty at the top level, as in Rekognition's ``ParentName``."""
        return self.path[-2] if len(self.path) > 1 else ""

    @property
    def level(self) -> int:
        """Return the depth, 1 at the top."""
        return len(self.path)

    @property
    def slug(self) -> str:
        """Return the name as policies spell it."""
        return slug(self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taxonomy:
    """The categories of one generation of models, upper before lower."""

    version: str
    categories: tuple[Category, ...]
    _by_path: dict[Path, Category] = field(init=False, repr=False, compare=False)
    _by_label: dict[tuple[str, str], Category] = field(init=False, repr=False, compare=False)
    _by_name: dict[str, Category] = field(init=False, repr=False, compare=False)
    _by_slug: dict[str, Category] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Index the categories; of two of one name, the upper is the one meant by the name alone."""
        downwards = sorted(self.categories, key=lambda category: -category.level)
        indexes: dict[str, dict[Any, Category]] = {
            "_by_path": {category.path: category for category in downwards},
            "_by_label": {(category.name.casefold(), category.parent.casefold()): category for category in downwards},
            "_by_name": {category.name.casefold(): category for category in downwards},
            "_by_slug": {category.slug: category for category in downwards},
        }
        for name, index in indexes.items():
            object.__setattr__(self, name, index)

    @property
    def roots(self) -> tuple[Category, ...]:
        """Return the top level."""
        return tuple(category for category in self.categories if category.level == 1)

    def children(self, category: Category) -> tuple[Category, ...]:
        """Return the categories directly below one."""
        return tuple(child for child in self.categories if child.path[:-1] == category.path)

    def above(self, category: Category) -> Category | None:
        """Return the category directly above one."""
        return self._by_path.get(category.path[:-1])

    def at(self, path: Path) -> Category:
        """Return the category at a path; KeyError where there is none."""
        return self._by_path[path]

    def find(self, name: str, parent: str) -> Category | None:
        """Return the category that a label means, whatever the case of its names."""
        return self._by_label.get((name.casefold(), parent.casefold()))

    def named(self, name: str) -> Category | None:
        """Return the category of this name, wherever it stands and whatever its case."""
        return self._by_name.get(name.casefold())

    def by_slug(self, text: str) -> Category | None:
        """Return the category of this canonical slug."""
        return self._by_slug.get(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A category from which a threshold is carried over to its counterpart in the other taxonomy."""

    category: Category
    conditional: bool  #: It stands for a part of the counterpart only, such as its drawn content.


def slug(name: str) -> str:
    """Return a label's name as policies spell it: lower case, spaces as underscores."""
    return name.lower().replace(" ", "_")


def canonical(text: str) -> str | None:
    """Return the slug that a text in a policy means, or ``None`` where no taxonomy has it.

    Also understood: ``-`` as ``_``, ``&`` as ``and`` or left out, runs of ``_``, and names of older models.
    """
    return _SPELLINGS.get(_plain(text))


def taxonomy_for(model_version: str) -> Taxonomy:
    """Return the taxonomy of a model: the major number decides, and what is unknown is taken for the newest."""
    major = re.match(r"\d+", model_version)
    return V6 if major and int(major[0]) < 7 else V7  # noqa: PLR2004 # 7.0 brought the new taxonomy


def told_by(name: str, parent: str, level: int | None) -> Taxonomy | None:
    """Return the taxonomy that a single label proves, by a name only one has or else by its ``TaxonomyLevel``.

    Models before 7.0 report no level.
    """
    known = [taxonomy for taxonomy in TAXONOMIES if taxonomy.find(name, parent)]
    if len(known) == 1:
        return known[0]
    return V7 if level else None


@functools.cache
def sources(category: Category) -> tuple[Source, ...]:
    """Return the categories of the other taxonomy that the published map connects with this one."""
    return tuple(
        Source(
            category=new if category == old else old,
            conditional=conditional and category == new,
        )
        for old, new, conditional in _MAP
        if category in (old, new)
    )


def _plain(text: str) -> str:
    return re.sub("_+", "_", text.replace("-", "_").replace("&", "and"))


def _read(name: str) -> Any:
    return json.loads(files("clipwarden").joinpath("data", name).read_text(encoding="utf-8"))


def _taxonomy(file: str) -> Taxonomy:
    table = _read(file)
    version = table["version"]
    paths = (tuple(path) for path in table["categories"])
    return Taxonomy(version=version, categories=tuple(Category(path=path, taxonomy=version) for path in paths))


def _map() -> tuple[tuple[Category, Category, bool], ...]:
    return tuple(
        (V6.at(tuple(row["v6"])), V7.at(tuple(path)), "content_types" in row)
        for row in _read("taxonomy_v6_to_v7.json")["rows"]
        for path in row["v7"]
    )


def _spellings(slugs: Iterable[str]) -> dict[str, str]:
    exact = {_plain(text): text for text in slugs}
    shortened = {_plain(text.replace("&", "")): text for text in slugs}
    return _LEGACY | shortened | exact


V6 = _taxonomy("taxonomy_v6.json")
V7 = _taxonomy("taxonomy_v7.json")
#: All taxonomies, oldest first.
TAXONOMIES = (V6, V7)
#: Every slug of either taxonomy.
SLUGS = tuple(dict.fromkeys(category.slug for taxonomy in TAXONOMIES for category in taxonomy.categories))
_MAP = _map()
_SPELLINGS = _spellings(SLUGS)
