"""Real frames under real models, behind the real protocol."""

import array
import fcntl
import os
import shutil
import signal
import termios
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import boto3
import numpy as np
import pytest
from botocore.config import Config

from clipwarden_local.analysis.frames import UnreadableVideo, Video
from clipwarden_local.analysis.objects import FolderObjects
from clipwarden_local.analysis.workers import FrameAnalyser
from clipwarden_local.endpoint import Endpoint, Limits
from waiting import eventually

if TYPE_CHECKING:
    from mypy_boto3_rekognition import RekognitionClient

SAMPLES = Path(str(files("clipwarden_local") / "samples"))


@dataclass(frozen=True)
class Bench:
    """An endpoint with one worker, and the folder it reads from."""

    videos: Path
    analyser: FrameAnalyser
    client: "RekognitionClient"

    def moderate(self, path: Path, **reading: Any) -> Any:
        return self.result(self.start(path), **reading)

    def start(self, path: Path) -> str:
        name = f"{path.parent.name}-{path.name}"
        shutil.copyfile(path, self.videos / name)
        video: Any = {"S3Object": {"Bucket": "videos", "Name": name}}
        return self.client.start_content_moderation(Video=video)["JobId"]

    def result(self, job_id: str, **reading: Any) -> Any:
        def ended() -> Any:
            reply = self.client.get_content_moderation(JobId=job_id, **reading)
            return reply if reply["JobStatus"] != "IN_PROGRESS" else None

        return eventually(ended, within=120, every=0.1)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    yield from serve(tmp_path_factory.mktemp("frames"), job_seconds=120)


def serve(folder: Path, *, job_seconds: float) -> Iterator[Bench]:
    (folder / "objects" / "videos").mkdir(parents=True)
    objects = FolderObjects(folder / "objects")
    analyser = FrameAnalyser(objects, data=folder / "data", workers=1, job_seconds=job_seconds)
    with Endpoint(
        data=folder / "data", objects=objects, analyser=analyser, limits=Limits(start_rate=0, get_rate=0)
    ) as endpoint:
        client = boto3.session.Session(aws_access_key_id="key", aws_secret_access_key="secret").client(
            "rekognition",
            endpoint_url=endpoint.url,
            region_name="eu-west-1",
            config=Config(retries={"mode": "standard", "total_max_attempts": 1}),
        )
        yield Bench(videos=folder / "objects" / "videos", analyser=analyser, client=client)


