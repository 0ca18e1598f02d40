"""Assets are found by what they are called, tagged and measured, and by how they were judged."""

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import cloudinary.api
import cloudinary.search
import pytest
import sqlalchemy as sa
from cloudinary import exceptions

from clipwarden import ids
from clipwarden.moderation import Kind, ResourceType
from clipwarden.store import accounts, library, moderations, schema
from clipwarden.store.engine import write
from clipwarden_api import asking
from fixtures.gateway import Gateway
from sdk import VIDEO, upload

# The SDK has no types.
api: Any = cloudinary.api
Search: Any = cloudinary.search.Search

DAY = timedelta(days=1)
NAMES = ("in/holiday", "in/Holiday 2", "100%_sure", "other/holi", "é/ü", "back\\slash")
TAGS = ("sea", "sand", "two words", "SEA")


@pytest.fixture
def assets(gateway: Gateway) -> list[dict[str, Any]]:
    """Put in thirty assets of which all is known, made by chance."""
    rng, services = random.Random(7), gateway.services
    now = services.clock.now()
    made = []
    with write(services.engine) as conn:
        account = accounts.by_name(conn, "default")
        assert account is not None
        for number in range(30):
            one = {
                "public_id": f"{rng.choice(NAMES)}{number:02}",
                "resource_type": rng.choice(["video", "video", "image", "raw"]),
                "tags": rng.sample(TAGS, rng.randrange(3)),
                "context": {"title": rng.choice(NAMES)} if rng.random() < 0.5 else {},
                "bytes": rng.choice([10, 1000, 1024, 5 * 1024**2]),
                "width": rng.choice([None, 320, 640]),
                "age": timedelta(hours=rng.randrange(1, 200)),
                "status": rng.choice([None, "pending", "approved", "rejected"]),
                "folder": rng.choice([None, "a", "a/b"]),
            }
            made.append(one)
            _put(conn, account.id, one, now)
    return made


def _put(conn: sa.Connection, account_id: str, one: dict[str, Any], now: Any) -> None:
    moment = now - one["age"]
    facts = {"width": one["width"], "height": 1, "duration_ms": 1500} if one["width"] else None
    values = {
        "id": ids.new_id(),
        "account_id": account_id,
        "type": "upload",
        "created_at": moment,
        "updated_at": moment,
    }
    values |= {name: one[name] for name in ("public_id", "resource_type", "tags", "context", "bytes")}
    values |= {
        "bucket": "b",
        "key": "k",
        "version": 1,
        "fence": 0,
        "faults": 0,
        "asset_folder": one["folder"],
        "format": "mp4",
    }
    hidden = one["status"] == "rejected"
    values |= {"wanted": "quarantine" if hidden else "library", "placed": "library"}
    if facts is not None:
        values["facts"] = {**_FACTS, **facts}
    conn.execute(sa.insert(schema.assets).values(**values))
    name = library.Name(resource_type=ResourceType(one["resource_type"]), type="upload", public_id=one["public_id"])
    asset = library.by_name(conn, account_id, name)
    assert asset is not None
    library.describe(conn, asset, now=moment, tags=one["tags"], context=one["context"])
    if one["status"] is not None:
        asked = asking.requests(asset, [Kind.MANUAL], [], now=now)
        [(moderation, _)] = moderations.accept_all(conn, asked, now=now)
        conn.execute(
            sa.update(schema.moderations).where(schema.moderations.c.id == moderation.id).values(status=one["status"])
        )


_FACTS = {"container": "mp4", "codec": "h264", "frame_rate": 30.0, "rotation": 0, "has_audio": False}

Holds = Callable[[dict[str, Any]], bool]


def contains(one: dict[str, Any], word: str) -> bool:
    title = one["context"].get("title", "")
    return word in one["public_id"].lower() or word in title.lower() or word in one["tags"]


