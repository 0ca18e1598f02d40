"""What Rekognition would refuse is refused here with a reason, whatever the file does to the decoder."""

import io
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO, cast

import av
import numpy as np
import pytest

from clipwarden import errors
from clipwarden.media import prober as probers
from clipwarden.media.folder import FolderStore
from clipwarden.media.forking import ForkServer
from clipwarden.media.links import Links
from clipwarden.media.poster import MOST
from clipwarden.media.probe import MAX_BYTES, probe
from clipwarden.media.prober import Prober
from clipwarden.media.s3 import S3Store, build_client
from clipwarden.media.store import MediaStore, Stored
from clipwarden.moderation import Facts, Location
from clipwarden.settings import MediaSettings
from clipwarden_local.demo import samples
from fixtures.clips import padded
from forks import children
from living import children_of
from waiting import eventually

Clips = Callable[[str], Path]


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "media", Links("http://media.test", b"secret"))


@pytest.fixture
def prober(store: FolderStore) -> Iterator[Prober]:
    prober = Prober(store)
    yield prober
    prober.close()


def _put(store: FolderStore, data: bytes) -> Stored:
    return store.put(Location(bucket="clips", key="a.mp4"), io.BytesIO(data))


def _facts(**changes: Any) -> Facts:
    facts: dict[str, Any] = {
        "container": "mp4",
        "codec": "h264",
        "duration_ms": 1000,
        "width": 128,
        "height": 96,
        "frame_rate": 10.0,
        "rotation": 0,
        "has_audio": False,
    }
    return Facts(**facts | changes)


def size_of(jpeg: bytes | None) -> tuple[int, int]:
    assert jpeg is not None
    with av.open(io.BytesIO(jpeg)) as picture:
        return picture.streams.video[0].width, picture.streams.video[0].height


def test_a_poster_is_small_upright_and_of_a_moment_within(store: FolderStore, prober: Prober, clips: Clips) -> None:
    assert size_of(prober.look(_put(store, clips("plain").read_bytes())).poster) == (128, 96)
    assert size_of(prober.look(_put(store, clips("rotated").read_bytes())).poster) == (96, 128)
    wine = prober.look(_put(store, samples()[0].read_bytes()))
    assert size_of(wine.poster) == (320, 180)
    assert len(wine.poster or b"") < MOST


@pytest.mark.parametrize("clip", ["one_frame", "truncated", "bitflipped"])
def test_a_video_of_which_no_poster_can_be_made_is_probed_all_the_same(
    store: FolderStore, prober: Prober, clips: Clips, clip: str
) -> None:
    looked = prober.look(_put(store, clips(clip).read_bytes()))
    assert looked.facts == prober.look(_put(store, clips(clip).read_bytes())).facts


