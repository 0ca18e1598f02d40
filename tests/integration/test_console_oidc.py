"""Signing in by an OpenID Connect provider: who gets in, who does not, and whose word is taken."""

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import sqlalchemy as sa
from sqlalchemy import Engine

from clipwarden.people import Role, User
from clipwarden.settings import OidcSettings
from clipwarden.store import schema, sign_in_flows, users
from clipwarden.store.engine import read, write
from clipwarden_api import oidc
from clipwarden_api.services import Services
from fixtures.console import PASSWORD, Browser, Page, services, user
from fixtures.oidc import CLIENT, CONSOLE, Idp
from records import START, account

#: Where nothing depends on the database, one is enough.
on_one_database = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

#: Gives services that know the provider, with other settings than usual.
Opened = Callable[..., Services]
ANA = "ana@shop.example"


@pytest.fixture
def opened(engine: Engine, tmp_path: Path, idp: Idp) -> Iterator[Opened]:
    with ExitStack() as stack:

        def build(**changes: Any) -> Services:
            given = {"client_id": CLIENT["client_id"], "client_secret": CLIENT["client_secret"], "issuer": idp.issuer}
            settings = OidcSettings.model_validate(given | {"scopes": "openid,email,groups"} | changes)
            built = services(engine, tmp_path)
            with_oidc = built.settings.model_copy(update={"oidc": settings})
            provider = oidc.open_provider(settings, CONSOLE)
            made = dataclasses.replace(built, settings=with_oidc, provider=provider)
            stack.callback(made.close)
            return made

        yield build


def sent(browser: Browser, leads_to: str = "/") -> str:
    """Press the button on the sign-in page, and return where that leads."""
    answer = browser.client.get(f"/console/oidc?next={leads_to}", follow_redirects=False)
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def signed_in(browser: Browser, idp: Idp, name: str = "ana", leads_to: str = "/") -> Page:
    return browser.get(idp.signed_in(sent(browser, leads_to), name))


def known(served: Services, name: str = ANA) -> User | None:
    with read(served.engine) as conn:
        return users.by_name(conn, name)


def added(served: Services, name: str = ANA, **given: Any) -> User:
    with write(served.engine) as conn:
        return users.add(conn, name, **{"role": Role.REVIEWER, "account_ids": None, "now": START} | given)


def test_who_was_added_signs_in_without_a_password(opened: Opened, idp: Idp) -> None:
    served = opened(label="Shop ID")
    added(served)
    browser = Browser(served)
    assert "Sign in with Shop ID" in browser.get("/console/sign-in").words
    browser.client.cookies.set("__Host-clipwarden", "planted", domain="testserver.local")
    page = signed_in(browser, idp, leads_to="/?status=rejected")
    assert (page.status, page.address) == (200, "/console/?status=rejected")
    assert "ana@shop.example reviewer" in page.words
    kept = [one.value for one in browser.client.cookies.jar if one.name == "__Host-clipwarden"]
    assert "planted" not in kept
    assert not [one for one in browser.client.cookies.jar if one.name.endswith("-way")]
    with write(served.engine) as conn:
        conn.execute(sa.update(schema.users).values(name="another name"))
    assert "another name" in signed_in(Browser(served), idp).words


@on_one_database
def test_signing_out_offers_to_end_the_session_at_the_provider(opened: Opened, idp: Idp) -> None:
    served = opened()
    added(served)
    browser = Browser(served)
    signed_in(browser, idp)
    page = browser.post("/console/sign-out")
    assert "You are signed out" in page.words
    assert f'href="{idp.issuer}/session/end?client_id=clipwarden&amp;post_logout_redirect_uri=' in page.text
    assert browser.get("/console/").address.startswith("/console/sign-in")
    user(served.engine, "ben")
    browser.sign_in("ben")
    assert browser.post("/console/sign-out").address == "/console/sign-in"


@on_one_database
def test_strangers_stay_out_unless_those_who_come_become_users(opened: Opened, idp: Idp) -> None:
    served = opened()
    page = signed_in(Browser(served), idp)
    assert (page.status, "You are not a user here yet." in page.words) == (403, True)
    assert known(served) is None
    served = opened(create=True, role="supervisor", allowed_domains="Shop.example")
    assert "supervisor" in signed_in(Browser(served), idp).words
    page = signed_in(Browser(served), idp, "eve")
    assert (page.status, "Addresses like yours are not let in." in page.words) == (403, True)
    assert signed_in(Browser(served), idp, "mal").status == 403


def test_roles_and_accounts_follow_what_the_provider_says_each_time(opened: Opened, idp: Idp) -> None:
    groups = {"role_claim": "groups", "roles": "moderators=reviewer,leads=supervisor"}
    served = opened(create=True, **groups)
    assert "supervisor" in signed_in(Browser(served), idp, "lea").words
    page = signed_in(Browser(served), idp, "eve")
    assert (page.status, "gives you no role here" in page.words) == (403, True)
    added(served, role=Role.ADMIN)
    assert "reviewer" in signed_in(Browser(served), idp).words
    with write(served.engine) as conn:
        mine = account(conn, "staff")
    signed_in(Browser(opened(accounts_claim="groups")), idp)
    seen = known(served)
    assert seen is not None
    assert (seen.role, seen.account_ids) == (Role.REVIEWER, (mine.id,))


@on_one_database
def test_a_name_is_not_taken_over(opened: Opened, idp: Idp) -> None:
    served = opened(create=True)
    user(served.engine, ANA)
    page = signed_in(Browser(served), idp)
    assert (page.status, "signs in here in another way" in page.words) == (403, True)
    assert Browser(served).sign_in(ANA, PASSWORD).address == "/console/"
    page = signed_in(Browser(served), idp, "mal")
    assert (page.status, "has not verified your address" in page.words) == (401, True)


