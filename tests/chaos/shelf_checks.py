"""What must be so of the shelf at rest, whatever was done to its names at once.

Of two acts, one was after the other for sure only where it began when the other was answered; what nobody answered may
have been done at any time since. So each check holds for every order in which the acts may have come:

- under a name are bytes that were brought there, and that nothing which was surely later took away;
- a name is empty only where something may have emptied it;
- of the bytes that are there, the rules' verdict is what their script shows; what ruled last says where they are;
- what is rejected is not served, and comes back bit for bit; what is approved is served bit for bit;
- of what was erased, nothing is left.
"""

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from chaos import places
from chaos.history import Act, History, Video
from chaos.shelf import NAMES
from chaos.witnesses import on_shelf, serves
from chaos.world import BUCKET, World
from clipwarden.moderation import BY_POLICY, Asset, Moderation, Placement, Status
from clipwarden.policy import Policy
from clipwarden.store import schema
from clipwarden.store.engine import read
from clipwarden.verdict import judge

#: Seconds within which what was approved must be back.
_BACK = 60.0
_VERDICTS = (Status.APPROVED, Status.REJECTED)


@dataclass(slots=True, kw_only=True)
class ShelfChecker:
    """What was found on the shelf."""

    world: World
    history: History
    rows: Mapping[str, Moderation]  #: All moderations of the account.
    broken: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    _told: dict[str, int] = field(default_factory=dict)
    """By moderation, the number of its last decision among those about its asset: they are numbered as they come."""

    def check(self) -> None:
        """Look at everything."""
        self._told = self._numbered()
        present = {one.public_id: one for one in on_shelf(self.world)}
        self._nothing_is_lost(present)
        for asset in present.values():
            if asset.location is not None:
                self._is_right(asset)
        self._erased_is_gone()
        self.figures["shelf_present"] = len(present)
        self._hidden_comes_back([one for one in present.values() if one.wanted is Placement.QUARANTINE])

    def _is_right(self, asset: Asset) -> None:
        content = places.kept(self.world, asset)
        video = self.history.videos.get(hashlib.sha256(content or b"").hexdigest())
        if content is None or video is None:
            self.broken.append(f"{asset.public_id} has bytes that nobody has sent: {content and len(content)}")
            return
        self.broken += stale(self.history.acts, asset.public_id, video)
        self._verdicts_fit(asset, video)
        self._last_word_holds(asset)
        served = serves(self.world, asset, self.world.shelf)
        if served != (content if asset.wanted is Placement.LIBRARY else None):
            self.broken.append(
                f"{asset.public_id} is wanted in the {asset.wanted} and served as {served and len(served)}"
            )

    def _nothing_is_lost(self, present: Mapping[str, Asset]) -> None:
        for name in set(NAMES) - present.keys():
            for act in self.history.acts:
                if act.what == "upload" and act.done and act.name == name and not taken(self.history.acts, act):
                    self.broken.append(f"{name} was uploaded at {act.began:.1f}, nobody took it away, and it is gone")

    def _verdicts_fit(self, asset: Asset, video: Video) -> None:
        for row in self.rows.values():
            about = (row.asset_id, row.asset_version) == (asset.id, asset.version)
            if about and row.decided_by == BY_POLICY and row.status in _VERDICTS:
                wanted = _verdict(video, row)
                if row.status is not wanted:
                    self.broken.append(f"{row.id} of {asset.public_id} is {row.status}, and shows what is {wanted}")

    def _last_word_holds(self, asset: Asset) -> None:
        """Compare where the bytes are wanted with the last decision about them that ruled."""
        ruling = self._ruling(asset)
        if ruling is not None and ruling.asset_version is None and ruling.superseded:
            return  # It may have been about the bytes before.
        wanted = Placement.QUARANTINE if ruling and ruling.status is Status.REJECTED else Placement.LIBRARY
        if asset.wanted is not wanted:
            why = f"{ruling.id} is {ruling.status} by {ruling.decided_by}" if ruling else "nobody decided about it"
            self.broken.append(f"{asset.public_id} ({asset.id}) is wanted in the {asset.wanted}, and {why}")
        self.figures["shelf_ruled"] = self.figures.get("shelf_ruled", 0) + (ruling is not None)

    def _ruling(self, asset: Asset) -> Moderation | None:
        mine = [row for row in self.rows.values() if row.asset_id == asset.id and row.status in _VERDICTS]
        about = [row for row in mine if row.asset_version in (None, asset.version) and row.id in self._told]
        humans = [row.decided_at for row in about if row.decided_by != BY_POLICY and row.decided_at is not None]
        for row in sorted(about, key=lambda row: self._told[row.id], reverse=True):
            first = self.rows.get(row.rejudges or "", row)
            if row.decided_by != BY_POLICY or not any(at > first.created_at for at in humans):
                return row
        return None

    def _erased_is_gone(self) -> None:
        erased = {act.asset_id for act in self.history.acts if act.what == "erase" and act.done}
        left = {asset.id.replace("-", "") for asset in places.every(self.world)} & erased
        self.broken += [f"{id} was erased and is there" for id in left]
        files = {hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() for path in self._files()}
        ours = {video.md5 for video in self.history.videos.values() if video.source is None}
        brought = [act for act in self.history.acts if act.what == "upload" and act.done and act.asset_id in erased]
        self.broken += [
            f"bytes of {act.asset_id} are left, which was erased" for act in brought if act.md5 in files & ours
        ]
        self.figures["erased"] = len(erased)

    def _files(self) -> list[Any]:
        return [path for path in (self.world.media / BUCKET).rglob("*") if path.is_file()]

    def _hidden_comes_back(self, hidden: list[Asset]) -> None:
        """Approve what is out of sight; what then is served must be what was hidden."""
        for asset in hidden:
            mine = [row for row in self.rows.values() if row.asset_id == asset.id]
            about = [row for row in mine if row.asset_version == asset.version and row.id in self._told]
            content = places.kept(self.world, asset) if asset.location is not None else None
            if about and content is not None:
                last = max(about, key=lambda row: self._told[row.id])
                said = {"verdict": "approved", "by": "ben"}
                reply = self.world.shelf_api.post(f"/v1/moderations/{last.id}/override", said)
                if not self._comes_back(asset, content):
                    self.broken.append(f"{asset.public_id} did not come back as it was sent ({reply.status})")
                self.figures["shelf_restored"] = self.figures.get("shelf_restored", 0) + 1

    def _comes_back(self, asset: Asset, content: bytes) -> bool:
        end = time.monotonic() + _BACK
        while time.monotonic() < end:
            self.world.tend()
            if (served := serves(self.world, asset, self.world.shelf)) is not None:
                return served == content
            time.sleep(0.1)
        return False

    def _numbered(self) -> dict[str, int]:
        d = schema.deliveries.c
        last = sa.select(d.moderation_id, sa.func.max(d.sequence)).where(d.event == "moderation")
        with read(self.world.engine) as conn:
            return {id: number for id, number in conn.execute(last.group_by(d.moderation_id)) if id in self.rows}


