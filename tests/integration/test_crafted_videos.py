"""Forged videos are refused or read by the child that probes them, within its limits, and cost nobody else anything."""

import io
import json
import resource
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from clipwarden import errors
from clipwarden.media import prober as probers
from clipwarden.media.folder import FolderStore
from clipwarden.media.links import Links
from clipwarden.media.probe import MAX_HOURS, MIN_SIDE
from clipwarden.media.prober import Prober
from clipwarden.media.probing import LIMITS, MEMORY, SECONDS
from clipwarden.moderation import Location
from crafted import CRAFTED, MOST, MOST_SIGNED
from forks import measured
from fuzzing import tried
from living import children_of

Clips = Callable[[str], Path]
#: Bytes in which memory is told.
_UNIT = 1 if sys.platform == "darwin" else 1024
#: Bytes that no child needs (120 MB were measured), and seconds that those of a test do not need together (one was).
MOST_MEMORY, MOST_SECONDS = 512 << 20, 10.0
REASONS = {"empty", "container", "codec", "too_small", "too_large", "too_long", "no_video", "damaged"}


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "media", Links("http://media.test", b"secret"))


@pytest.fixture
def prober(store: FolderStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Prober]:
    """Give a prober of whose children none has needed much memory, or all of them much of the processor."""
    monkeypatch.setattr(probers, "_ARGV", measured(tmp_path / "spent"))
    prober = Prober(store)
    yield prober
    prober.close()
    memory, seconds = spent(tmp_path / "spent")
    assert memory < MOST_MEMORY
    assert seconds < MOST_SECONDS


def spent(told: Path) -> tuple[int, float]:
    """Return what the largest child had in bytes, and the processor time of all, as their servers have told."""
    lines = [json.loads(line) for line in told.read_text().splitlines()]
    return max(memory for memory, _ in lines) * _UNIT, sum(seconds for _, seconds in lines)


def test_what_children_need_is_measured(
    store: FolderStore, clips: Clips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = {"refused": "no", "reason": "damaged"}
    greedy = f"b'x' * (200 << 20); sum(range(10_000_000)); print({json.dumps(said)!r})"
    monkeypatch.setattr(probers, "_ARGV", measured(tmp_path / "spent", greedy))
    prober = Prober(store)
    assert look(store, prober, clips("plain").read_bytes()) == "damaged"
    prober.close()
    memory, seconds = spent(tmp_path / "spent")
    assert memory > 200 << 20
    assert seconds > 0.05


def look(store: FolderStore, prober: Prober, data: bytes) -> str | None:
    """Return why a video is refused, or that it is not."""
    try:
        looked = prober.look(store.put(Location(bucket="clips", key="a.mp4"), io.BytesIO(data)))
    except errors.MediaRefused as exc:
        reason: str | None = exc.reason
    else:
        reason = None
        assert min(looked.facts.width, looked.facts.height) >= MIN_SIDE
        assert 0 <= looked.facts.duration_ms <= MAX_HOURS * 3_600_000
    return reason


def test_forged_videos_are_refused_or_read(store: FolderStore, prober: Prober, clips: Clips) -> None:
    sound = clips("faststart").read_bytes()
    found = {name: look(store, prober, forgery.make(sound)) for name, forgery in CRAFTED.items()}
    assert found == {name: forgery.reason for name, forgery in CRAFTED.items()}


#: A place in the header, and what is written there.
changes = st.lists(
    st.tuples(
        st.integers(0, 10**6),
        st.sampled_from([0, 1, 7, 8, 9, 0xFFFF, 1 << 16, MOST_SIGNED, MOST_SIGNED + 1, MOST - 1, MOST])
        | st.integers(0, MOST),
    ),
    min_size=1,
    max_size=6,
)


@tried(0.05, suppress=[HealthCheck.function_scoped_fixture])
@given(changes=changes, cut=st.none() | st.integers(0, 10**6))
def test_any_forgery_is_refused_or_read(
    store: FolderStore, prober: Prober, clips: Clips, changes: list[tuple[int, int]], cut: int | None
) -> None:
    data = bytearray(clips("faststart").read_bytes())
    header = data.index(b"mdat")
    for place, number in changes:
        struct.pack_into(">I", data, place % (header - 4), number)
    reason = look(store, prober, bytes(data if cut is None else data[: cut % len(data)]))
    assert reason is None or reason in REASONS


def test_the_largest_picture_of_a_small_file_is_read_within_the_limits(
    store: FolderStore, prober: Prober, clips: Clips
) -> None:
    assert clips("largest").stat().st_size < 200_000
    assert look(store, prober, clips("largest").read_bytes()) is None


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere one process cannot ask for another's limits")
def test_a_child_has_its_limits_before_it_sees_a_byte(prober: Prober) -> None:
    prober.warm()
    assert prober._server is not None
    with prober._server.fork(patience=60) as child:
        child.send(b"100\n")
        assert child.receive() == {"read": [0, 100]}
        [pid] = children_of(prober._server.pid)
        found = {limit: resource.prlimit(pid, limit) for limit in LIMITS}
    assert found == {limit: (most, most) for limit, most in LIMITS.items()}
    assert set(LIMITS.values()) == {MEMORY, SECONDS, 0}
