"""A case: the video, what was seen in it and when, why it was judged so, and what was done about it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from sqlalchemy import Connection
from starlette.responses import Response

from clipwarden import errors, ids, labels
from clipwarden.moderation import Account, Asset, Delivery, Moderation, ResourceType, Status
from clipwarden.people import Role
from clipwarden.policy import Policy
from clipwarden.store import accounts, assets, audit, deliveries, moderations, posters, reviews, users
from clipwarden.store.audit import AuditEvent, Search
from clipwarden.store.engine import read, write
from clipwarden.store.reviews import Claim
from clipwarden.undoing import Undoable, undoable
from clipwarden_api import previews
from clipwarden_api.console import last, timeline
from clipwarden_api.console.filters import Filters
from clipwarden_api.console.timeline import Timeline
from clipwarden_api.console.visit import Visit

#: For how long the player may ask for bytes before the page has to be loaded again.
_PLAYS = timedelta(minutes=30)
#: What was done, and other moderations of the asset, that are shown.
_MOST = 200

#: What a reviewer may say was the reason, in the order in which they are offered.
REASONS = (
    "Meets the policy",
    "Breaks the policy",
    "Wrong label",
    "Wrong threshold",
    "Context makes it acceptable",
    "Other",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """All that is shown of one moderation."""

    moderation: Moderation
    asset: Asset
    account: Account
    others: list[Moderation]
    events: list[AuditEvent]
    callbacks: list[Delivery]
    undo: Undoable | None
    escalated_by: str | None

    @property
    def replaced(self) -> bool:
        """Say whether the asset has other bytes than those that were judged."""
        return self.moderation.asset_version not in (None, self.asset.version)

    @property
    def retryable(self) -> bool:
        """Say whether it may be begun anew."""
        return self.moderation.status is Status.ABORTED and not self.moderation.superseded

    @property
    def waits(self) -> bool:
        """Say whether it has no verdict yet."""
        return self.moderation.status in (Status.PENDING, Status.QUEUED)


def show(visit: Visit) -> Response:
    """Show a case; whoever may decide has it before them from then on."""
    now = visit.services.clock.now()
    with read(visit.services.engine) as conn:
        case = _case(conn, visit, now)
        done = last.read(conn, visit, now)
        names = {one.id: one.name for one in users.every(conn)}
        picture = posters.versions(conn, [case.asset.id]).get(case.asset.id)
        decided = audit.count(conn, Search(actor=f"{moderations.BY_HUMAN}{visit.user.name}", since=visit.me.since))
    claim = _claimed(visit, case, now)
    return visit.page(
        "case.html",
        case=case,
        now=now,
        claim=claim,
        decides=visit.may(Role.REVIEWER),
        filters=Filters.read(visit.asked),
        video=_video(case, now),
        picture=picture,
        drawn=drawn(visit, case.moderation, case.asset, case.account),
        reasons=REASONS,
        last=done,
        names=names,
        decided=decided,
        minutes=int((now - visit.me.since).total_seconds() // 60),
    )


def hold(visit: Visit) -> Response:
    """Prolong the claim of whoever still looks at a case."""
    now = visit.services.clock.now()
    with read(visit.services.engine) as conn:
        moderation = named(conn, visit)
    with write(visit.services.engine) as conn:
        lives = timedelta(seconds=visit.console.claim)
        claim = reviews.claim(conn, moderation, visit.user.id, lives=lives, now=now)
    return visit.page("_claim.html", claim=claim, now=now, mine=claim.token is not None)


def named(conn: Connection, visit: Visit) -> Moderation:
    """Return the moderation that the address names; raises NotFound where this person may not see it."""
    id = ids.read(visit.path["id"])
    found = moderations.by_id(conn, id) if id is not None else None
    if found is None or not visit.user.sees(found.account_id):
        raise errors.NotFound("there is no such case")
    return found


def drawn(visit: Visit, moderation: Moderation, asset: Asset, account: Account) -> Timeline | None:
    """Return the timeline; ``None`` where there are no labels, or none any more."""
    if moderation.labels_key is None:
        return None
    kept = labels.judged(visit.services.media, visit.services.settings.media.bucket, moderation)
    taxonomy = (moderation.verdict or {}).get("taxonomy") or account.default_taxonomy
    policy = Policy.parse(moderation.policy, default_taxonomy=account.default_taxonomy)
    length = asset.facts.duration_ms if asset.facts is not None else None
    try:
        return timeline.draw(kept, policy, taxonomy=taxonomy, duration_ms=length)
    except errors.MediaNotFound:
        return None


def _case(conn: Connection, visit: Visit, now: datetime) -> Case:
    moderation = named(conn, visit)
    asset, account = assets.by_id(conn, moderation.asset_id), accounts.by_id(conn, moderation.account_id)
    if asset is None or account is None:
        raise errors.NotFound("there is no such case")
    review = reviews.of(conn, moderation.id)
    page = moderations.of_asset(conn, asset.id, limit=_MOST)
    return Case(
        moderation=moderation,
        asset=asset,
        account=account,
        others=[one for one in page if one.id != moderation.id],
        events=audit.of_moderation(conn, moderation.id)[-_MOST:],
        callbacks=deliveries.of_moderation(conn, moderation.id)[-_MOST:],
        undo=undoable(conn, moderation, now=now),
        escalated_by=review.escalated_by if review is not None else None,
    )


def _claimed(visit: Visit, case: Case, now: datetime) -> Claim | None:
    if not visit.may(Role.REVIEWER):
        return None
    with write(visit.services.engine) as conn:
        lives = timedelta(seconds=visit.console.claim)
        return reviews.claim(conn, case.moderation, visit.user.id, lives=lives, now=now)


def _video(case: Case, now: datetime) -> str | None:
    """Return an address at which the bytes can be played for a while, wherever they are."""
    if case.asset.location is None or case.asset.deleted_at is not None:
        return None
    if case.asset.resource_type is not ResourceType.VIDEO:
        return None
    signed = previews.signed(case.account, case.asset, expires=now + _PLAYS, now=now)
    return f"/v1_1/{case.account.name}/{case.asset.resource_type}/download?{urlencode(signed)}"
