"""Who gets into the console, and how they are kept out."""

import base64
import dataclasses
import hashlib
import re
from datetime import timedelta
from importlib.resources import files
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import Engine
from starlette.routing import Route

from clipwarden.people import Role
from clipwarden.store import schema, sign_in_attempts, users
from clipwarden.store.engine import read, write
from clipwarden_api.console import app as console
from clipwarden_api.console.screen import Screen
from clipwarden_api.console.screens import SCREENS
from clipwarden_api.services import Services
from console_paths import GUARDED, LEAST, OTHERS, WRITES, concrete
from fixtures.console import PASSWORD, Browser, services, user
from records import START, at


def cookie(browser: Browser) -> str | None:
    found: str | None = browser.client.cookies.get("__Host-clipwarden")
    return found


def test_a_person_signs_in_and_out(served: Services, browser: Browser) -> None:
    user(served.engine)
    page = browser.sign_in(next="/?status=rejected")
    assert (page.status, page.address) == (200, "/console/?status=rejected")
    kept = cookie(browser)
    assert "Sign out" in page.words
    assert browser.post("/console/sign-out").address == "/console/sign-in"
    assert cookie(browser) is None
    browser.client.cookies.set("__Host-clipwarden", kept or "", domain="testserver.local")
    assert browser.get("/console/").address.startswith("/console/sign-in")


def test_the_cookie_is_for_this_host_alone_and_for_no_script(served: Services, browser: Browser) -> None:
    user(served.engine)
    fields = {"name": "ana", "password": PASSWORD}
    answer = browser.client.post("/console/sign-in", data=fields, follow_redirects=False)
    said = answer.headers["set-cookie"]
    assert said.startswith("__Host-clipwarden=")
    assert {"HttpOnly", "Secure", "Path=/", "SameSite=lax"} <= set(said.split("; "))
    assert "domain" not in said.lower()


def plant(browser: Browser, token: str) -> None:
    browser.client.cookies.set("__Host-clipwarden", token, domain="testserver.local")


def test_a_token_from_before_signing_in_is_worth_nothing_after(served: Services, browser: Browser) -> None:
    user(served.engine)
    plant(browser, "planted")
    assert browser.sign_in().address == "/console/"
    assert browser.client.cookies.get("__Host-clipwarden", domain="testserver.local") != "planted"
    attacker = Browser(served)
    plant(attacker, "planted")
    assert attacker.get("/console/").address.startswith("/console/sign-in")


def test_who_signs_in_with_an_attackers_session_planted_gets_one_that_the_attacker_does_not_know(
    served: Services, browser: Browser
) -> None:
    user(served.engine)
    user(served.engine, "eve", role=Role.READ_ONLY, account_ids=[])
    attacker = Browser(served)
    attacker.sign_in("eve")
    planted = cookie(attacker) or ""
    assert planted
    plant(browser, planted)
    assert browser.sign_in().address == "/console/"
    assert cookie(browser) != planted
    assert " ana reviewer " in browser.get("/console/settings").words
    assert attacker.get("/console/settings").address.startswith("/console/sign-in")
    with read(served.engine) as conn:
        [kept] = conn.execute(sa.select(schema.user_sessions.c.token_hash)).scalars()
    assert kept == users.digest(cookie(browser) or "")


def test_only_digests_of_tokens_are_in_the_database(served: Services, browser: Browser) -> None:
    made = user(served.engine)
    browser.sign_in()
    with write(served.engine) as conn:
        link = users.make_link(conn, made.id, lives=timedelta(hours=1), now=served.clock.now())
    with read(served.engine) as conn:
        kept = str(conn.execute(sa.select(schema.user_sessions)).all()) + str(
            conn.execute(sa.select(schema.users)).all()
        )
    for secret in (cookie(browser) or "", link, PASSWORD):
        assert secret
        assert secret not in kept


@pytest.mark.parametrize("name", ["ana", "nobody"])
def test_a_wrong_password_and_an_unknown_name_look_the_same(served: Services, browser: Browser, name: str) -> None:
    user(served.engine)
    page = browser.sign_in(name, "wrong")
    assert page.status == 401
    assert "The name or the password is wrong." in page.words
    assert cookie(browser) is None


