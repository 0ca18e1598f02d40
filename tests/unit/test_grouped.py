"""What several threads ask for at once is done in one go, and each gets the answer, or the fault, of its own."""

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from clipwarden import errors
from clipwarden_workers.grouped import Grouped
from waiting import eventually


class Work:
    """Doubles numbers; waits in its first group until it is told to go on; refuses 13, and has no time for 99."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.go_on = threading.Event()

    def __call__(self, numbers: Sequence[int]) -> list[int]:
        """Double them."""
        self.groups.append(list(numbers))
        if len(self.groups) == 1:
            assert self.go_on.wait(20)
        if 13 in numbers:
            raise errors.Conflict("13")
        if 99 in numbers:
            raise errors.TransientError("99")
        return [2 * number for number in numbers]


def ask(numbers: Sequence[int], work: Work) -> list[Future[int]]:
    """Ask for the first number, and for the others while that is at work."""
    grouped = Grouped[int, int]()
    with ThreadPoolExecutor(len(numbers)) as threads:
        answers = [threads.submit(grouped.do, numbers[0], work)]
        eventually(lambda: work.groups)
        answers += [threads.submit(grouped.do, number, work) for number in numbers[1:]]
        eventually(lambda: len(grouped._asked) == len(numbers) - 1)
        work.go_on.set()
    return answers


def test_what_is_asked_for_meanwhile_is_done_together() -> None:
    work = Work()
    answers = ask([1, 2, 3, 4], work)
    assert [answer.result() for answer in answers] == [2, 4, 6, 8]
    assert [sorted(group) for group in work.groups] == [[1], [2, 3, 4]]


def test_a_request_that_fails_fails_alone() -> None:
    first, second, bad, third = ask([1, 2, 13, 3], Work())
    assert [answer.result() for answer in (first, second, third)] == [2, 4, 6]
    with pytest.raises(errors.Conflict):
        bad.result()


def test_a_fault_that_passes_is_not_met_once_for_each() -> None:
    work = Work()
    first, *others = ask([1, 2, 99, 3], work)
    assert first.result() == 2
    assert {type(answer.exception()) for answer in others} == {errors.TransientError}
    assert [len(group) for group in work.groups] == [1, 3]


class Ended(BaseException):
    """What ends a thread from outside."""


def test_a_thread_that_is_ended_leaves_nobody_waiting() -> None:
    work = Work()

    def ended(numbers: Sequence[int]) -> list[int]:
        if len(numbers) > 1:
            raise Ended
        return work(numbers)

    grouped = Grouped[int, int]()
    with ThreadPoolExecutor(3) as threads:
        alone = threads.submit(grouped.do, 1, work)
        eventually(lambda: work.groups)
        both = [threads.submit(grouped.do, number, ended) for number in (2, 3)]
        eventually(lambda: len(grouped._asked) == 2)
        work.go_on.set()
    assert alone.result() == 2
    assert {type(answer.exception()) for answer in both} == {Ended, errors.TransientError}
