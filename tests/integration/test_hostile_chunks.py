"""Whichever chunks come, in whichever order and however often, the file is the one that was sent or is refused."""

import random
import uuid
from dataclasses import dataclass, field
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from clipwarden.moderation import Location
from clipwarden.store import accounts, schema
from clipwarden.store.engine import read, write
from clipwarden_api import app, chunks, sink
from clipwarden_api.refusals import Refusal
from clipwarden_api.services import Services
from fuzzing import tried

SIZE, LEAST = 28, 4
CONTENT = random.Random(5).randbytes(SIZE)

#: From and up to which byte; ``None`` is the chunk that comes next.
steps = st.lists(
    st.none()
    | st.tuples(st.integers(0, SIZE), st.integers(1, SIZE + 2))
    | st.tuples(st.sampled_from(range(0, SIZE, LEAST)), st.sampled_from(range(LEAST, SIZE + 1, LEAST))),
    max_size=10,
)


@dataclass(slots=True)
class Upload:
    """One upload, with what ought to have come of it."""

    program: TestClient
    name: str = field(default_factory=lambda: uuid.uuid4().hex)
    received: int | None = None  #: Bytes; ``None`` before it has begun.
    done: bool = False

    def send(self, start: int, end: int) -> dict[str, Any]:
        """Send a chunk, and see that it is taken or refused as its turn is."""
        expected = self._expect(start, end)
        answer = self.program.post(
            "/v1_1/demo/raw/upload",
            data={"public_id": self.name, "timestamp": "1"},
            files={"file": ("a", CONTENT[start:end])},
            headers={"Content-Range": f"bytes {start}-{end - 1}/{SIZE}", "X-Unique-Upload-Id": self.name},
        )
        assert answer.status_code == expected, (start, end, self.received, answer.text)
        told: dict[str, Any] = answer.json()
        if expected == 200:
            assert told["done"] is (end == SIZE)
            self.done = self.done or end == SIZE
        return told

    def _expect(self, start: int, end: int) -> int:
        """Return the answer's status, and go on to what follows."""
        if start >= end or end > SIZE or (end != SIZE and end - start < LEAST):
            return 400
        if start == 0 and (self.received is None or self.done):
            self.received, self.done = 0, False
        if self.received is None or (end > self.received and start != self.received):
            return 400
        self.received = max(self.received, end)
        return 200


@pytest.fixture
def program(served: Services, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    """Return a program that has a key, of a gateway that takes the smallest of chunks."""
    monkeypatch.setattr(chunks, "LEAST_PART", LEAST)
    monkeypatch.setattr(sink, "LEAST_PART", LEAST)
    with write(served.engine) as conn:
        accounts.ensure(conn, name="demo", api_key="key", api_secret="secret", now=served.clock.now())
    client = TestClient(app.build(served), raise_server_exceptions=False)
    client.auth = ("key", "secret")
    return client


@tried(0.1, suppress=[HealthCheck.function_scoped_fixture])
@given(steps=steps)
def test_chunks_become_the_file_or_are_refused(
    served: Services, program: TestClient, steps: list[tuple[int, int] | None]
) -> None:
    upload = Upload(program)
    for step in steps:
        start = upload.received or 0
        start, end = step or (start, min(start + LEAST, SIZE))
        if (start, end) != (0, SIZE):  # That is no chunk, but a whole file.
            upload.send(start, end)
    while not upload.done:
        start = upload.received or 0
        upload.send(start, min(start + 2 * LEAST, SIZE))
    with read(served.engine) as conn:
        asset = conn.execute(sa.select(schema.assets).where(schema.assets.c.public_id == upload.name)).mappings().one()
    with served.media.open(Location(bucket=asset["bucket"], key=asset["key"])) as stored:
        assert stored.read() == CONTENT


headers = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)
numbers = st.integers(-2, 10**17).map(str) | st.just("*")


@given(spoken=headers | st.builds("bytes {}-{}/{}".format, numbers, numbers, numbers), id=headers)
def test_any_range_is_one_of_a_file_or_refused(spoken: str, id: str) -> None:
    try:
        chunk = chunks.read_headers({"content-range": spoken, "x-unique-upload-id": id}, limit=10**10)
    except Refusal as refusal:
        assert refusal.status == 400  # noqa: PT017 # either outcome is right
        return
    if chunk is not None:
        assert 0 <= chunk.start < chunk.end <= (chunk.total or chunk.end) <= 10**10
