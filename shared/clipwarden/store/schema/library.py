"""What accounts keep: assets, their bytes, and what is on its way in or out."""

import sqlalchemy as sa

from clipwarden.moderation import Placement, Scope
from clipwarden.store.schema.columns import (
    Document,
    Sorted,
    UtcDateTime,
    flag,
    given,
    identity,
    moment,
    number,
    one_of,
    optional,
    partial,
    reference,
    text,
    word,
)
from clipwarden.store.schema.metadata import metadata

assets = sa.Table(
    "assets",
    metadata,
    identity(),
    reference("accounts"),
    sa.Column("public_id", Sorted, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    optional("bucket"),
    optional("key"),
    optional("object_version"),
    optional("bytes", sa.BigInteger),
    optional("etag"),
    # What the bytes are recognised by.
    optional("fingerprint"),
    optional("facts", Document),
    *word("wanted", Placement),
    *word("placed", Placement),
    optional("due_at", UtcDateTime),
    number("fence"),
    number("faults"),
    moment("created_at"),
    moment("updated_at"),
    # When a move brought back the bytes that are there now.
    optional("restored_at", UtcDateTime),
    given("resource_type", sa.String(8), "video"),
    given("type", sa.String(16), "upload"),
    optional("format"),
    optional("original_filename"),
    optional("display_name"),
    optional("asset_folder"),
    sa.Column("tags", Document, nullable=False, server_default="[]"),
    sa.Column("context", Document, nullable=False, server_default="{}"),
    flag("backup", default=False),
    optional("deleted_at", UtcDateTime),
    # Whether this service has stored the bytes for this asset, and may delete them; else they are a user's.
    flag("ours", default=False),
    # Of all bytes, where they came in whole; S3's etag of what was sent in parts is another.
    optional("md5"),
    sa.UniqueConstraint("account_id", "resource_type", "type", "public_id"),
)


def in_library() -> sa.ColumnElement[bool]:
    """Return the condition of an asset to be in the library: there, not deleted, and not rejected."""
    there = sa.and_(assets.c.deleted_at.is_(None), assets.c.bucket.is_not(None))
    return sa.and_(there, one_of(assets.c.wanted, [Placement.LIBRARY]))


_a = assets.c
partial("ix_assets_due", _a.due_at, _a.id, where=_a.due_at.is_not(None))
# What messages from outside name.
sa.Index("ix_assets_location", _a.bucket, _a.key)
# Listings, newest first.
sa.Index("ix_assets_listing", _a.account_id, _a.resource_type, _a.type, _a.created_at, _a.id)
partial("ix_assets_account", _a.account_id, _a.created_at, _a.id, where=_a.deleted_at.is_(None))
# What is in the library, however much of what came in lately was rejected or deleted.
partial("ix_assets_library", _a.account_id, _a.resource_type, _a.created_at, _a.id, where=in_library())
partial("ix_assets_names", _a.account_id, _a.resource_type, _a.public_id, _a.id, where=in_library())
# What is kept for a time: rejected bytes, which earlier releases find by another index, and assets that were deleted.
partial(
    "ix_assets_quarantined",
    _a.updated_at,
    _a.id,
    where=sa.and_(one_of(_a.placed, [Placement.QUARANTINE]), _a.bucket.is_not(None)),
)
partial(
    "ix_assets_rejected",
    _a.updated_at,
    _a.id,
    where=sa.and_(one_of(_a.placed, [Placement.QUARANTINE]), _a.deleted_at.is_(None)),
)
partial("ix_assets_deleted", _a.deleted_at, _a.id, where=_a.deleted_at.is_not(None))

asset_tags = sa.Table(
    "asset_tags",
    metadata,
    sa.Column("asset_id", sa.Uuid(as_uuid=False), sa.ForeignKey("assets.id"), primary_key=True),
    sa.Column("tag", Sorted, primary_key=True),
    reference("accounts"),
    # The asset's own, so that a tag's assets are read in their order.
    sa.Column("resource_type", sa.String(8), nullable=False),
    moment("created_at"),
    sa.Index("ix_asset_tags_tag", "account_id", "tag", "resource_type", "created_at", "asset_id"),
)

asset_context = sa.Table(
    "asset_context",
    metadata,
    sa.Column("asset_id", sa.Uuid(as_uuid=False), sa.ForeignKey("assets.id"), primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    reference("accounts"),
    text("value"),
    sa.Index("ix_asset_context_key", "account_id", "key", "asset_id"),
)

# Bytes that were overwritten or deleted, and are kept.
asset_versions = sa.Table(
    "asset_versions",
    metadata,
    identity(),
    reference("assets"),
    sa.Column("version", sa.BigInteger, nullable=False),
    text("bucket"),
    text("key"),
    optional("object_version"),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    optional("etag"),
    optional("fingerprint"),
    optional("format"),
    optional("facts", Document),
    moment("created_at"),
    flag("ours", default=False),
    optional("md5"),
    sa.UniqueConstraint("asset_id", "version"),
)
# Rejected ones are kept for a time.
sa.Index("ix_asset_versions_age", asset_versions.c.created_at, asset_versions.c.id)

# Bytes that were overwritten, and are kept by nobody.
leftovers = sa.Table(
    "leftovers",
    metadata,
    identity(),
    reference("assets"),
    sa.Column("version", sa.BigInteger, nullable=False),
    text("bucket"),
    text("key"),
    optional("object_version"),
    optional("due_at", UtcDateTime),
    number("fence"),
    number("faults"),
    moment("created_at"),
    moment("updated_at"),
    sa.UniqueConstraint("asset_id", "version"),
)
partial("ix_leftovers_due", leftovers.c.due_at, leftovers.c.id, where=leftovers.c.due_at.is_not(None))

# What is to be forgotten of assets, until that is done.
erasures = sa.Table(
    "erasures",
    metadata,
    identity(),
    reference("accounts"),
    reference("assets"),
    *word("scope", Scope),
    text("requested_by"),
    optional("due_at", UtcDateTime),
    number("fence"),
    number("faults"),
    moment("created_at"),
    moment("updated_at"),
    sa.UniqueConstraint("asset_id", "scope"),
)
partial("ix_erasures_due", erasures.c.due_at, erasures.c.id, where=erasures.c.due_at.is_not(None))

# A small picture of each video that was probed, for its reviewers.
posters = sa.Table(
    "posters",
    metadata,
    sa.Column("asset_id", sa.Uuid(as_uuid=False), sa.ForeignKey("assets.id"), primary_key=True),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("jpeg", sa.LargeBinary, nullable=False),
)

# Files on their way in: by several requests, or by one that has not made an asset of them yet.
uploads = sa.Table(
    "uploads",
    metadata,
    identity(),
    reference("accounts"),
    text("upload_id"),
    text("bucket"),
    text("key"),
    text("token"),
    sa.Column("parts", Document, nullable=False),
    sa.Column("parameters", Document, nullable=False),
    sa.Column("received", sa.BigInteger, nullable=False),
    optional("total", sa.BigInteger),
    moment("created_at"),
    moment("updated_at"),
    moment("expires_at"),
    sa.UniqueConstraint("account_id", "upload_id"),
)
sa.Index("ix_uploads_expiry", uploads.c.expires_at)