EXPRESSIONS: dict[str, Holds] = {
    "": lambda _: True,
    "resource_type:video": lambda one: one["resource_type"] == "video",
    "resource_type:video AND -tags:sea": lambda one: one["resource_type"] == "video" and "sea" not in one["tags"],
    "tags:sea OR tags=sand": lambda one: bool({"sea", "sand"} & set(one["tags"])),
    "tags:s*": lambda one: any(tag.startswith("s") for tag in one["tags"]),
    'tags:"two words"': lambda one: "two words" in one["tags"],
    "public_id:in/*": lambda one: one["public_id"].startswith("in/"),
    "public_id:HOLIDAY": lambda one: "holiday" in one["public_id"].lower(),
    'public_id:"100%_"': lambda one: "100%_" in one["public_id"],
    "public_id:_": lambda one: "_" in one["public_id"],
    'public_id:"back\\\\slash"': lambda one: "back\\slash" in one["public_id"],
    "holi": lambda one: contains(one, "holi"),
    "NOT holi": lambda one: not contains(one, "holi"),
    "context.title:in/*": lambda one: one["context"].get("title", "").startswith("in/"),
    'context.title="é/ü"': lambda one: one["context"].get("title") == "é/ü",
    "bytes>1kb": lambda one: one["bytes"] > 1024,
    "bytes:[1000 TO 1kb]": lambda one: 1000 <= one["bytes"] <= 1024,
    "bytes:{1000 TO *}": lambda one: one["bytes"] > 1000,
    "width>=640": lambda one: (one["width"] or 0) >= 640,
    "width=320 AND duration<2s AND duration=1.5": lambda one: one["width"] == 320,
    "created_at>3d": lambda one: one["age"] < 3 * DAY,
    "uploaded_at<=2d": lambda one: one["age"] >= 2 * DAY,
    "created_at:[4d TO 1d]": lambda one: DAY <= one["age"] <= 4 * DAY,
    "created_at>2020 AND created_at<2999-01-01": lambda _: True,
    "created_at:1999": lambda _: False,
    "folder:a/*": lambda one: one["folder"] == "a/b",
    "folder=a": lambda one: one["folder"] == "a",
    "status:active AND format=mp4": lambda _: True,
    "asset_id:0123": lambda _: False,
}
JUDGED: dict[str, Holds] = {
    "moderation_status=rejected": lambda one: one["status"] == "rejected",
    "moderation_status:pending OR moderation_status:rejected": lambda one: one["status"] in ("pending", "rejected"),
    "moderation_kind:manual AND resource_type:video": lambda one: bool(
        one["status"] and one["resource_type"] == "video"
    ),
    "NOT moderation_kind:manual": lambda one: one["status"] is None,
}


def found(gateway: Gateway, expression: str, **options: Any) -> list[str]:
    query = Search().expression(expression).max_results(options.pop("max_results", 500))
    for name, value in options.items():
        getattr(query, name)(*value)
    return [one["public_id"] for one in query.execute(**gateway.cloud)["resources"]]


def test_expressions_find_what_they_say(gateway: Gateway, assets: list[dict[str, Any]]) -> None:
    # What was rejected is only found by who asks about verdicts.
    shown = [one for one in assets if one["status"] != "rejected"]
    for expression, holds in EXPRESSIONS.items():
        expected = sorted(one["public_id"] for one in shown if holds(one))
        assert sorted(found(gateway, expression)) == expected, expression
    for expression, holds in JUDGED.items():
        expected = sorted(one["public_id"] for one in assets if holds(one))
        assert sorted(found(gateway, expression)) == expected, expression