def test_a_name_waits_after_too_many_attempts_even_with_the_right_password(served: Services, browser: Browser) -> None:
    user(served.engine)
    for _ in range(served.settings.console.attempts):
        assert browser.sign_in(password="wrong").status == 401
    page = browser.sign_in()
    assert page.status == 429
    assert "Too many attempts" in page.words


def test_waits_grow_and_attempts_are_forgotten(engine: Engine) -> None:
    with write(engine) as conn:
        begun = [sign_in_attempts.begin(conn, "s", limit=2, now=at(n)) for n in range(3)]
        assert begun == [None, None, at(61)]
        assert sign_in_attempts.begin(conn, "s", limit=2, now=at(62)) is None
        assert sign_in_attempts.begin(conn, "s", limit=2, now=at(63)) == at(62 + 120)
        assert sign_in_attempts.begin(conn, "s", limit=2, now=at(8000)) is None
        assert sign_in_attempts.begin(conn, "s", limit=2, now=at(8001)) is None
        sign_in_attempts.forget(conn, "s", now=at(8002))
        assert sign_in_attempts.begin(conn, "s", limit=2, now=at(8003)) is None


def test_an_address_waits_after_many_names(served: Services) -> None:
    browser = Browser(served)
    browser.client = type(browser.client)(
        browser.client.app, base_url="https://testserver", client=("93.184.216.34", 1), raise_server_exceptions=False
    )
    with write(served.engine) as conn:
        for n in range(served.settings.console.address_attempts):
            sign_in_attempts.begin(
                conn, "address:93.184.216.34", limit=50, now=served.clock.now() - timedelta(seconds=n)
            )
    assert browser.sign_in("somebody", "wrong").status == 429


def test_a_link_lets_somebody_choose_a_password_once(served: Services, browser: Browser) -> None:
    with write(served.engine) as conn:
        made = users.add(conn, "ben", role=Role.READ_ONLY, account_ids=None, now=START)
        link = users.make_link(conn, made.id, lives=timedelta(hours=1), now=served.clock.now())
    path = f"/console/welcome/{link}"
    assert "Welcome, ben" in browser.get(path).words
    assert browser.post(path, password="short", again="short").status == 422
    assert browser.post(path, password=PASSWORD, again="another one entirely").status == 422
    page = browser.post(path, password=PASSWORD, again=PASSWORD)
    assert (page.status, page.address) == (200, "/console/")
    assert browser.get(path).status == 404
    assert Browser(served).post(path, password=PASSWORD, again=PASSWORD).status == 404
    assert Browser(served).sign_in("ben").address == "/console/"


def test_a_new_password_ends_every_session(served: Services, browser: Browser) -> None:
    made = user(served.engine)
    browser.sign_in()
    with write(served.engine) as conn:
        users.set_password(conn, made.id, "another", now=START)
    assert browser.get("/console/").address.startswith("/console/sign-in")


def test_who_is_disabled_is_out_at_once_and_cannot_come_back(served: Services, browser: Browser) -> None:
    made = user(served.engine)
    browser.sign_in()
    with write(served.engine) as conn:
        users.switch(conn, made.id, enabled=False, now=START)
    assert browser.get("/console/").address.startswith("/console/sign-in")
    assert browser.sign_in().status == 401


@pytest.mark.parametrize(("column", "seconds"), [("expires_at", 0), ("seen_at", -3601)])
def test_a_session_ends_by_itself(served: Services, browser: Browser, column: str, seconds: int) -> None:
    user(served.engine)
    browser.sign_in()
    ended = {column: served.clock.now() + timedelta(seconds=seconds)}
    with write(served.engine) as conn:
        conn.execute(sa.update(schema.user_sessions).values(**ended))
    assert browser.get("/console/").address.startswith("/console/sign-in")


@pytest.mark.parametrize(
    "elsewhere", ["//evil.example/", "https://evil.example/", "/\\evil.example", "javascript:alert(1)"]
)
def test_signing_in_leads_to_no_other_site(served: Services, browser: Browser, elsewhere: str) -> None:
    user(served.engine)
    assert browser.sign_in(next=elsewhere).address == "/console/"


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {"Origin": "null"}]
)
def test_a_form_of_another_site_signs_nobody_in(served: Services, browser: Browser, headers: dict[str, str]) -> None:
    user(served.engine)
    fields = {"name": "ana", "password": PASSWORD}
    assert browser.client.post("/console/sign-in", data=fields, headers=headers).status_code == 403
    assert cookie(browser) is None