def make(path: Path, *, codec: str = "libx264", width: int = 128, height: int = 96, frames: int = 25) -> Path:
    """Write a clip of moving noise."""
    noise = np.random.default_rng(7)
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.time_base = Fraction(1, 25)
        for _ in range(frames):
            picture = noise.integers(0, 256, (height, width, 3), dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


def onset(reply: Any, name: str, least: float = 50) -> int:
    moments = [
        label["Timestamp"]
        for label in reply["ModerationLabels"]
        if label["ModerationLabel"]["Name"] == name and label["ModerationLabel"]["Confidence"] > least
    ]
    return min(moments, default=-1)


def test_the_wine_shows_alcohol_once_the_picture_is_near_it(bench: Bench) -> None:
    reply = bench.moderate(SAMPLES / "wine.mp4")
    assert reply["JobStatus"] == "SUCCEEDED"
    assert reply["ModerationModelVersion"] == "7.0-local"
    assert {label["ModerationLabel"]["Name"] for label in reply["ModerationLabels"]} == {
        "Alcohol",
        "Alcoholic Beverages",
    }
    assert 2000 < onset(reply, "Alcoholic Beverages") < 4000
    assert max(label["ModerationLabel"]["Confidence"] for label in reply["ModerationLabels"]) > 70
    assert onset(reply, "Alcohol") == onset(reply, "Alcoholic Beverages")
    assert reply["VideoMetadata"]["DurationMillis"] == 8000


def test_the_rabbit_shows_nothing(bench: Bench) -> None:
    reply = bench.moderate(SAMPLES / "bigbuckbunny.mp4")
    assert reply["JobStatus"] == "SUCCEEDED"
    assert reply["ModerationLabels"] == []
    assert (reply["VideoMetadata"]["FrameWidth"], reply["VideoMetadata"]["FrameHeight"]) == (1280, 720)


def test_the_drum_is_a_false_alarm_in_one_segment_to_the_end(bench: Bench) -> None:
    reply = bench.moderate(SAMPLES / "drum.mp4", AggregateBy="SEGMENTS")
    explicit = [one for one in reply["ModerationLabels"] if one["ModerationLabel"]["Name"] == "Explicit Nudity"]
    assert len(explicit) == 1
    assert explicit[0]["ModerationLabel"]["ParentName"] == "Explicit"
    assert explicit[0]["ModerationLabel"]["Confidence"] > 60
    assert explicit[0]["EndTimestampMillis"] == 6000


def text(folder: Path) -> Path:
    (folder / "text.mp4").write_text("#EXTM3U\nhttp://127.0.0.1:9/x.ts\n")
    return folder / "text.mp4"


def empty(folder: Path) -> Path:
    (folder / "empty.mp4").touch()
    return folder / "empty.mp4"


def truncated(folder: Path) -> Path:
    """The index lies at the end of this file, and is cut off."""
    (folder / "cut.mp4").write_bytes((SAMPLES / "bigbuckbunny.mp4").read_bytes()[:500_000])
    return folder / "cut.mp4"


def without_pictures(folder: Path) -> Path:
    """The index is whole; every byte of the pictures is zero."""
    content = bytearray((SAMPLES / "wine.mp4").read_bytes())
    start = content.index(b"mdat") + 4
    content[start:] = bytes(len(content) - start)
    (folder / "zero.mp4").write_bytes(content)
    return folder / "zero.mp4"


@pytest.mark.parametrize(
    ("clip", "message"),
    [
        (text, "Unsupported codec/format."),
        (empty, "Unsupported codec/format."),
        (truncated, "Unsupported codec/format."),
        (without_pictures, "The video is damaged: no frame of it could be decoded."),
        (lambda folder: make(folder / "old.mp4", codec="mpeg4"), "Unsupported codec/format."),
        (lambda folder: make(folder / "other.mp4", codec="libx265"), "Unsupported codec/format."),
        (lambda folder: make(folder / "case.mkv"), "Unsupported codec/format."),
        (lambda folder: make(folder / "tiny.mp4", width=64, height=64), "The video is smaller than 80 x 80 pixels."),
    ],
    ids=["text", "empty", "truncated", "no pictures", "mpeg4", "hevc", "mkv", "tiny"],
)
def test_a_file_that_cannot_be_analysed_fails_with_a_reason(
    bench: Bench, tmp_path: Path, clip: Callable[[Path], Path], message: str
) -> None:
    reply = bench.moderate(clip(tmp_path))
    assert (reply["JobStatus"], reply["StatusMessage"]) == ("FAILED", message)


@pytest.mark.parametrize("suffix", ["mp4", "mov"])
def test_the_smallest_video_is_analysed(bench: Bench, tmp_path: Path, suffix: str) -> None:
    reply = bench.moderate(make(tmp_path / f"edge.{suffix}", width=80, height=80, frames=1))
    assert reply["JobStatus"] == "SUCCEEDED"


def test_what_is_readable_of_a_cut_video_is_analysed(tmp_path: Path) -> None:
    content = (SAMPLES / "wine.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(content[: len(content) * 6 // 10])
    with Video(tmp_path / "cut.mp4") as video:
        moments = [frame.timestamp_ms for frame in video.frames()]
    assert 2 < len(moments) < 16


def test_flipped_bits_cost_at_most_some_pictures(tmp_path: Path) -> None:
    content = bytearray((SAMPLES / "wine.mp4").read_bytes())
    for place in range(content.index(b"mdat") + 2000, len(content), 5000):
        content[place] ^= 0xFF
    (tmp_path / "flipped.mp4").write_bytes(content)
    with Video(tmp_path / "flipped.mp4") as video:
        assert len(list(video.frames())) > 8


def test_pictures_come_twice_a_second(tmp_path: Path) -> None:
    with Video(make(tmp_path / "clip.mp4", frames=75)) as video:
        frames = list(video.frames())
        assert video.metadata().duration_ms == 3000
    assert [frame.timestamp_ms // 500 for frame in frames] == [0, 1, 2, 3, 4, 5]
    assert {frame.picture.shape for frame in frames} == {(96, 128, 3)}


def test_a_playlist_is_refused_before_anything_in_it_is_opened(tmp_path: Path) -> None:
    (tmp_path / "list.mp4").write_text(f"ffconcat version 1.0\nfile {SAMPLES / 'wine.mp4'}\n")
    with pytest.raises(UnreadableVideo, match="Unsupported"):
        Video(tmp_path / "list.mp4")


def test_a_worker_that_dies_fails_its_job_and_is_replaced(bench: Bench, tmp_path: Path) -> None:
    worker = bench.analyser._workers[0].start()
    assert worker.stdin is not None
    stdin = worker.stdin.fileno()
    os.kill(worker.pid, signal.SIGSTOP)
    job_id = bench.start(make(tmp_path / "clip.mp4"))
    eventually(lambda: unread(stdin) > 0)
    os.kill(worker.pid, signal.SIGKILL)
    reply = bench.result(job_id)
    assert (reply["JobStatus"], reply["StatusMessage"]) == ("FAILED", "The analysis ended unexpectedly.")
    assert bench.moderate(make(tmp_path / "second.mp4"))["JobStatus"] == "SUCCEEDED"


def unread(pipe: int) -> int:
    """Return how many bytes the reader of the pipe has left in it."""
    count = array.array("i", [0])
    fcntl.ioctl(pipe, termios.FIONREAD, count)
    return count[0]


def test_a_worker_that_died_at_rest_is_replaced_before_the_next_job(bench: Bench, tmp_path: Path) -> None:
    worker = bench.analyser._workers[0].start()
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    assert bench.moderate(make(tmp_path / "clip.mp4"))["JobStatus"] == "SUCCEEDED"


def test_a_job_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    for slow in serve(tmp_path, job_seconds=0.2):
        os.kill(slow.analyser._workers[0].start().pid, signal.SIGSTOP)
        reply = slow.moderate(make(tmp_path / "clip.mp4"))
        assert (reply["JobStatus"], reply["StatusMessage"]) == ("FAILED", "The analysis took too long.")
