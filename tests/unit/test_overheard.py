"""What looks for secrets in all that tests say finds one, however it is written and whoever comes first."""

import base64
from urllib.parse import quote

import pytest

from overheard import Overheard

SECRET = "p@ss/word of the tests"


@pytest.mark.parametrize(
    "said",
    [
        f"redis://:{SECRET}@127.0.0.1",
        f"redis://:{quote(SECRET, safe='')}@127.0.0.1",
        f"{{'api_secret': {SECRET!r}}}",
        f"Basic {base64.b64encode(f'key:{SECRET}'.encode()).decode()}",
    ],
)
@pytest.mark.parametrize("late", [False, True])
def test_a_planted_secret_is_found(said: str, *, late: bool) -> None:
    run = Overheard()
    if late:
        run.hear(said)
        assert not run.leaks()
    run.note_login("api_secret", "key", SECRET)
    if not late:
        run.hear(said.encode())
    assert run.leaks()
    assert not run.leaks()


@pytest.mark.parametrize(
    "said",
    [
        "http://127.0.0.1/media/b/k?expires=1&signature=0123456789abcdef0123456789abcdef",
        "https://b.s3.amazonaws.com/k?X-Amz-Signature=0123456789abcdef0123456789abcdef",
        "path=/shop/video/upload/s--Ab_3-xYz--/v1/holiday.mp4",
        "http://127.0.0.1/console/welcome/0123456789abcdef0123456789abcdef",
        "authorization: Basic a2V5OnNlY3JldA==",
    ],
)
def test_what_looks_like_a_secret_is_found_whoever_made_it(said: str) -> None:
    run = Overheard()
    run.hear(said)
    assert run.leaks()


def test_what_was_struck_out_is_no_secret() -> None:
    run = Overheard()
    run.note("a word", "secret")
    run.hear("secret path=/shop/video/upload/s--***--/a.mp4 url=/welcome/*** signature=*** ?signature=***")
    assert not run.leaks()
    assert run.has_heard("s--***--")
