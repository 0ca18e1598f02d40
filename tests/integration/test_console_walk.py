"""Every path of the console, with all right but whose it is: nobody sees or changes what is another account's."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from clipwarden import ids
from clipwarden.moderation import DeliveryStage, Moderation
from clipwarden.people import Role, User
from clipwarden.store import assets, audit, bulk, deliveries, posters, reviews, saved_filters, schema
from clipwarden.store.bulk import Action
from clipwarden.store.engine import read, write
from clipwarden.store.queues import Search
from clipwarden_api.services import Services
from console_paths import GUARDED, concrete
from fixtures.console import Browser, judged, user

#: What stands in all that is theirs.
SECRET = "secret"
URL = f"https://{SECRET}.example/moderated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Theirs:
    """What another account has, and its people do."""

    case: Moderation
    claim: str
    delivery_id: str
    job_id: str
    filter_id: str
    neighbour_id: str  #: Of the account of somebody else.

    def id(self, route: str) -> str:
        """Return the id of what is theirs that a route would show or change."""
        kind = route.partition("/operations")[2] or route.partition("/")[2]
        named = {
            "cases": self.case.id,
            "posters": self.case.asset_id,
            "filters": self.filter_id,
            "jobs": self.job_id,
            "deliveries": self.delivery_id,
        }
        return named[kind.strip("/").partition("/")[0]] if "{id}" in route else ""

    def asked(self) -> dict[str, str]:
        """Return what forms would carry if it were one's own."""
        return {
            "account": "theirs",
            "claim": self.claim,
            "seen": str(self.case.decisions),
            "verdict": "approve",
            "moderation": "aws_rek_video:alcohol:ignore",
            "apply": "1",
            "action": "approve",
            "job": ids.new_id(),
            "count": "1",
            "typed": "1",
            "origin": f"https://{SECRET}.example:443",
            "stage": "failed",
            "url": URL,
            "name": "mine",
        }


@pytest.fixture
def theirs(served: Services) -> Theirs:
    case = judged(served, SECRET, owner="theirs")
    neighbour = judged(served, "mine", owner="mine")
    eve = user(served.engine, "eve", role=Role.ADMIN, account_ids=[case.account_id])
    now = served.clock.now()
    with write(served.engine) as conn:
        asset = assets.by_id(conn, case.asset_id)
        assert asset is not None
        posters.keep(conn, asset, SECRET.encode())
        reviews.escalate(conn, case, by="eve", now=now)
        claim = reviews.claim(conn, case, eve.id, lives=timedelta(hours=1), now=now).token
        job = bulk.begin(
            conn,
            Search(account_ids=[case.account_id]),
            id=ids.new_id(),
            user_id=eve.id,
            action=Action.APPROVE,
            expected=1,
            due_at=now,
            now=now,
            filters={"text": SECRET},
        )
        saved_filters.keep(conn, eve.id, SECRET, "text=x", shared=False, now=now)
        saved_filters.keep(conn, eve.id, f"{SECRET} of all", "account=theirs", shared=True, now=now)
        kept = [one.id for one in saved_filters.seen_by(conn, eve.id) if not one.shared]
        audit.record(conn, account_id=case.account_id, actor="human:eve", action=SECRET, now=now, detail={})
    assert claim is not None
    return Theirs(
        case=case,
        claim=claim,
        delivery_id=told(served, case),
        job_id=job.id,
        filter_id=kept[0],
        neighbour_id=neighbour.account_id,
    )


def told(served: Services, case: Moderation) -> str:
    """Make a callback that has failed, and an endpoint that is disabled."""
    now, id = served.clock.now(), ids.new_id()
    about: dict[str, Any] = {"event": "moderation", "sequence": 1, "url": URL, "body": f'{{"a": "{SECRET}"}}'}
    with write(served.engine) as conn:
        deliveries.add(conn, id=id, account_id=case.account_id, moderation_id=case.id, due_at=now, now=now, **about)
        conn.execute(sa.update(schema.deliveries).values(stage=str(DeliveryStage.FAILED), due_at=None))
        conn.execute(sa.update(schema.endpoint_states).values(disabled_at=now, disabled_reason=SECRET, due_at=None))
    return id


def rows(served: Services, mine: User) -> dict[str, set[tuple[Any, ...]]]:
    """Return all that the database holds, but for what is only this person's, or only this person's account's."""
    found = {}
    with read(served.engine) as conn:
        for table in schema.metadata.sorted_tables:
            query = sa.select(table)
            if "account_id" in table.c:
                query = query.where(table.c.account_id.not_in(mine.account_ids or ()))
            if "user_id" in table.c:
                query = query.where(table.c.user_id != mine.id)
            if table.name == "users":
                query = query.where(table.c.id != mine.id)
            if table.name == "bulk_items":
                query = query.join(schema.bulk_jobs).where(schema.bulk_jobs.c.user_id != mine.id)
            found[table.name] = {tuple(map(str, row)) for row in conn.execute(query)}
    return found


@pytest.fixture(params=list(Role))
def ben(request: pytest.FixtureRequest, served: Services, theirs: Theirs) -> User:
    """Give somebody of the other account, in each role."""
    return user(served.engine, "ben", role=request.param, account_ids=[theirs.neighbour_id])


def walked(browser: Browser, theirs: Theirs) -> Iterator[tuple[str, bool, int, str]]:
    """Go everywhere, once with all that is theirs in the form, and once without; yield that, and what was answered."""
    for route in GUARDED:
        if route == "POST /sign-out":
            continue
        method, path = concrete(route, theirs.id(route))
        for asked in (theirs.asked(), {}):
            if method == "GET":
                answer = browser.client.get(path, params=asked)
            else:
                answer = browser.client.post(path, data={"csrf": browser.proof} | asked)
            yield route, bool(asked), answer.status_code, answer.text


def test_nobody_sees_or_changes_what_is_another_accounts(
    served: Services, browser: Browser, theirs: Theirs, ben: User
) -> None:
    browser.sign_in("ben")
    before = rows(served, ben)
    for route, asked, status, text in walked(browser, theirs):
        least = GUARDED[route]
        if not ben.role.covers(least):
            assert status == 403, (route, status)
        elif "{id}" in route:
            # A form that says nothing may be refused before it is looked whose the id is.
            assert status in ({404} if asked else {404, 422}), (route, status)
        assert status < 500, (route, status)
        shown = text.replace(f"https://{SECRET}.example", "")  # A form repeats the address that it was asked for.
        assert SECRET not in shown, route
        assert theirs.case.id not in text, route
        assert theirs.claim not in text, route
    assert rows(served, ben) == before


def test_who_it_belongs_to_sees_all_that_the_walk_looks_for(browser: Browser, theirs: Theirs) -> None:
    browser.sign_in("eve")
    found = {route: status for route, _, status, text in walked(browser, theirs) if SECRET in text}
    assert {route for route in found if "{id}" in route} >= {
        "GET /cases/{id}",
        "GET /posters/{id}",
        "GET /jobs/{id}",
        "GET /operations/deliveries/{id}",
    }
    assert {"GET /", "GET /jobs", "GET /audit", "GET /audit.csv", "GET /operations"} <= found.keys()
    assert set(found.values()) == {200}
