from datetime import UTC, datetime, timedelta

import pytest

from clipwarden import answers

NOW = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)
LONGEST = timedelta(hours=6)


@pytest.mark.parametrize(
    ("status", "text", "seconds"),
    [
        (503, "120", 120),
        (429, " 7 ", 7),
        (503, "Fri, 20 Nov 2026 12:05:00 GMT", 300),
        (503, "Fri, 20 Nov 2026 12:05:00", 300),
        (503, "Fri, 20 Nov 2026 11:00:00 GMT", 0),
        (503, "99999999999999999999", 6 * 3600),
        (503, "Fri, 20 Nov 9999 12:05:00 GMT", 6 * 3600),
        (503, "-5", 0),
        (503, "soon", 0),
        (503, "١٢", 0),
        (503, "Fri, 99 Nov 2026 12:05:00 GMT", 0),
        (503, "", 0),
        (500, "120", 0),
        (301, "120", 0),
        (None, "120", 0),
    ],
)
def test_a_busy_endpoint_may_say_when_to_come_back_within_bounds(status: int | None, text: str, seconds: float) -> None:
    found = answers.wait(status, {"retry-after": text}, now=NOW, longest=LONGEST)
    assert found == timedelta(seconds=seconds)


def test_a_refusal_of_one_callback_does_not_mean_that_none_can_be_taken() -> None:
    assert [status for status in (None, 301, 400, 404, 410, 422, 429, 500, 503) if answers.unable(status)] == [
        None,
        429,
        500,
        503,
    ]
