"""What answers say of what another policy would have decided."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from clipwarden_api.v1.models import Saying

Decided = Literal["approved", "rejected"]


class Verdicts(Saying):
    """What becomes of the verdicts of the moderations' own policies."""

    still_approved: int
    still_rejected: int
    approved_to_rejected: int
    rejected_to_approved: int


class Unjudged(Saying):
    """Moderations that cannot be judged again, and are counted nowhere else."""

    no_labels: int = Field(description="A human decided, and no job was ever read.")
    labels_gone: int
    labels_insufficient: int = Field(description="The policy needs less confident labels than were kept.")
    unreadable: int


class Agreement(Saying):
    """How a policy's verdicts compare with humans' on the same moderations."""

    agrees: int
    too_strict: int = Field(description="It rejects what a human has approved.")
    too_lax: int = Field(description="It approves what a human has rejected.")


class Humans(Saying):
    """What humans have decided, beside both policies."""

    decided: int = Field(description="Judged moderations that a human has decided.")
    present: Agreement
    other: Agreement


class CategoryChanges(Saying):
    """In how many moderations a category exceeds its threshold."""

    path: list[str]
    present: int = Field(description="By the moderations' own policies.")
    other: int
    approved_to_rejected: int = Field(description="Of those that the other policy alone rejects.")
    rejected_to_approved: int = Field(description="Of those that the other policy alone approves.")


class Offence(Saying):
    """A category that exceeds its threshold."""

    path: list[str]
    confidence: float = Field(description="0 to 100, the highest that offends.")


class Flip(Saying):
    """A moderation whose verdict would be another."""

    id: str
    asset_id: str
    created_at: datetime
    present: Decided
    other: Decided
    human: Decided | None = Field(description="What a human has decided about it.")
    categories: list[Offence] = Field(description="Of the policy that rejects, the most confident first.")


class PolicySimulated(Saying):
    """What another policy would have decided about past moderations."""

    moderation: str = Field(description="The other policy, canonical.")
    examined: int = Field(description="Moderations that were looked at.")
    judged: int = Field(description="Those of which both verdicts are known.")
    newest: datetime | None = Field(description="When the first one looked at was accepted.")
    oldest: datetime | None
    verdicts: Verdicts
    unjudged: Unjudged
    humans: Humans
    categories: list[CategoryChanges] = Field(description="Those first that change most verdicts.")
    flips: list[Flip] = Field(description="The newest that change; all are counted.")
    ended: Literal["all", "last", "time"] = Field(
        description="Why none before was looked at: there is none, as many as asked for were, or it took too long."
    )
    next: str | None = Field(description="The cursor of the moderations before those looked at.")
    more_flips: str | None = Field(description="The cursor of those before the last one listed, where more change.")
