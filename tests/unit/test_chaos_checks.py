"""The checks of chaos can fail: each finds what it is there to find."""

import math
from pathlib import Path
from typing import Any

import pytest

from chaos import jobs, ledger
from chaos.emptiness import empty
from chaos.history import Act, Video
from chaos.human import Answer, Human, Word
from chaos.shelf_checks import stale, taken
from chaos.world import Plan
from clipwarden import ids
from clipwarden.moderation import Status

VIDEO = Video(data=b"", sha256="s", md5="mine", labels=())


def act(what: str, began: float, *, answer: Answer = Answer.DONE, **about: Any) -> Act:
    ended = math.inf if answer is not Answer.DONE or what == "submit" else began + 1
    return Act(what=what, began=began, ended=ended, answer=answer, **about)


def upload(began: float, md5: str = "mine", answer: Answer = Answer.DONE) -> Act:
    return act("upload", began, name="a", md5=md5, asset_id="1", answer=answer)


def test_a_job_that_no_attempt_was_made_for_is_found() -> None:
    token = ids.request_token("m", 1)
    assert jobs.broken([token], {"m": 1}) == []
    assert len(jobs.broken([token, token], {"m": 1})) == 1
    assert len(jobs.broken([ids.request_token("m", 2)], {"m": 1})) == 1
    assert len(jobs.broken(["", token], {"m": 1})) == 1


@pytest.mark.parametrize(
    "later",
    [
        upload(5, "other"),
        act("delete", 5, name="a"),
        act("rename", 5, name="a", to="b", md5="mine"),
        act("rename", 5, name="b", to="a", md5="other"),
    ],
)
def test_bytes_that_came_back_are_found(later: Act) -> None:
    assert len(stale([upload(1), later], "a", VIDEO)) == 1


@pytest.mark.parametrize(
    "acts",
    [
        [upload(1)],
        [upload(1), upload(1.5, "other")],
        [upload(1, answer=Answer.LATE), upload(5, "other")],
        [upload(1), upload(5, "other", Answer.LATE)],
        [upload(1), act("delete", 5, name="a"), act("rename", 7, name="b", to="a", md5="mine")],
        [act("submit", 1, name="b", md5="mine"), upload(5, "other")],
    ],
)
def test_bytes_that_may_be_there_are_none_that_came_back(acts: list[Act]) -> None:
    assert stale(acts, "a", VIDEO) == []


def test_bytes_that_nobody_brought_under_a_name_are_found() -> None:
    assert len(stale([upload(1)], "b", VIDEO)) == 1


def test_a_name_is_empty_only_where_something_may_have_emptied_it() -> None:
    mine = upload(3)
    assert not taken([mine, act("delete", 1, name="a"), act("delete", 5, name="b")], mine)
    assert taken([mine, act("delete", 5, name="a")], mine)
    assert taken([mine, act("delete", 1, name="a", answer=Answer.LATE)], mine)
    assert taken([mine, act("erase", 5, asset_id="1")], mine)
    assert not taken([mine, act("erase", 5, asset_id="2")], mine)


@pytest.mark.parametrize(
    ("words", "may"),
    [
        ([], {None}),
        ([(Status.APPROVED, Answer.DONE)], {Status.APPROVED}),
        ([(Status.APPROVED, Answer.REFUSED)], {None}),
        ([(Status.APPROVED, Answer.UNKNOWN)], {None, Status.APPROVED}),
        ([(Status.ABORTED, Answer.DONE), (None, Answer.DONE)], {None}),
        ([(Status.APPROVED, Answer.UNKNOWN), (Status.REJECTED, Answer.DONE)], {Status.REJECTED}),
        ([(Status.APPROVED, Answer.LATE), (Status.REJECTED, Answer.DONE)], {Status.REJECTED, Status.APPROVED}),
    ],
)
def test_what_a_human_said_last_is_known(words: list[tuple[Status | None, Answer]], may: set[Status | None]) -> None:
    human = Human(world=None, name="ana", api=None)  # type: ignore[arg-type] # they ask nobody here
    human.words["m"] = [Word(says=says, answer=answer) for says, answer in words]
    assert human.may_be("m") == may


def test_a_run_in_which_nothing_happened_proves_nothing(tmp_path: Path) -> None:
    figures: dict[str, Any] = dict.fromkeys(("looks_at_rejected", "looks_at_hidden_shelf", "restored"), 0)
    figures |= {"human": {}, "shelf": {}, "in_quarantine": 0}
    plan = {"seed": 1, "database": "sqlite", "folder": tmp_path}
    assert len(empty(Plan(seconds=60, **plan), figures, {})) > 10  # type: ignore[arg-type] # they are of many types
    assert empty(Plan(seconds=10, **plan), figures, {}) == []  # type: ignore[arg-type] # the same


def test_a_seed_that_is_run_again_replaces_what_was_kept_of_it(tmp_path: Path) -> None:
    file = tmp_path / "chaos.json"
    first, second = ({"seed": seed, "database": "sqlite", "seconds": 60.0} for seed in (1, 2))
    ledger.keep(file, [second])
    ledger.keep(file, [first])
    ledger.keep(file, [second | {"broken": []}])
    assert '"seed": 1' in file.read_text()
    assert file.read_text().count('"seed": 2') == 1
    assert '"broken"' in file.read_text()
