"""The audit trail in the console: what is found in it, who sees it, and what it is as CSV."""

import csv
import io
from datetime import timedelta

import pytest

from clipwarden.people import Role
from clipwarden.store import audit
from clipwarden.store.engine import write
from clipwarden_api.console.routes import trail
from clipwarden_api.services import Services
from fixtures.console import Browser, user
from records import account


def happened(
    served: Services, owner: str = "demo", *, days: int = 0, action: str = "approved", reason: str = ""
) -> str:
    """Put something into an account's trail, and return the account's id."""
    with write(served.engine) as conn:
        mine = account(conn, owner)
        audit.record(
            conn,
            account_id=mine.id,
            actor="human:ana",
            action=action,
            now=served.clock.now() - timedelta(days=days),
            detail={"reason": reason} if reason else None,
        )
    return mine.id


def saved(browser: Browser, query: str = "") -> list[dict[str, str]]:
    answer = browser.client.get(f"/console/audit.csv{query}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/csv; charset=utf-8")
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


@pytest.fixture
def lea(served: Services, browser: Browser) -> Browser:
    user(served.engine, "lea", Role.SUPERVISOR)
    browser.sign_in("lea")
    return browser


def test_what_is_saved_is_what_was_found(served: Services, lea: Browser) -> None:
    happened(served, days=3, action="rejected", reason="grape juice")
    happened(served, days=1, reason="kitchen knife")
    today = served.clock.now().date()
    yesterday, before = today - timedelta(days=1), today - timedelta(days=2)
    for query, actions in (
        ("", ["approved", "rejected"]),
        ("?action=rejected", ["rejected"]),
        ("?actor=ana", ["approved", "rejected"]),
        ("?actor=human:ana&action=approved", ["approved"]),
        ("?actor=policy", []),
        (f"?since={yesterday}", ["approved"]),
        (f"?before={before}", ["rejected"]),
    ):
        assert [one["action"] for one in saved(lea, query)] == actions, query
        words = lea.get(f"/console/audit{query}").words
        assert [word for word in ("grape juice", "kitchen knife") if word in words] == [
            word for word, action in (("grape juice", "rejected"), ("kitchen knife", "approved")) if action in actions
        ]
    assert lea.get("/console/audit?since=lately").status == 422
    assert lea.get("/console/audit.csv?since=lately").status == 422
    assert lea.get("/console/audit?after=nothing").status == 422


def test_all_is_saved_however_much_it_is(served: Services, lea: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trail, "_BATCH", 2)
    for count in range(5):
        happened(served, reason=f"number {count}")
    assert sorted(one["detail"] for one in saved(lea)) == [f'{{"reason": "number {count}"}}' for count in range(5)]


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\uff1d1"])
def test_a_spreadsheet_calculates_nothing_of_what_others_wrote(served: Services, lea: Browser, name: str) -> None:
    happened(served, name, reason='=HYPERLINK("https://evil.example")')
    [row] = saved(lea)
    assert row["account"] == f"'{name}"
    assert row["detail"].startswith("{")


def test_nobody_reads_the_trail_of_accounts_that_they_do_not_see(served: Services) -> None:
    ours = happened(served, "ours", reason="our reason")
    happened(served, "theirs", reason="their reason")
    user(served.engine, "lea", Role.SUPERVISOR, account_ids=[ours])
    user(served.engine, "nina", Role.ADMIN, account_ids=[])
    user(served.engine, "ben", Role.REVIEWER)
    browser = Browser(served)
    browser.sign_in("lea")
    assert [one["account"] for one in saved(browser)] == ["ours"]
    assert "their reason" not in browser.get("/console/audit").text
    browser = Browser(served)
    browser.sign_in("nina")
    assert saved(browser) == []
    assert "Nothing was done yet" in browser.get("/console/audit").words
    browser = Browser(served)
    browser.sign_in("ben")
    assert {browser.get(path).status for path in ("/console/audit", "/console/audit.csv")} == {403}
