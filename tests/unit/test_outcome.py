from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from callbacks import KEY, account
from clipwarden import errors
from clipwarden.egress import Egress, Response
from clipwarden.moderation import DeliveryStage
from clipwarden_workers import outcome
from clipwarden_workers.outcome import Outcome
from clipwarden_workers.tasks import Task

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def attempt(answer: Response | Exception) -> Outcome:
    def post(*_: Any, **__: Any) -> Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    delivery = SimpleNamespace(id="d-1", url="https://a.example/", body="{}")
    task = Task(delivery=cast("Any", delivery), account=account(), keys=[KEY])
    return outcome.attempt(cast("Egress", SimpleNamespace(post=post)), task, now=NOW)


@pytest.mark.parametrize(
    ("status", "stage", "final", "unable"),
    [
        (200, DeliveryStage.DELIVERED, True, False),
        (299, DeliveryStage.DELIVERED, True, False),
        (302, DeliveryStage.FAILED, False, False),
        (404, DeliveryStage.FAILED, False, False),
        (410, DeliveryStage.FAILED, True, False),
        (429, DeliveryStage.FAILED, False, True),
        (503, DeliveryStage.FAILED, False, True),
    ],
)
def test_an_answer_says_what_becomes_of_the_callback_and_its_endpoint(
    status: int, stage: DeliveryStage, *, final: bool, unable: bool
) -> None:
    found = attempt(Response(status=status, headers={}, body=b"", seconds=0.1))
    assert (found.stage, found.final, found.unable) == (stage, final, unable)


@pytest.mark.parametrize("status", [None, 200, 404])
def test_half_an_answer_is_none(status: int | None) -> None:
    found = attempt(errors.DeliveryFailed("cut", status=status))
    assert (found.stage, found.final, found.unable, found.status) == (DeliveryStage.FAILED, False, True, status)


def test_an_address_that_is_refused_is_not_tried_again() -> None:
    found = attempt(errors.DestinationRefused("not public"))
    assert (found.stage, found.final, found.refused) == (DeliveryStage.FAILED, True, True)