def test_every_path_is_for_whom_it_is_said_to_be() -> None:
    assert {f"{screen.method} {screen.path}": screen.role for screen in SCREENS} == LEAST
    served = {
        f"{method} {route.path}"
        for route in console.routes()
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}
    }
    assert served == LEAST.keys() | OTHERS.keys()


def test_a_screen_that_does_not_say_for_whom_it_is_is_none() -> None:
    with pytest.raises(TypeError, match="role"):
        Screen(method="POST", path="/new", work=SCREENS[0].work)  # type: ignore[call-arg] # that is what is tried


def test_nobody_gets_anywhere_without_a_session(browser: Browser) -> None:
    for route in GUARDED:
        method, path = concrete(route)
        answer = browser.client.request(method, path, follow_redirects=False)
        assert answer.status_code == (303 if method == "GET" else 401), route
        assert method != "GET" or answer.headers["location"].startswith("/console/sign-in?next="), route


def test_no_write_is_done_without_the_proof_of_its_session(served: Services, browser: Browser) -> None:
    user(served.engine, role=Role.ADMIN)
    user(served.engine, "eve")
    other = Browser(served)
    other.sign_in("eve")
    browser.sign_in()
    for route in WRITES:
        for proof in ("", "0" * 64, other.proof):
            page = browser.post(concrete(route)[1], csrf=proof)
            assert page.status == 403, route
            assert "nothing was done" in page.words


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
)
def test_no_write_of_another_site_is_done_even_with_its_proof(
    served: Services, browser: Browser, headers: dict[str, str]
) -> None:
    user(served.engine, role=Role.ADMIN)
    browser.sign_in()
    for route in WRITES:
        answer = browser.client.post(concrete(route)[1], data={"csrf": browser.proof}, headers=headers)
        assert (answer.status_code, "from another site" in answer.text) == (403, True), route
    assert browser.get("/console/").address == "/console/"


def test_each_role_may_do_what_is_for_it_and_nothing_else(served: Services) -> None:
    for role in Role:
        user(served.engine, role, role=role)
        browser = Browser(served)
        browser.sign_in(role)
        for route, least in GUARDED.items():
            if route == "POST /sign-out":
                continue
            method, path = concrete(route)
            answer = browser.client.request(method, path, data={"csrf": browser.proof})
            assert (answer.status_code == 403) is not role.covers(least), (role, route)
            assert answer.status_code < 500, (role, route)


def test_every_page_has_a_policy_under_which_nothing_inline_runs(browser: Browser) -> None:
    answer = browser.client.get("/console/sign-in")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["cache-control"] == "no-store"
    for found in re.findall(r'(?:src|href)="(/console/static/[^"]*)"', answer.text):
        assert "immutable" in browser.client.get(found).headers["cache-control"]
    assert browser.client.get("/console/static/0/console.css").status_code == 404


def test_templates_have_no_inline_script_or_style() -> None:
    for file in (files("clipwarden_api.console") / "templates").iterdir():
        text = file.read_text(encoding="utf-8")
        assert not re.search(r'\s(on\w+|style|hx-on[^=]*|hx-vals="js:)=["\']|<style|<script(?![^>]* src=)', text), (
            file.name
        )


def test_what_is_vendored_is_what_was_published() -> None:
    package = files("clipwarden_api.console")
    lines = (package / "VENDOR").read_text(encoding="utf-8").splitlines()
    assert lines
    for line in lines:
        name, *_, digest = line.split()
        data = package.joinpath(*name.split("/")).read_bytes()
        assert digest == "sha384-" + base64.b64encode(hashlib.sha384(data).digest()).decode(), name


def test_without_the_console_there_is_no_page(engine: Engine, tmp_path: Path) -> None:
    built = services(engine, tmp_path)
    off = built.settings.model_copy(update={"console": built.settings.console.model_copy(update={"enabled": False})})
    assert Browser(dataclasses.replace(built, settings=off)).get("/console/sign-in").status == 404
    built.close()
