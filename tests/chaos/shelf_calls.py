"""The calls that work on the shelf's names, each answered, refused, or nobody knows."""

import hashlib
import io
import itertools
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import cloudinary.api
import cloudinary.exceptions
import cloudinary.uploader

from chaos import shown
from chaos.history import Told, Video
from chaos.human import Answer, unanswered
from chaos.world import BUCKET, SHELF, World
from clipwarden.moderation import Location
from fixtures.clips import padded

POLICIES = (
    "aws_rek_video",
    "aws_rek_video",
    "aws_rek_video:alcohol:ignore",
    "aws_rek_video:alcohol:0.95",
    "aws_rek_video:rude_gestures:0.7",
)
_SHOWN: tuple[tuple[dict[str, Any], ...] | None, ...] = (
    (),
    (shown.WEAPONS,),
    (shown.ALCOHOL,),
    (shown.GESTURE,),
    (shown.EXPLICIT,),
    None,
)
_VIDEO = {"resource_type": "video"}
_exceptions = cloudinary.exceptions
#: What says that nothing was done.
_REFUSALS = (_exceptions.BadRequest, _exceptions.NotFound, _exceptions.AlreadyExists, _exceptions.NotAllowed)
_SUCCESS, _SERVER_FAULT = 200, 500


@dataclass(slots=True, kw_only=True)
class Calls:
    """Calls of the second account; for any thread."""

    world: World
    clip: bytes
    refused: list[str] = field(default_factory=list)  #: Why, of each upload that was.
    faults: int = 0  #: How often a gateway said that something went wrong in it.
    _numbers: Any = field(default_factory=lambda: itertools.count(1))

    def video_with_file(self) -> Video:
        """Return a video that comes with its request, and shows what uploads show."""
        return self._video(self._data(), (shown.ALCOHOL,))

    def video_in_bucket(self, chance: random.Random) -> Video:
        """Return a video that is in the bucket already."""
        key, labels, data = f"shelf/{next(self._numbers)}.mp4", chance.choice(_SHOWN), self._data()
        script = {"failure": "the stream ended early"} if labels is None else {"labels": labels}
        shown.bring(self.world, key, data, script | {"seconds": round(chance.uniform(0.1, 1.0), 2)})
        return self._video(data, labels, str(Location(bucket=BUCKET, key=key)))

    def upload(self, name: str, video: Video, policy: str) -> Told:
        """Upload under a name, over what is there."""
        send: Callable[..., dict[str, Any]] = cloudinary.uploader.upload  # The SDK has no types.
        file = video.source or io.BytesIO(video.data)
        named = {"public_id": name, "filename": "a.mp4", "moderation": policy, **self._told()}
        return self._sdk(lambda: send(file, **named, **_VIDEO, **self._cloud()), must=True)

    def submit(self, name: str, video: Video, policy: str) -> Told:
        """Ask for the moderation of a video that is elsewhere, under a name."""
        urls = [self.world.receiver.url]
        said = {"source": video.source, "public_id": name, "moderation": policy, "notification_urls": urls}
        return self._json("POST", "/v1/moderations", said)

    def moderate(self, name: str, policy: str) -> Answer:
        """Ask for another moderation of what has a name."""
        said = {"public_id": name, "moderation": policy, "notification_urls": [self.world.receiver.url]}
        return self._json("POST", "/v1/moderations", said)[0]

    def explicit(self, name: str, policy: str) -> Answer:
        """Ask for another moderation of what has a name, as Cloudinary does."""
        send: Callable[..., dict[str, Any]] = cloudinary.uploader.explicit  # The SDK has no types.
        told = self._told()
        return self._sdk(lambda: send(name, type="upload", moderation=policy, **told, **_VIDEO, **self._cloud()))[0]

    def rename(self, before: str, after: str, *, overwrite: bool) -> Told:
        """Give what has a name another one."""
        send: Callable[..., dict[str, Any]] = cloudinary.uploader.rename  # The SDK has no types.
        return self._sdk(lambda: send(before, after, overwrite=overwrite, **_VIDEO, **self._cloud()))

    def delete(self, name: str) -> Told:
        """Delete what has a name."""
        send: Callable[..., dict[str, Any]] = cloudinary.uploader.destroy  # The SDK has no types.
        answer, said = self._sdk(lambda: send(name, **_VIDEO, **self._cloud()))
        return (Answer.REFUSED, said) if said.get("result") == "not found" else (answer, said)

    def erase(self, asset_id: str) -> Told:
        """Let an asset be forgotten."""
        return self._json("DELETE", f"/v1/assets/{asset_id}", None)

    def decide(self, name: str, verdict: str) -> Answer:
        """Decide about what has a name, as Cloudinary does."""
        send: Callable[..., dict[str, Any]] = cloudinary.api.update  # The SDK has no types.
        return self._sdk(lambda: send(name, moderation_status=verdict, **self._told(), **_VIDEO, **self._cloud()))[0]

    def change(self, id: str, action: str, **said: str) -> Answer:
        """Override, cancel or begin anew a moderation."""
        return self._json("POST", f"/v1/moderations/{id}/{action}", said | {"by": "eve"})[0]

    def rejudge(self, id: str, policy: str) -> Answer:
        """Put another policy into force."""
        return self._json("POST", f"/v1/moderations/{id}/rejudge", {"moderation": policy, "apply": True})[0]

    def _data(self) -> bytes:
        return padded(self.clip, f"{self.world.plan.seed} shelf {next(self._numbers)}".encode())

    @staticmethod
    def _video(data: bytes, labels: tuple[dict[str, Any], ...] | None, source: str | None = None) -> Video:
        sha256, md5 = hashlib.sha256(data).hexdigest(), hashlib.md5(data, usedforsecurity=False).hexdigest()
        return Video(data=data, sha256=sha256, md5=md5, labels=labels, source=source)

    def _told(self) -> dict[str, str]:
        return {"notification_url": self.world.receiver.url}

    def _cloud(self) -> dict[str, Any]:
        return {**self.world.shelf_api.cloud(SHELF), "timeout": 10}

    def _sdk(self, send: Callable[[], dict[str, Any]], *, must: bool = False) -> Told:
        try:
            return Answer.DONE, dict(send())
        except _REFUSALS as exc:
            if must:
                self.refused.append(str(exc))
            return Answer.REFUSED, {}
        except _exceptions.AuthorizationRequired:
            raise
        except _exceptions.Error as exc:
            answered = isinstance(exc, _exceptions.GeneralError)
            self.faults += answered
            return (Answer.UNKNOWN if answered else unanswered(exc)), {}

    def _json(self, method: str, path: str, said: object) -> Told:
        try:
            data = None if said is None else json.dumps(said).encode()
            reply = self.world.shelf_api.send(method, path, data)
            found = reply.json if reply.data else {}
        except (OSError, ValueError) as exc:
            return unanswered(exc), {}
        if reply.status >= _SERVER_FAULT:
            self.faults += 1
            return Answer.UNKNOWN, {}
        done = reply.status // 100 == _SUCCESS // 100
        return (Answer.DONE, {"asset_id": found.get("asset_id")}) if done else (Answer.REFUSED, {})