@pytest.mark.parametrize("said", ['{"poster": "%%%"}', '{"poster": "AAAA"}', '{"poster": 7}', "{}", "[]", "no line"])
def test_a_child_that_answers_nonsense_instead_of_a_poster_spoils_nothing_else(
    store: FolderStore, clips: Clips, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    facts = json.dumps({"facts": asdict(_facts())})
    end = "" if said == "no line" else "\n"
    lying = f"import sys; sys.stdin.readline(); print({facts!r}); print({said!r}, end={end!r})"
    monkeypatch.setattr(probers, "_ARGV", children(lying))
    prober = Prober(store)
    looked = prober.look(_put(store, clips("plain").read_bytes()))
    prober.close()
    assert (looked.facts, looked.poster) == (_facts(), None)


@pytest.mark.parametrize(
    ("clip", "facts"),
    [
        ("plain", _facts()),
        ("mov", _facts(container="mov")),
        ("faststart", _facts(duration_ms=6000)),
        ("edge80", _facts(width=80, height=80)),
        ("one_frame", _facts(duration_ms=100)),
        ("bitflipped", _facts(duration_ms=6000)),
        ("truncated", _facts(duration_ms=6000)),
    ],
)
def test_the_facts_of_a_readable_video_are_told(
    store: FolderStore, prober: Prober, clips: Clips, clip: str, facts: Facts
) -> None:
    assert prober.look(_put(store, clips(clip).read_bytes())).facts == facts


def test_a_rotated_video_has_the_size_in_which_it_is_shown(store: FolderStore, prober: Prober, clips: Clips) -> None:
    facts = prober.look(_put(store, clips("rotated").read_bytes())).facts
    assert (facts.width, facts.height) == (96, 128)
    assert facts.rotation in (90, 270)


@pytest.mark.parametrize(
    ("clip", "expected"),
    [
        ("zero_bytes", ("empty", "empty")),
        ("text_named_mp4", ("container", "MP4 or MOV")),
        ("hls_named_mp4", ("container", "MP4 or MOV")),
        ("concat_named_mp4", ("container", "MP4 or MOV")),
        ("png_named_mp4", ("container", "MP4 or MOV")),
        ("random", ("container", "MP4 or MOV")),
        ("mkv", ("container", "MP4 or MOV")),
        ("no_moov", ("container", "MP4 or MOV")),
        ("hevc", ("codec", "hevc")),
        ("mpeg4", ("codec", "mpeg4")),
        ("tiny64", ("too_small", "80")),
        ("audio_only", ("no_video", "no video")),
    ],
)
def test_what_rekognition_would_refuse_is_refused_with_a_reason(
    store: FolderStore, prober: Prober, clips: Clips, clip: str, expected: tuple[str, str]
) -> None:
    with pytest.raises(errors.MediaRefused) as caught:
        prober.look(_put(store, clips(clip).read_bytes()))
    reason, says = expected
    assert caught.value.reason == reason
    assert says in str(caught.value)


def test_a_video_of_more_than_six_hours_is_refused(store: FolderStore, prober: Prober, tmp_path: Path) -> None:
    path = tmp_path / "long.mp4"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        for seconds in (0, 1, 7 * 3600):
            frame = av.VideoFrame.from_ndarray(np.zeros((144, 128), dtype=np.uint8), format="yuv420p")
            frame.pts, frame.time_base = seconds * 10, Fraction(1, 10)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    with pytest.raises(errors.MediaRefused) as caught:
        prober.look(_put(store, path.read_bytes()))
    assert caught.value.reason == "too_long"


def test_more_pixels_than_h264_has_are_refused(store: FolderStore, prober: Prober, tmp_path: Path) -> None:
    path = tmp_path / "huge.mp4"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=1, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 9008, 4400, "yuv420p"
        frame = av.VideoFrame.from_ndarray(np.zeros((6600, 9008), dtype=np.uint8), format="yuv420p")
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    with pytest.raises(errors.MediaRefused) as caught:
        prober.look(_put(store, path.read_bytes()))
    assert caught.value.reason == "too_large"


def test_more_than_ten_gigabytes_are_refused_unread() -> None:
    with pytest.raises(errors.MediaRefused) as caught:
        probe(io.BytesIO(), MAX_BYTES + 1)
    assert caught.value.reason == "too_large"


@pytest.mark.parametrize("seed", range(12))
def test_a_damaged_header_is_refused_or_read_and_never_anything_else(clips: Clips, seed: int) -> None:
    chance = np.random.default_rng(seed)
    data = bytearray(clips("faststart").read_bytes())
    for offset in chance.integers(0, data.index(b"mdat"), 12):
        data[offset] = int(chance.integers(0, 256))
    try:
        probe(io.BytesIO(data), len(data))
    except errors.MediaRefused as exc:
        assert exc.reason  # noqa: PT017 # either outcome is right


def test_probing_a_large_object_in_s3_reads_only_what_it_needs(s3_settings: MediaSettings, clips: Clips) -> None:
    client = build_client(s3_settings)
    fetched: list[int] = []
    client.meta.events.register("after-call.s3.GetObject", lambda parsed, **_: fetched.append(parsed["ContentLength"]))
    store = S3Store(client)
    free = 40 * 1024**2
    data = padded(clips("plain").read_bytes(), bytes(free))
    stored = store.put(Location(bucket=s3_settings.bucket, key="a.mp4"), io.BytesIO(data))
    prober = Prober(store)
    try:
        assert prober.look(stored).facts == _facts()
    finally:
        prober.close()
    assert sum(fetched) <= 4 * 1024**2


def test_an_object_that_vanished_is_not_found_and_the_next_one_is_probed(
    store: FolderStore, prober: Prober, clips: Clips
) -> None:
    stored = _put(store, clips("plain").read_bytes())
    store.delete(stored.location)
    with pytest.raises(errors.MediaNotFound):
        prober.look(stored)
    assert prober.look(_put(store, clips("plain").read_bytes())).facts == _facts()


#: What a child does first that was given a video: it asks for bytes.
READ = """print('{"read": [0, 1]}', flush=True)"""


def test_what_children_are_forked_from_is_replaced_when_it_died_and_not_left_behind(
    store: FolderStore, prober: Prober, clips: Clips
) -> None:
    stored = _put(store, clips("plain").read_bytes())
    prober.warm()
    first = _server(prober)
    os.kill(first.pid, signal.SIGKILL)
    eventually(lambda: not first.runs())
    assert prober.look(stored).facts == _facts()
    second = _server(prober)
    assert prober.look(stored).facts == _facts()
    assert _server(prober) is second
    prober.close()
    assert (first.runs(), second.runs()) == (False, False)


def test_none_is_forked_any_more_from_where_one_has_crashed_and_others_there_go_on(
    store: FolderStore, clips: Clips, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = _put(store, clips("plain").read_bytes())
    sound, prober = list(probers._ARGV), Prober(store)
    monkeypatch.setattr(probers, "_ARGV", children(f"{READ}; os.kill(os.getpid(), 11)"))
    prober.warm()
    crashing = _server(prober)
    waiting = crashing.fork(patience=60)
    with pytest.raises(errors.MediaRefused):
        prober.look(stored)
    monkeypatch.setattr(probers, "_ARGV", sound)
    assert prober.look(stored).facts == _facts()
    assert _server(prober) is not crashing
    with waiting:
        assert waiting.receive() == {"read": [0, 1]}
    prober.close()
    assert not crashing.runs()


def test_a_video_is_put_off_when_nothing_can_be_started_that_looks_at_it(
    store: FolderStore, clips: Clips, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = _put(store, clips("plain").read_bytes())
    for broken in ([sys.executable, "-c", ""], children("os._exit(0)")):
        monkeypatch.setattr(probers, "_ARGV", broken)
        with closing(Prober(store)) as prober, pytest.raises(errors.MediaUnavailable):
            prober.look(stored)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere one process cannot see another's")
def test_a_child_has_nothing_but_its_conversation(prober: Prober, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "of the worker")
    prober.warm()
    with _server(prober).fork(patience=60) as child:
        child.send(b"100\n")
        assert child.receive() == {"read": [0, 100]}  # Hence its limits and files are what they stay.
        [pid] = children_of(_server(prober).pid)
        of_child = Path(f"/proc/{pid}")
        assert (of_child / "environ").read_bytes() == b""
        open_files = {file.name: str(file.readlink()) for file in (of_child / "fd").iterdir()}
        assert open_files.pop("0").startswith("socket:")
        assert open_files == {"1": "/dev/null", "2": "/dev/null"}
        assert len(list(Path(f"/proc/{_server(prober).pid}/task").iterdir())) == 1


def _server(prober: Prober) -> ForkServer:
    assert prober._server is not None
    return prober._server


@pytest.mark.parametrize(
    "program",
    [
        "import os; os.kill(os.getpid(), 11)",
        "import os; os._exit(0)",
        "print('not json', flush=True)",
        "print('[]', flush=True)",
        "print('{\"facts\": {}}', flush=True)",
        "print('{\"read\": [0, 1000000000000]}', flush=True)",
        "print('{\"read\": [-1, 1]}', flush=True)",
        'print(\'{"read": "x"}\', flush=True)',
        "print('x' * 1000000, flush=True)",
        "import resource; resource.setrlimit(resource.RLIMIT_CPU, (1, 1))\nwhile True: pass",
    ],
)
def test_a_child_that_crashes_loops_or_lies_costs_one_video_and_nothing_else(
    store: FolderStore, clips: Clips, program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probers, "_ARGV", children(f"{READ}; {program}"))
    prober = Prober(store, patience=20)
    try:
        with pytest.raises(errors.MediaRefused):
            prober.look(_put(store, clips("plain").read_bytes()))
    finally:
        prober.close()


def test_a_probe_that_waits_too_long_is_put_off_for_the_video_is_not_at_fault(
    store: FolderStore, clips: Clips, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probers, "_ARGV", children(f"{READ}; import time; time.sleep(600)"))
    prober = Prober(store, patience=0.5)
    try:
        with pytest.raises(errors.MediaUnavailable):
            prober.look(_put(store, clips("plain").read_bytes()))
    finally:
        prober.close()


class Waiting(FolderStore):
    """A store that holds up whoever opens a video, and counts them."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, Links("http://media.test", b"secret"))
        self.lock, self.go = threading.Lock(), threading.Event()
        self.opened = self.most = 0

    @contextmanager
    def seekable(self, location: Location) -> Iterator[BinaryIO]:  # type: ignore[override] # nothing but `with` is needed
        with self.lock:
            self.opened += 1
            self.most = max(self.most, self.opened)
        assert self.go.wait(60)
        with super().seekable(location) as video:
            yield video
        with self.lock:
            self.opened -= 1


def test_no_more_videos_are_looked_at_together_than_may_be(tmp_path: Path, clips: Clips) -> None:
    store = Waiting(tmp_path / "media")
    stored = _put(store, clips("plain").read_bytes())
    with closing(Prober(cast("MediaStore", store), at_once=2)) as prober, ThreadPoolExecutor(6) as threads:
        looks = [threads.submit(prober.look, stored) for _ in range(6)]
        eventually(lambda: store.opened == 2)
        store.go.set()
        assert [look.result(60).facts for look in looks] == [_facts()] * 6
    assert store.most == 2


def test_who_waits_too_long_for_others_videos_tries_again_later(tmp_path: Path, clips: Clips) -> None:
    store = Waiting(tmp_path / "media")
    stored = _put(store, clips("plain").read_bytes())
    with closing(Prober(cast("MediaStore", store), at_once=1)) as prober, ThreadPoolExecutor(1) as threads:
        first = threads.submit(prober.look, stored)
        eventually(lambda: store.opened == 1)
        prober._patience = 0.01
        with pytest.raises(errors.MediaUnavailable, match="other videos"):
            prober.look(stored)
        prober._patience = 60
        store.go.set()
        assert first.result(60).facts == _facts()
        assert prober.look(stored).facts == _facts()  # The place is free again.
