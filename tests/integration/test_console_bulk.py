"""Deciding many at once: what was counted and confirmed, once each, whoever dies; and filters that people keep."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from clipwarden import errors
from clipwarden.moderation import Moderation, Status
from clipwarden.people import Role
from clipwarden.store import accounts, assets, audit, bulk, remains, reviews, schema
from clipwarden.store.audit import Search
from clipwarden.store.bulk import Job
from clipwarden.store.engine import read, write
from clipwarden_api.services import Services
from clipwarden_workers import bulk as actor
from clipwarden_workers import services as worker_services
from fixtures.console import Browser, Page, judged, present, user


@pytest.fixture
def ana(served: Services, browser: Browser) -> Browser:
    user(served.engine, role=Role.SUPERVISOR)
    browser.sign_in()
    return browser


@pytest.fixture
def worker(served: Services) -> Iterator[worker_services.Services]:
    built = worker_services.build(served.settings)
    yield built
    built.close()


def begun(ana: Browser, query: str = "", **fields: str) -> Page:
    """Confirm what the page has counted."""
    page = ana.get(f"/console/bulk?{query}")
    [id] = re.findall(r'name="job" value="([^"]*)"', page.text)
    [count] = re.findall(r'name="count" value="([^"]*)"', page.text)
    return ana.post(
        f"/console/bulk?{query}", **{"job": id, "count": count, "typed": count, "action": "approve"} | fields
    )


def job(served: Services) -> Job:
    with read(served.engine) as conn:
        [found] = bulk.listing(conn, user_id=None, limit=9)
    return found


def worked(worker: worker_services.Services, served: Services) -> Job:
    """Let a worker have turns until the job has ended."""
    for _ in range(20):
        if (found := job(served)).ended_at is not None:
            return found
        actor.bulk(worker, found.id, found.fence)
    raise AssertionError("the job does not end")


def decided(served: Services, *cases: Any) -> list[tuple[str, str | None, int]]:
    found = [present(served, case.id) for case in cases]
    return [(str(one.status), one.decided_by, one.decisions) for one in found]


def test_all_that_the_filters_find_are_decided_and_no_others(
    served: Services, ana: Browser, worker: worker_services.Services
) -> None:
    wine, more, clean = judged(served, "wine"), judged(served, "more"), judged(served, "clean", seen=[])
    page = begun(ana, "status=rejected", reason="Wrong label", note="grape juice")
    assert "Approving 2" in page.words
    assert "Begins in" in page.words
    ended = worked(worker, served)
    assert (ended.total, ended.done, ended.left, ended.skipped) == (2, 2, 0, {})
    assert decided(served, wine, more) == [("approved", "human:ana", 2)] * 2
    assert decided(served, clean) == [("approved", "policy", 1)]
    with read(served.engine) as conn:
        events, _ = audit.found(conn, Search(actor="human:ana"), limit=9, after=None)
        told = conn.execute(sa.select(sa.func.count()).select_from(schema.deliveries)).scalar_one()
    assert [(one.action, (one.detail or {})["reason"]) for one in events] == [
        ("approved", "Wrong label: grape juice")
    ] * 2
    assert told == 2
    assert "Done." in ana.get(f"/console/jobs/{ended.id}").words
    assert "approve ana status: rejected 2 0 2 done" in ana.get("/console/jobs").words


def test_what_is_not_confirmed_or_is_no_longer_so_many_is_not_begun(served: Services, ana: Browser) -> None:
    judged(served, "wine")
    assert begun(ana, typed="2").status == 422
    assert begun(ana, typed="").status == 422
    assert begun(ana, action="destroy").status == 422
    assert begun(ana, action="rejudge", moderation="aws_rek_video:alcohl").status == 422
    page = ana.get("/console/bulk")
    [id] = re.findall(r'name="job" value="([^"]*)"', page.text)
    judged(served, "another")
    late = ana.post("/console/bulk", job=id, count="1", typed="1", action="approve")
    assert (late.status, "there are 2 by now, not 1" in late.words) == (409, True)
    with read(served.engine) as conn:
        assert bulk.listing(conn, user_id=None, limit=9) == []
        assert conn.execute(sa.select(sa.func.count()).select_from(schema.bulk_items)).scalar_one() == 0


def test_a_form_that_is_sent_twice_is_one_job(served: Services, ana: Browser) -> None:
    judged(served, "wine")
    fields = {"job": "018f00000000700080000000000000aa", "count": "1", "typed": "1", "action": "reject"}
    assert ana.post("/console/bulk", **fields).address == ana.post("/console/bulk", **fields).address
    assert job(served).total == 1


def test_what_others_decide_meanwhile_or_have_before_them_is_left(
    served: Services, ana: Browser, worker: worker_services.Services
) -> None:
    changed, held, free = judged(served, "changed"), judged(served, "held"), judged(served, "free")
    begun(ana)
    now = served.clock.now()
    ben = user(served.engine, "ben")
    with write(served.engine) as conn:
        reviews.claim(conn, held, ben.id, lives=timedelta(minutes=5), now=now)
        conn.execute(
            sa.update(schema.moderations)
            .where(schema.moderations.c.id == changed.id)
            .values(decisions=2, status="approved")
        )
    ended = worked(worker, served)
    assert (ended.done, ended.skipped) == (1, {"changed": 1, "held": 1})
    assert decided(served, free, held) == [("approved", "human:ana", 2), ("rejected", "policy", 1)]
    words = ana.get(f"/console/jobs/{ended.id}").words
    assert "1: somebody decided them meanwhile" in words
    assert "1: somebody had them before them" in words


def test_a_job_that_is_cancelled_does_nothing_more(
    served: Services, ana: Browser, worker: worker_services.Services
) -> None:
    wine = judged(served, "wine")
    begun(ana)
    before = job(served)
    assert "Cancelled by ana: 0 were done before." in ana.post(f"/console/jobs/{before.id}/cancel").words
    actor.bulk(worker, before.id, before.fence)
    assert decided(served, wine) == [("rejected", "policy", 1)]
    assert job(served).cancelled_by == "ana"


def test_a_worker_that_dies_after_any_step_leaves_the_rest_to_another_and_nothing_is_done_twice(
    served: Services, ana: Browser, worker: worker_services.Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = [judged(served, f"case {number}") for number in range(5)]
    begun(ana)
    settle, left = bulk.settle, [2, 1, 2]

    def dying(*args: Any, **named: Any) -> None:
        left[0] -= 1
        if left[0] < 0:
            left.pop(0)
            raise SystemExit
        settle(*args, **named)

    monkeypatch.setattr(bulk, "settle", dying)
    for _ in range(2):
        found = job(served)
        with pytest.raises(SystemExit):
            actor.bulk(worker, found.id, found.fence)
    assert worked(worker, served).done == 5
    assert decided(served, *cases) == [("approved", "human:ana", 2)] * 5


def test_a_job_that_another_worker_has_taken_over_is_left_to_it(
    served: Services, ana: Browser, worker: worker_services.Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = [judged(served, f"case {number}") for number in range(3)]
    begun(ana)
    prepared = actor._prepared
    found = job(served)

    def overtaken(*args: Any) -> Any:
        monkeypatch.setattr(actor, "_prepared", prepared)
        with write(served.engine) as conn:
            conn.execute(sa.update(schema.bulk_jobs).values(fence=schema.bulk_jobs.c.fence + 1))
        return prepared(*args)

    monkeypatch.setattr(actor, "_prepared", overtaken)
    actor.bulk(worker, found.id, found.fence)
    assert job(served).done == 0
    assert worked(worker, served).done == 3
    assert decided(served, *cases) == [("approved", "human:ana", 2)] * 3


def test_a_fault_postpones_a_job(
    served: Services, ana: Browser, worker: worker_services.Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged(served, "wine")
    begun(ana)
    found = job(served)

    def away(*_: Any, **__: Any) -> None:
        raise errors.MediaUnavailable("S3 is away")

    with monkeypatch.context() as broken:
        broken.setattr(actor, "_prepared", away)
        actor.bulk(worker, found.id, found.fence)
    after = job(served)
    assert after.faults == 1
    assert after.due_at is not None
    assert after.due_at > served.clock.now()
    assert worked(worker, served).done == 1


def test_many_are_judged_by_another_policy_and_what_has_no_labels_is_left(
    served: Services, ana: Browser, worker: worker_services.Services
) -> None:
    wine, none = judged(served, "wine"), judged(served, "none")
    with write(served.engine) as conn:
        gone = sa.update(schema.moderations).where(schema.moderations.c.id == none.id)
        conn.execute(gone.values(labels_key=None))
    begun(ana, action="rejudge", moderation="aws_rek_video:alcohol:ignore")
    ended = worked(worker, served)
    assert (ended.done, ended.skipped) == (1, {"refused": 1})
    with read(served.engine) as conn:
        c = schema.moderations.c
        rows = conn.execute(sa.select(c.rejudges, c.policy).where(c.rejudges.is_not(None))).all()
    assert rows == [(wine.id, "aws_rek_video:alcohol:ignore")]


def test_what_was_aborted_is_begun_anew(served: Services, ana: Browser, worker: worker_services.Services) -> None:
    case, fine = judged(served, "broken"), judged(served, "fine")
    with write(served.engine) as conn:
        aborted = sa.update(schema.moderations).where(schema.moderations.c.id == case.id)
        conn.execute(aborted.values(status="aborted", error_code="analysis_failed"))
    begun(ana, action="retry")
    assert worked(worker, served).skipped == {"refused": 1}
    assert present(served, case.id).status is Status.PENDING
    assert present(served, fine.id).status is Status.REJECTED


def test_a_supervisor_of_one_account_decides_none_of_anothers_and_sees_no_others_jobs(
    served: Services, browser: Browser, worker: worker_services.Services
) -> None:
    mine, theirs = judged(served, owner="demo"), judged(served, owner="other")
    with read(served.engine) as conn:
        account = accounts.by_name(conn, "demo")
    assert account is not None
    user(served.engine, role=Role.SUPERVISOR, account_ids=[account.id])
    user(served.engine, "ben", role=Role.SUPERVISOR)
    browser.sign_in()
    begun(browser)
    assert worked(worker, served).total == 1
    assert decided(served, mine, theirs) == [("approved", "human:ana", 2), ("rejected", "policy", 1)]
    other = Browser(served)
    other.get("/console/sign-in")
    other.sign_in("ben")
    assert other.get(f"/console/jobs/{job(served).id}").status == 404
    assert other.post(f"/console/jobs/{job(served).id}/cancel").status == 404
    assert "approve" not in other.get("/console/jobs").words


def test_a_queue_is_kept_by_a_name_and_shared(served: Services, ana: Browser) -> None:
    judged(served, "wine")
    page = ana.post("/console/filters?status=rejected&category=Alcohol", name="Wine", shared="1")
    assert '<a href="/console/?status=rejected&amp;category=Alcohol" aria-current="page">Wine' in page.text
    ana.post("/console/filters?status=approved", name="Wine")
    page = ana.get("/console/")
    assert '<a href="/console/?status=approved">Wine' in page.text
    assert "category=Alcohol" not in page.text
    [id] = re.findall(r'action="/console/filters/([^/]*)/forget', page.text)
    user(served.engine, "ben")
    other = Browser(served)
    other.sign_in("ben")
    assert "Wine" not in other.get("/console/").words
    assert other.post("/console/filters?status=approved", name="Mine", shared="1").status == 403
    assert other.post(f"/console/filters/{id}/forget").status == 404
    ana.post("/console/filters?status=approved", name="Wine", shared="1")
    assert "Wine ana" in other.get("/console/").words
    assert "Wine" not in ana.post(f"/console/filters/{id}/forget").words
    assert ana.post("/console/filters?status=approved", name="").status == 409


def test_a_shared_filter_that_names_an_account_is_seen_by_those_who_see_that(served: Services, ana: Browser) -> None:
    judged(served, owner="demo")
    judged(served, owner="other")
    ana.post("/console/filters?account=other", name="Theirs", shared="1")
    with read(served.engine) as conn:
        mine = accounts.by_name(conn, "demo")
    assert mine is not None
    user(served.engine, "ben", account_ids=[mine.id])
    ben = Browser(served)
    ben.sign_in("ben")
    assert "Theirs" not in ben.get("/console/").words
    assert "Theirs" in ana.get("/console/").words


def _erase(served: Services, case: Moderation) -> None:
    with write(served.engine) as conn:
        asset = assets.by_id(conn, case.asset_id)
        assert asset is not None
        remains.remove(conn, asset, [], now=served.clock.now())


def test_what_is_erased_before_its_turn_is_left_out(
    served: Services, ana: Browser, worker: worker_services.Services
) -> None:
    gone, wine = judged(served, "gone"), judged(served, "wine")
    begun(ana)
    _erase(served, gone)
    ended = worked(worker, served)
    assert (ended.total, ended.done, ended.left, ended.skipped) == (2, 1, 0, {"erased": 1})
    assert decided(served, wine) == [("approved", "human:ana", 2)]
    assert "1: they were erased meanwhile" in ana.get(f"/console/jobs/{ended.id}").words


def test_what_is_erased_as_its_turn_comes_is_left_out(
    served: Services, ana: Browser, worker: worker_services.Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, wine = judged(served, "gone"), judged(served, "wine")
    begun(ana)
    items, read_once = bulk.items, list[str]()

    def erased_since(conn: Any, job_id: str, *, limit: int) -> list[bulk.Item]:
        found = items(conn, job_id, limit=limit)
        if not read_once:
            read_once.append(job_id)
            _erase(served, gone)
        return found

    monkeypatch.setattr(bulk, "items", erased_since)
    ended = worked(worker, served)
    assert (ended.total, ended.done, ended.left, ended.skipped) == (2, 1, 0, {"erased": 1})
    assert decided(served, wine) == [("approved", "human:ana", 2)]
