"""The queue: what is listed, how it is narrowed, and that nobody sees what is another account's."""

import re
from datetime import timedelta

import pytest

from clipwarden.store import accounts, assets, library, posters, presets, queues
from clipwarden.store.engine import read, write
from clipwarden_api.console import shown
from clipwarden_api.services import Services
from fixtures.console import Browser, judged, user, waiting


def listed(text: str) -> list[str]:
    return re.findall(r'class="name"[^>]*>([^<]*)<', text)


@pytest.fixture
def ana(served: Services, browser: Browser) -> Browser:
    user(served.engine)
    browser.sign_in()
    return browser


def test_a_preset_stands_for_the_policy_that_it_has_now(served: Services, ana: Browser) -> None:
    judged(served, "lax", policy="aws_rek_video:alcohol:0.9")
    judged(served, "usual")
    judged(served, "theirs", owner="other", policy="aws_rek_video:alcohol:0.9")
    with write(served.engine) as conn:
        mine = accounts.by_name(conn, "demo")
        assert mine is not None
        options = {"moderation": "aws_rek_video:alcohol:0.9"}
        now = served.clock.now()
        presets.create(conn, account_id=mine.id, name="bar", options=options, unsigned=False, now=now)
    assert listed(ana.get("/console/?preset=bar").text) == ["lax"]
    assert listed(ana.get("/console/?preset=bar&account=other").text) == []
    assert listed(ana.get("/console/?preset=none").text) == []


def test_a_poster_is_shown_veiled_to_who_may_see_the_video_and_to_nobody_else(served: Services, ana: Browser) -> None:
    case = judged(served, "wine")
    with write(served.engine) as conn:
        asset = assets.by_id(conn, case.asset_id)
        assert asset is not None
        posters.keep(conn, asset, b"old")
        posters.keep(conn, asset, b"a picture")
    page = ana.get("/console/").text
    address = f"/console/posters/{case.asset_id}?v={asset.version}"
    assert f'<img src="{address}" alt="" loading="lazy" class="blurred grey">' in page
    assert f'poster="{address}"' in ana.get(f"/console/cases/{case.id}").text
    answer = ana.client.get(address)
    assert (answer.content, answer.headers["Content-Type"]) == (b"a picture", "image/jpeg")
    assert answer.headers["Cache-Control"] == "private, no-cache"
    again = ana.client.get(address, headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    judged(served, owner="other")
    with read(served.engine) as conn:
        theirs = accounts.by_name(conn, "other")
    assert theirs is not None
    user(served.engine, "ben", account_ids=[theirs.id])
    ben = Browser(served)
    ben.sign_in("ben")
    assert ben.get(address).status == 404
    assert Browser(served).get(address).address.startswith("/console/sign-in")
    with write(served.engine) as conn:
        library.delete(conn, asset, now=served.clock.now())
    assert ana.get(address).status == 404


def test_an_empty_queue_says_so(ana: Browser) -> None:
    assert "No cases here" in ana.get("/console/").words


def test_cases_are_listed_newest_first_with_why_and_counts(served: Services, ana: Browser) -> None:
    judged(served, "old", age=timedelta(hours=3))
    judged(served, "new")
    judged(served, "clean", seen=[])
    waiting(served, "picture")
    page = ana.get("/console/")
    assert listed(page.text) == ["picture", *sorted(["new", "clean"], key=page.text.index), "old"]
    assert "Alcoholic Beverages 86 %" in page.words
    assert "2 Rejected oldest 3 h" in page.words
    assert "1 Approved" in page.words
    assert "1 Pending" in page.words


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("status=rejected", ["wine"]),
        ("status=approved", ["clean"]),
        ("kind=manual", ["picture"]),
        ("category=rude%20gestures", ["wine"]),
        ("category=Weapons", []),
        ("category=Alcohol&at_least=90", []),
        ("category=Alcohol&at_least=80&at_most=90", ["wine"]),
        ("at_least=99", []),
        ("text=win*", ["wine"]),
        ("text=NOT%20public_id:win*%20AND%20bytes%3E1", ["clean"]),
        ("decided_by=human", []),
        ("decided_by=policy&status=rejected", ["wine"]),
        ("since=2000-01-01&before=2000-01-02", []),
        ("since=2000-01-01&status=rejected", ["wine"]),
        ("tag=x", []),
        ("account=nobody", []),
        ("escalated=1", []),
    ],
)
def test_filters_stand_in_the_address(served: Services, ana: Browser, query: str, found: list[str]) -> None:
    judged(served, "wine")
    judged(served, "clean", seen=[])
    waiting(served)
    assert listed(ana.get(f"/console/?{query}").text) == found


@pytest.mark.parametrize(
    "query",
    [
        "kind=x",
        "status=x",
        "at_least=x",
        "at_most=nan",
        "since=x",
        "since=9999-12-31&before=9999-12-31",
        "text=(",
        "after=x",
    ],
)
def test_what_cannot_be_asked_is_explained(ana: Browser, query: str) -> None:
    assert ana.get(f"/console/?{query}").status == 422


def test_pages_follow_each_other(served: Services, ana: Browser) -> None:
    made = [f"clip{n:02}" for n in range(27)]
    for n, name in enumerate(made):
        judged(served, name, seen=[], age=timedelta(minutes=n))
    first = ana.get("/console/?status=approved")
    assert listed(first.text) == made[:25]
    [rest] = re.findall(r'href="(/console/\?[^"]*after=[^"]*)"', first.text)
    assert listed(ana.get(rest.replace("&amp;", "&")).text) == made[25:]


def test_names_are_text_whatever_they_are(served: Services, ana: Browser) -> None:
    judged(served, "<script>alert(1)</script>")
    page = ana.get("/console/")
    assert "<script>alert" not in page.text
    assert "&lt;script&gt;alert" in page.text


def test_the_counts_are_a_part_of_the_page(served: Services, ana: Browser) -> None:
    judged(served)
    assert "1 Rejected" in ana.get("/console/counts").words


def test_counts_end_where_counting_does(served: Services, ana: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (queues, shown):
        monkeypatch.setattr(module, "MANY", 2)
    for number in range(3):
        judged(served, f"wine {number}")
    judged(served, "clean", seen=[])
    words = ana.get("/console/counts").words
    assert "2+ All" in words
    assert "2+ Rejected" in words
    assert "1 Approved" in words


def test_who_sees_no_account_sees_nothing(served: Services, browser: Browser) -> None:
    judged(served)
    user(served.engine, account_ids=[])
    browser.sign_in()
    assert listed(browser.get("/console/").text) == []


def test_what_no_database_takes_is_refused(served: Services, browser: Browser) -> None:
    user(served.engine)
    browser.sign_in()
    for name in ("text", "tag", "account", "preset", "category", "error", "decided_by", "cursor", "a%00"):
        assert browser.get(f"/console/?{name}=a%00b").status == 422, name