@pytest.mark.parametrize(
    "order",
    [[("created_at", "asc")], [("bytes", "desc"), ("public_id", "asc")], [("width", "asc"), ("duration", "desc")], []],
)
def test_pages_follow_each_other(gateway: Gateway, assets: list[dict[str, Any]], order: list[tuple[str, str]]) -> None:
    def page(cursor: str | None, size: int) -> dict[str, Any]:
        query = Search().expression("NOT tags:SEA").max_results(size)
        for field, direction in order:
            query.sort_by(field, direction)
        if cursor:
            query.next_cursor(cursor)
        return dict(query.execute(**gateway.cloud))

    whole = page(None, 500)
    assert "next_cursor" not in whole
    assert whole["total_count"] == len(whole["resources"])
    assert len(whole["resources"]) == len(
        [one for one in assets if one["status"] != "rejected" and "SEA" not in one["tags"]]
    )
    pages = [page(None, 4)]
    while cursor := pages[-1].get("next_cursor"):
        pages.append(page(cursor, 4))
    assert [one["asset_id"] for one in whole["resources"]] == [
        one["asset_id"] for part in pages for one in part["resources"]
    ]
    assert len(pages) == (len(whole["resources"]) + 3) // 4


def test_results_are_in_the_order_asked_for(gateway: Gateway, assets: list[dict[str, Any]]) -> None:
    shown = [one for one in assets if one["status"] != "rejected"]
    newest = [one["public_id"] for one in sorted(shown, key=lambda one: one["age"])]
    ages = {one["public_id"]: one["age"] for one in shown}
    assert [ages[one] for one in found(gateway, "")] == [ages[one] for one in newest]
    small = found(gateway, "", sort_by=("bytes", "asc"))
    sizes = {one["public_id"]: one["bytes"] for one in shown}
    assert [sizes[one] for one in small] == sorted(sizes.values())


def test_a_cursor_belongs_to_its_query(gateway: Gateway, assets: list[dict[str, Any]]) -> None:
    del assets
    first = Search().expression("resource_type:video").max_results(2).execute(**gateway.cloud)
    for other in ("resource_type:image", ""):
        with pytest.raises(exceptions.BadRequest, match="another query"):
            Search().expression(other).next_cursor(first["next_cursor"]).execute(**gateway.cloud)
    for wrong in ("x", "é", "W10", "WzEsMiwzXQ", "9" * 3000):
        with pytest.raises(exceptions.BadRequest, match="next_cursor"):
            Search().expression("resource_type:video").next_cursor(wrong).execute(**gateway.cloud)


def test_what_cannot_be_understood_is_refused(gateway: Gateway) -> None:
    for query, message in (
        (Search().expression("a AND"), "at position 5"),
        (Search().sort_by("tags", "asc"), "cannot be sorted by tags"),
        (Search().sort_by("bytes", "up"), "asc or desc"),
        (Search().max_results(501), "max_results"),
        (Search().aggregate("format"), "aggregate"),
    ):
        with pytest.raises(exceptions.BadRequest, match=message):
            query.execute(**gateway.cloud)


def test_results_say_what_was_asked_for(gateway: Gateway, neighbour: dict[str, Any]) -> None:
    upload(gateway, "mine", moderation="manual", tags=["t"], context={"k": "v"})
    [one] = Search().expression("mine").with_field("context").execute(**gateway.cloud)["resources"]
    assert (one["tags"], one["context"], one["moderation_status"]) == (["t"], {"custom": {"k": "v"}}, "pending")
    assert one["duration"] > 0
    [brief] = Search().expression("mine").fields("bytes").execute(**gateway.cloud)["resources"]
    assert set(brief) == {"asset_id", "public_id", "bytes"}
    assert Search().expression("mine").execute(**neighbour)["resources"] == []


def test_assets_are_listed_by_context(gateway: Gateway) -> None:
    upload(gateway, "one", context={"k": "v"})
    upload(gateway, "two", context={"k": "w"})
    by_key = api.resources_by_context("k", **VIDEO, **gateway.cloud)["resources"]
    assert {one["public_id"] for one in by_key} == {"one", "two"}
    [both] = api.resources_by_context("k", "w", **VIDEO, **gateway.cloud)["resources"]
    assert both["public_id"] == "two"
    assert api.resources_by_context("z", **VIDEO, **gateway.cloud)["resources"] == []
