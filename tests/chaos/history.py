"""What was done to names, and when: by it alone it is known what may be left of them."""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from chaos.human import Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Video:
    """Bytes that no other video has, and what is seen in them."""

    data: bytes = field(repr=False)
    sha256: str
    md5: str
    labels: tuple[dict[str, Any], ...] | None  #: As scripts say it; ``None`` where its job fails.
    source: str | None = None  #: Where it is, if it does not come with the request.


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """Something that was done to a name, or may have been."""

    what: str  #: ``upload``, ``submit``, ``rename``, ``delete`` or ``erase``.
    began: float
    ended: float  #: When it was done, if it was: by its answer; never, where it may still come to it.
    answer: Answer
    name: str | None = None  #: What it was done to.
    to: str | None = None  #: The new name.
    md5: str | None = None  #: Of the bytes that it was about, where that is known.
    asset_id: str | None = None  #: The asset's, where that is known.

    @property
    def done(self) -> bool:
        """Say whether it was done for sure."""
        return self.answer is Answer.DONE


#: Seconds within which what a process that is gone has sent to the database has arrived there, or never will.
_SETTLES = 5.0
#: What a call came to: its answer, and what was said.
Told = tuple[Answer, dict[str, Any]]


@dataclass(slots=True, kw_only=True)
class History:
    """All videos that were brought, and all that was done; for any thread."""

    videos: dict[str, Video] = field(default_factory=dict)  #: By their SHA-256.
    acts: list[Act] = field(default_factory=list)  #: Without what was refused.
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def upload(self, call: Callable[[str, Video, str], Told], name: str, video: Video, policy: str) -> Answer:
        """Note a video that comes, or may come, under a name."""
        self._know(video)
        return self._note("upload", lambda: call(name, video, policy), name=name, md5=video.md5)

    def submit(self, call: Callable[[str, Video, str], Told], name: str, video: Video, policy: str) -> Answer:
        """Note a video that workers will fetch, at whatever time."""
        self._know(video)
        return self._note("submit", lambda: call(name, video, policy), name=name, md5=video.md5)

    def rename(self, call: Callable[..., Told], before: str, after: str, *, overwrite: bool) -> Answer:
        """Note what gets another name."""
        return self._note("rename", lambda: call(before, after, overwrite=overwrite), name=before, to=after)

    def delete(self, call: Callable[[str], Told], name: str) -> Answer:
        """Note what goes."""
        return self._note("delete", lambda: call(name), name=name)

    def erase(self, call: Callable[[str], Told], asset_id: str) -> Answer:
        """Note what is to be forgotten."""
        return self._note("erase", lambda: call(asset_id), asset_id=asset_id.replace("-", ""))

    def _know(self, video: Video) -> None:
        with self._lock:
            self.videos[video.sha256] = video

    def _note(self, what: str, call: Callable[[], Told], **about: Any) -> Answer:
        began = time.monotonic()
        answer, said = call()
        later = answer is Answer.LATE or what == "submit"
        ended = math.inf if later else time.monotonic() + (_SETTLES if answer is Answer.UNKNOWN else 0.0)
        known: dict[str, str | None] = {"md5": said.get("etag"), "asset_id": said.get("asset_id")}
        about = {key: value.replace("-", "") for key, value in known.items() if value is not None} | about
        if answer is not Answer.REFUSED:
            with self._lock:
                self.acts.append(Act(what=what, began=began, ended=ended, answer=answer, **about))
        return answer
