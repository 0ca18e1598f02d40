"""Texts that begin with another: as a range where an index has them in order."""

import sys

import sqlalchemy as sa

from clipwarden.store.schema import asset_tags, assets

#: Columns that every database sorts by code points.
_SORTED = (assets.c.public_id, asset_tags.c.tag)
_SURROGATES = range(0xD800, 0xE000)


def begins(column: sa.ColumnElement[str], prefix: str) -> sa.ColumnElement[bool]:
    """Return the condition that a column begins with a text, letter by letter, capital ones told from small ones."""
    if not any(column is one for one in _SORTED):
        # To SQLite's LIKE, small letters and capital ones are the same.
        return sa.func.substr(column, 1, len(prefix)) == prefix
    end = after(prefix)
    return column >= prefix if end is None else sa.and_(column >= prefix, column < end)


def after(prefix: str) -> str | None:
    """Return the least text that comes after all texts with this beginning; ``None`` where all do come before."""
    kept = prefix.rstrip(chr(sys.maxunicode))
    if not kept:
        return None
    following = ord(kept[-1]) + 1
    return kept[:-1] + chr(_SURROGATES.stop if following in _SURROGATES else following)