@on_one_database
def test_who_is_disabled_stays_out(opened: Opened, idp: Idp) -> None:
    served = opened(create=True)
    made = added(served)
    browser = Browser(served)
    signed_in(browser, idp)
    with write(served.engine) as conn:
        users.switch(conn, made.id, enabled=False, now=START)
    assert browser.get("/console/").address.startswith("/console/sign-in")
    page = signed_in(Browser(served), idp)
    assert (page.status, "You are not let in any more." in page.words) == (403, True)


def test_the_way_back_is_open_once_and_in_the_same_browser_alone(opened: Opened, idp: Idp) -> None:
    served = opened()
    added(served)
    browser, other = Browser(served), Browser(served)
    back = idp.signed_in(sent(browser), "ana")
    sent(other)
    for stranger in (other, Browser(served)):
        page = stranger.get(back)
        assert (page.status, "took too long" in page.words) == (401, True)
    assert browser.get(back).address == "/console/"
    assert browser.get(back).status == 401
    late = idp.signed_in(sent(browser), "ana")
    with write(served.engine) as conn:
        conn.execute(sa.update(schema.sign_in_flows).values(expires_at=served.clock.now() - timedelta(seconds=1)))
    assert browser.get(late).status == 401


@on_one_database
def test_a_code_of_somebody_elses_is_worth_nothing(opened: Opened, idp: Idp) -> None:
    served = opened(create=True)
    mine, theirs = Browser(served), Browser(served)
    code = parse_qs(urlsplit(idp.signed_in(sent(theirs), "lea")).query)["code"][0]
    state = parse_qs(urlsplit(sent(mine)).query)["state"][0]
    page = mine.get(f"/console/oidc/callback?state={state}&code={code}")
    assert (page.status, "could not be used" in page.words) == (401, True)
    assert known(served, "lea@shop.example") is None


@on_one_database
def test_a_good_answer_in_the_name_of_another_issuer_is_refused(opened: Opened, idp: Idp) -> None:
    served = opened(create=True)
    browser = Browser(served)
    back = urlsplit(idp.signed_in(sent(browser), "ana"))
    query = {name: values[0] for name, values in parse_qs(back.query).items()}
    assert query["iss"] == idp.issuer
    assert browser.get(f"{back.path}?{urlencode(query | {'iss': 'https://evil.example'})}").status == 401
    assert known(served) is None


@on_one_database
def test_a_code_without_the_verifier_that_asked_for_it_is_worth_nothing(
    opened: Opened, idp: Idp, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = opened(create=True)
    browser = Browser(served)
    back = idp.signed_in(sent(browser), "ana")
    monkeypatch.setattr(oidc.Way, "verifier", "0" * 64)
    assert browser.get(back).status == 401
    assert known(served) is None


@on_one_database
def test_an_id_token_with_the_nonce_of_another_sign_in_is_refused(
    opened: Opened, idp: Idp, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    served = opened(create=True)
    browser = Browser(served)
    back = idp.signed_in(sent(browser), "ana")
    monkeypatch.setattr(oidc.Way, "nonce", "0" * 64)
    assert browser.get(back).status == 401
    assert known(served) is None
    assert "of another sign-in" in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("error=access_denied", "You were not signed in."),
        ("error=server_error", "could not be used"),
        ("code=guessed", "could not be used"),
        ("", "could not be used"),
    ],
)
@on_one_database
def test_what_comes_back_wrong_is_told_and_lets_nobody_in(opened: Opened, query: str, words: str) -> None:
    browser = Browser(opened())
    state = parse_qs(urlsplit(sent(browser)).query)["state"][0]
    page = browser.get(f"/console/oidc/callback?state={state}&{query}")
    assert page.status == 401
    assert words in page.words


@on_one_database
def test_a_provider_that_cannot_be_used_is_told_in_plain_words(opened: Opened, idp: Idp) -> None:
    for changes in ({"issuer": "http://127.0.0.1:1"}, {"issuer": f"{idp.issuer}/"}):
        browser = Browser(opened(**changes))
        page = browser.get("/console/oidc")
        assert page.status == 502
        assert "sign-in provider" in page.words
    browser = Browser(opened(client_secret="wrong"))
    assert signed_in(browser, idp).status == 401


@on_one_database
def test_without_a_provider_there_is_no_way_to_one(served: Services, browser: Browser) -> None:
    assert served.provider is None
    assert "Sign in with" not in browser.get("/console/sign-in").words
    assert browser.get("/console/oidc").status == 404
    assert browser.get("/console/oidc/callback").status == 404


def test_only_digests_of_states_are_kept_and_old_ones_are_forgotten(served: Services) -> None:
    lives = timedelta(minutes=10)
    with write(served.engine) as conn:
        sign_in_flows.begin(conn, "first", leads_to="/", lives=lives, now=START)
        sign_in_flows.begin(conn, "second", leads_to="/here", lives=lives, now=START + 2 * lives)
        assert conn.execute(sa.select(schema.sign_in_flows.c.state_hash)).scalars().all() == [users.digest("second")]
        assert sign_in_flows.end(conn, "second", now=START + 2 * lives) == "/here"
        assert sign_in_flows.end(conn, "second", now=START + 2 * lives) is None


@on_one_database
def test_secrets_are_in_no_log(opened: Opened, idp: Idp, capsys: pytest.CaptureFixture[str]) -> None:
    served = opened()
    added(served)
    browser = Browser(served)
    back = idp.signed_in(sent(browser), "ana")
    browser.get(back)
    said = "".join(capsys.readouterr())
    assert "signed in" in said
    for secret in (str(CLIENT["client_secret"]), parse_qs(urlsplit(back).query)["code"][0]):
        assert secret not in said
