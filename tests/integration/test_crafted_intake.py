"""Every unsound video that there is goes the whole way in: each ends as it should, and no failure approves one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudinary.exceptions
import cloudinary.uploader
import pytest

from clipwarden.moderation import Moderation, Status
from clipwarden_local.analysis.scripted import Script
from crafted import CRAFTED
from fixtures.clips import Clips
from fixtures.gateway import Gateway
from fixtures.pipeline import Pipeline
from sdk import VIDEO

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

ALCOHOL: dict[str, Any] = {"at": 500, "path": ["Alcohol", "Alcoholic Beverages"], "confidence": 91.5}
#: Clips that can be read, whole or in part; and those that cannot.
READABLE = (
    *("plain", "faststart", "mov", "edge80", "one_frame", "rotated", "largest"),
    *("truncated", "bitflipped", "bitflipped_header"),
)
REFUSED = (
    *("zero_bytes", "random", "no_moov", "text_named_mp4", "hls_named_mp4", "concat_named_mp4"),
    *("png_named_mp4", "mkv", "hevc", "mpeg4", "tiny64", "audio_only"),
)
#: Of both kinds, what is uploaded as well.
UPLOADED = (
    *("one_frame", "truncated", "bitflipped", "largest", "zero_bytes", "hls_named_mp4", "bitflipped_header", "hevc"),
    *("zeroed pictures", "samples without number", "one time for everything", "a header of nothing"),
    *("boxes within boxes", "the same track a thousand times", "chunks past the end"),
)

Files = dict[str, tuple[Path, bool]]


@pytest.fixture
def files(clips: Clips, tmp_path: Path) -> Files:
    """Return every file by its name, and whether it can be read."""
    sound, found = clips("faststart").read_bytes(), {}
    for name in (*READABLE, *REFUSED):
        found[name] = (clips(name), name in READABLE)
    for number, (name, forgery) in enumerate(CRAFTED.items()):
        path = tmp_path / f"forged{number}.mp4"
        path.write_bytes(forgery.make(sound))
        found[name] = (path, forgery.reason is None)
    return found


Ended = tuple[Status, str | None]


@pytest.mark.parametrize(
    ("script", "readable"),
    [
        ({}, (Status.APPROVED, None)),
        ({"labels": [ALCOHOL]}, (Status.REJECTED, None)),
        ({"failure": "Unsupported codec/format."}, (Status.ABORTED, "analysis_failed")),
    ],
    ids=["nothing is seen", "something is seen", "it cannot be analysed"],
)
def test_every_video_ends_as_it_should(
    pipeline: Pipeline, files: Files, script: dict[str, Any], readable: Ended
) -> None:
    pipeline.endpoint.tell(Script.model_validate({"seconds": 0.1, **script}))
    sent = {}
    for number, (name, (path, _)) in enumerate(files.items()):
        source = pipeline.put(path, key=f"in/{number}.mp4")
        sent[name] = pipeline.client.enqueue(str(source), public_id=str(number))
    found = {name: ended(pipeline.decided(id, within=90)) for name, id in sent.items()}
    refused = (Status.ABORTED, "media_refused")
    assert found == {name: readable if sound else refused for name, (_, sound) in files.items()}
    assert pipeline.endpoint.journal.summary()["jobs"] == sum(sound for _, sound in files.values())


def ended(moderation: Moderation) -> Ended:
    return moderation.status, moderation.error_code


def test_an_upload_of_any_is_refused_or_ends_likewise(gateway: Gateway, files: Files) -> None:
    upload: Callable[..., dict[str, Any]] = cloudinary.uploader.upload
    accepted = {}
    for name in UPLOADED:
        path, sound = files[name]
        named = {"public_id": name, "moderation": "aws_rek_video"}
        if sound:
            accepted[name] = upload(str(path), **named, **VIDEO, **gateway.cloud)["moderation"][0]
        else:
            with pytest.raises(cloudinary.exceptions.Error):
                upload(str(path), **named, **VIDEO, **gateway.cloud)
    assert {one["status"] for one in accepted.values()} == {"pending"}
    for name, one in accepted.items():
        assert ended(gateway.pipeline.decided(one["id"], within=90)) == (Status.APPROVED, None), name
    assert gateway.pipeline.endpoint.journal.summary()["jobs"] == len(accepted)
