"""Another policy's verdict on labels that are kept: looked at beside the present one, or put into force.

This module is not imported with ``clipwarden``: it needs the database's and the media store's libraries.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine

from clipwarden import errors, evidence, grammar, ids, labels
from clipwarden.media.store import MediaStore
from clipwarden.moderation import Location, Moderation
from clipwarden.policy import Policy
from clipwarden.store import accounts, assets, audit, moderations
from clipwarden.store.engine import read, write
from clipwarden.verdict import Judge, Label, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A policy and what it says."""

    policy: Policy
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejudgement:
    """Two policies' verdicts on the same labels."""

    moderation: Moderation  #: Whose labels they are judged by; its own status may be a human's.
    present: Judged  #: By the moderation's own policy.
    other: Judged
    replaced: bool  #: Whether the asset has other bytes by now, of which these labels say nothing.


def rejudge(engine: Engine, media: MediaStore, moderation_id: str, parameter: str, *, bucket: str) -> Rejudgement:
    """Judge a moderation's labels by another moderation parameter; nothing is changed.

    ``bucket`` is where the labels are kept. Raises NotFound for an unknown id, PolicyError for a parameter that cannot
    be read, Conflict where there are no labels or not all that the policy needs, and MediaNotFound where they are gone.
    """
    with read(engine) as conn:
        moderation = moderations.by_id(conn, moderation_id)
        if moderation is None:
            raise errors.NotFound(f"there is no moderation {moderation_id}")
        account, asset = accounts.by_id(conn, moderation.account_id), assets.by_id(conn, moderation.asset_id)
        kept_from = _kept_from(conn, moderation)
    taxonomy = account.default_taxonomy if account else "6.1"
    other = Policy.parse(parameter, default_taxonomy=taxonomy)
    _require_enough(moderation, kept_from, other)
    present = Policy.parse(moderation.policy, default_taxonomy=taxonomy)
    kept = labels.read(media, Location(bucket=bucket, key=moderation.labels_key or ""))
    by_present, by_other = verdicts(kept, moderation.model_version, (present, other))
    return Rejudgement(
        moderation=moderation,
        present=Judged(policy=present, verdict=by_present),
        other=Judged(policy=other, verdict=by_other),
        replaced=asset is None or asset.version != moderation.asset_version,
    )


def apply(engine: Engine, rejudged: Rejudgement, *, by: str, now: datetime) -> Moderation:
    """Make a moderation of the same bytes that workers judge by the other policy, and return it.

    Repeated before anything else was asked for the asset, it returns that moderation again. What a human has decided
    since the first of them was accepted, and bytes that are newer, stay as they are.
    """
    before, policy = rejudged.moderation, rejudged.other.policy
    first = before.rejudges or before.id
    with write(engine) as conn:
        newest = moderations.newest(conn, before.asset_id)
        if newest is not None and (newest.rejudges, newest.policy) == (first, str(policy)):
            return newest
        made, new = moderations.rejudge(
            conn,
            before,
            id=ids.derived_id("rejudge", first, str(policy), newest.id if newest else ""),
            policy=str(policy),
            min_confidence=policy.min_confidence,
            now=now,
        )
        if new:
            _record(conn, made, by, now)
    return made


def _record(conn: Connection, made: Moderation, by: str, now: datetime) -> None:
    audit.record(
        conn,
        account_id=made.account_id,
        actor=f"{moderations.BY_HUMAN}{by}",
        action="rejudged",
        now=now,
        moderation_id=made.id,
        asset_id=made.asset_id,
        detail={"rejudges": made.rejudges, "labels_of": made.labels_of},
    )


def _kept_from(conn: Connection, moderation: Moderation) -> float | None:
    """Return the confidence from which all labels are kept; ``None`` where none were."""
    if moderation.labels_key is None:
        return None
    origin = moderations.by_id(conn, moderation.labels_of) if moderation.labels_of else None
    return (origin or moderation).min_confidence or 0.0


def _require_enough(moderation: Moderation, kept_from: float | None, policy: Policy) -> None:
    if kept_from is None:
        raise errors.Conflict(
            f"moderation {moderation.id} has no labels to judge: it is of kind {moderation.kind}, {moderation.status} "
            f"in stage {moderation.stage}"
        )
    if policy.min_confidence < kept_from:
        raise errors.Conflict(
            f"labels were kept from a confidence of {kept_from:g} on, but {_lowest(policy)} needs them from "
            f"{policy.min_confidence:g}: the video must be analysed again"
        )


def _lowest(policy: Policy) -> str:
    """Return the part of a policy that needs the least confident labels."""
    if policy.asked_for is not None and float(policy.asked_for * 100) == policy.min_confidence:
        return f"{grammar.MIN_CONFIDENCE}:{grammar.spell(policy.asked_for)}"
    written = (setting for setting in policy.settings if setting.threshold is not None)
    return str(min(written, key=lambda setting: setting.threshold or 0, default="the default threshold"))


def verdicts(
    kept: Iterable[Label], model_version: str | None, policies: tuple[Policy, Policy]
) -> tuple[Verdict, Verdict]:
    """Read the labels once, and give each policy those that a job for it would have reported."""
    judges = [(Judge(policy, model_version), policy.min_confidence) for policy in policies]
    for label in kept:
        confidence = evidence.read(label).confidence
        for judge, needed in judges:
            if confidence >= needed:
                judge.add(label)
    present, other = (judge.verdict() for judge, _ in judges)
    return present, other