def stale(acts: Sequence[Act], name: str, video: Video) -> list[str]:
    """Return what is wrong where under a name are bytes that a later act has taken away, or that never came there."""
    arrivals = [act.ended for act in acts if _brings(act, name, video)]
    if not arrivals:
        return [f"{name} has bytes that were never brought there"]
    later = [act for act in acts if act.done and act.began > max(arrivals) and _replaces(act, name, video)]
    return [f"{name} has bytes from before a later {act.what}" for act in later]


def _brings(act: Act, name: str, video: Video) -> bool:
    """Say whether an act may have brought these bytes under the name: what workers fetch comes under any."""
    if act.what == "upload":
        return act.name == name and act.md5 == video.md5
    if act.what == "rename":
        return act.to == name and act.md5 in (None, video.md5)
    return act.what == "submit" and act.md5 == video.md5


def _replaces(act: Act, name: str, video: Video) -> bool:
    """Say whether an act, where it was done, took these bytes away from the name."""
    if act.what == "upload":
        return act.name == name and act.md5 != video.md5
    if act.what == "rename":
        return act.name == name or (act.to == name and act.md5 != video.md5)
    return act.what == "delete" and act.name == name


def taken(acts: Sequence[Act], upload: Act) -> bool:
    """Say whether something may have emptied a name after an upload began."""
    for act in acts:
        # What is renamed over another may be erased after that.
        emptied = act.what in ("delete", "rename") and upload.name in (act.name, act.to)
        erased = act.what == "erase" and act.asset_id == upload.asset_id
        if (emptied or erased) and act.ended > upload.began:
            return True
    return False


def _verdict(video: Video, row: Moderation) -> Status | None:
    """Return what the rules say of what is seen in a video; ``None`` where its job fails."""
    if video.labels is None:
        return None
    policy = Policy.parse(row.policy, default_taxonomy="6.1")
    return judge(_reported(video.labels), policy, model_version="7.0").status


def _reported(labels: tuple[dict[str, Any], ...]) -> list[dict[str, Any]]:
    """Return labels as Rekognition reports them: each level above is reported, too."""
    return [
        {
            "Timestamp": label["at"],
            "ModerationLabel": {
                "Name": name,
                "ParentName": label["path"][level - 1] if level else "",
                "Confidence": label["confidence"],
                "TaxonomyLevel": level + 1,
            },
        }
        for label in labels
        for level, name in enumerate(label["path"])
    ]
