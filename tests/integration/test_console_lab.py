"""The policy lab: what a policy means, what is wrong with one, and what it would have decided."""

import pytest

from clipwarden.people import Role
from clipwarden.store import accounts
from clipwarden.store.engine import read
from clipwarden_api.services import Services
from fixtures.console import Browser, judged, present, user


@pytest.fixture
def ana(served: Services, browser: Browser) -> Browser:
    user(served.engine, role=Role.READ_ONLY)
    browser.sign_in()
    return browser


def test_a_policy_is_shown_as_a_tree_of_thresholds_and_where_they_come_from(served: Services, ana: Browser) -> None:
    judged(served)
    words = ana.get("/console/policy?moderation=aws_rek_video:alcohol:0.7:alcohol_use:ignore&changed=1").words
    assert "Alcohol alcohol set above 70 % Alcohol Use alcohol_use set never offends" in words
    assert "Alcoholic Beverages alcoholic_beverages inherited from alcohol above 70 %" in words
    assert "Weapons" not in words
    assert "Weapons weapons default above 50 %" in ana.get("/console/policy").words
    assert "Suggestive suggestive default above 50 %" in ana.get("/console/policy?taxonomy=6.1").words


def test_what_cannot_be_read_is_marked_and_something_near_is_offered(served: Services, ana: Browser) -> None:
    judged(served)
    for page in ("policy", "policy/simulated"):
        shown = ana.get(f"/console/{page}?moderation=aws_rek_video:alcohl:0.7")
        assert shown.status == 200
        assert "<mark>alcohl</mark>" in shown.text
        assert "moderation=aws_rek_video%3Aalcohol%3A0.7" in shown.text


def test_a_simulation_tells_how_many_verdicts_would_flip_and_which(served: Services, ana: Browser) -> None:
    wine = judged(served, "wine")
    clean = judged(served, "clean", seen=[])
    page = ana.get("/console/policy/simulated?moderation=aws_rek_video:alcohol:0.95:rude_gestures:0.9")
    assert "Of 2 moderations" in page.words
    assert "1 rejected would be ✓ approved 1 stay approved" in page.words.replace("0 approved would be ✕ rejected ", "")
    assert f'<a href="/console/cases/{wine.id}">wine</a>' in page.text
    assert clean.id not in page.text
    assert "No verdict would be another." in ana.get("/console/policy/simulated?moderation=aws_rek_video").words
    assert present(served, wine.id) == wine


def test_a_simulation_goes_on_with_earlier_ones(
    served: Services, ana: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clipwarden_api.console.routes.lab._LASTS", (1,))
    judged(served, "one")
    judged(served, "two")
    page = ana.get("/console/policy/simulated")
    assert "Of 1 moderations" in page.words
    further = page.text.partition('href="/console/policy/simulated?')[2].partition('"')[0].replace("&amp;", "&")
    assert "Of 1 moderations" in ana.get(f"/console/policy/simulated?{further}").words
    assert ana.get("/console/policy/simulated?after=nowhere").status == 422


def test_one_policy_is_simulated_at_a_time(served: Services, ana: Browser) -> None:
    judged(served)
    with served.simulating:
        assert ana.get("/console/policy/simulated").status == 503


def test_another_accounts_moderations_are_not_simulated(served: Services, browser: Browser) -> None:
    judged(served, owner="demo")
    judged(served, owner="other")
    with read(served.engine) as conn:
        mine = accounts.by_name(conn, "demo")
    assert mine is not None
    user(served.engine, account_ids=[mine.id])
    browser.sign_in()
    assert "Of 1 moderations" in browser.get("/console/policy/simulated").words
    assert "other" not in browser.get("/console/policy").words
    assert browser.get("/console/policy/simulated?account=other").status == 404
    assert browser.get("/console/policy?taxonomy=9").status == 422


def test_who_may_see_no_account_is_told_so(served: Services, browser: Browser) -> None:
    user(served.engine, account_ids=[])
    browser.sign_in()
    assert browser.get("/console/policy").status == 404
