"""Doing at once what several threads ask for at about the same time, such as one commit for all of them."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from clipwarden import errors

Request = TypeVar("Request")
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class _Asked(Generic[Request, Answer]):
    request: Request
    answer: Future[Answer] = field(default_factory=Future)


class Grouped(Generic[Request, Answer]):
    """Groups what is asked for while the group before is at work; whoever is alone does not wait."""

    def __init__(self) -> None:
        self._joining, self._working = threading.Lock(), threading.Lock()
        self._asked: list[_Asked[Request, Answer]] = []

    def do(self, request: Request, work: Callable[[Sequence[Request]], Sequence[Answer]]) -> Answer:
        """Return the answer to a request; ``work`` returns one for each of a group, which this thread may be given.

        A fault that passes is everybody's. After any other, the group is worked on again one by one, so that each
        request gets its own fault and no other's.
        """
        mine: _Asked[Request, Answer] = _Asked(request)
        with self._joining:
            self._asked.append(mine)
        with self._working:
            if not mine.answer.done():
                self._answer(work)
        return mine.answer.result()

    def _answer(self, work: Callable[[Sequence[Request]], Sequence[Answer]]) -> None:
        with self._joining:
            group, self._asked = self._asked, []
        try:
            if not _answered(group, work):
                for one in group:
                    _answered([one], work)
        finally:
            for one in group:
                if not one.answer.done():
                    one.answer.set_exception(errors.TransientError("the thread that worked for this one was ended"))


def _answered(group: Sequence[_Asked[Request, Answer]], work: Callable[[Sequence[Request]], Sequence[Answer]]) -> bool:
    try:
        answers = work([one.request for one in group])
    except Exception as exc:  # noqa: BLE001 # whatever it is, it is the asking threads'
        if len(group) > 1 and not isinstance(exc, errors.TransientError):
            return False
        for one in group:
            one.answer.set_exception(exc)
    else:
        for one, answer in zip(group, answers, strict=True):
            one.answer.set_result(answer)
    return True
