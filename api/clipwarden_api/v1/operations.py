"""All calls of the API: the one table that routes and document are made of."""

from clipwarden_api.v1 import changing, label_stream, policies, reading, submitting
from clipwarden_api.v1.models import AuditPage, LabelPage, Moderation, ModerationPage, Rejudged
from clipwarden_api.v1.operation import Operation
from clipwarden_api.v1.policy_models import PolicyExplained, Taxonomies
from clipwarden_api.v1.requests import (
    Instruction,
    LabelPaging,
    Listing,
    ModerationRequest,
    Override,
    Paging,
    PolicyQuestion,
    Rejudging,
)

_ONE = "/moderations/{id}"

OPERATIONS = (
    Operation(
        method="POST",
        path="/moderations",
        name="submitModeration",
        summary="Ask for a moderation; 201 if it is new, 200 if there is one with this idempotency key.",
        work=submitting.submit,
        body=ModerationRequest,
        says=Moderation,
        statuses=(201, 200),
        refusals=(404,),
        changes=True,
    ),
    Operation(
        method="GET",
        path="/moderations",
        name="listModerations",
        summary="List moderations, the newest first.",
        work=reading.listing,
        query=Listing,
        says=ModerationPage,
        paged=True,
    ),
    Operation(
        method="GET", path=_ONE, name="getModeration", summary="Show a moderation.", work=reading.show, says=Moderation
    ),
    Operation(
        method="POST",
        path=f"{_ONE}/cancel",
        name="cancelModeration",
        summary="End a moderation that is not judged yet; a job that runs goes on, and keeps its slot to its end.",
        work=changing.cancel,
        body=Instruction,
        body_optional=True,
        says=Moderation,
        changes=True,
    ),
    Operation(
        method="POST",
        path=f"{_ONE}/retry",
        name="retryModeration",
        summary="Begin an aborted moderation anew.",
        work=changing.retry,
        body=Instruction,
        body_optional=True,
        says=Moderation,
        changes=True,
    ),
    Operation(
        method="POST",
        path=f"{_ONE}/rejudge",
        name="rejudgeModeration",
        summary="Show what another policy says about the labels that are kept, or put it into force; no job is paid.",
        work=changing.rejudge,
        body=Rejudging,
        says=Rejudged,
        changes=True,
    ),
    Operation(
        method="POST",
        path=f"{_ONE}/override",
        name="overrideModeration",
        summary="Record a human's verdict, which no automatic one undoes.",
        work=changing.override,
        body=Override,
        says=Moderation,
        changes=True,
    ),
    Operation(
        method="GET",
        path=f"{_ONE}/audit",
        name="listAuditEvents",
        summary="List what was done to a moderation, the oldest first.",
        work=reading.history,
        query=Paging,
        says=AuditPage,
        paged=True,
    ),
    Operation(
        method="GET",
        path=f"{_ONE}/labels",
        name="listLabels",
        summary="Give all labels that a moderation is judged by; as lines, from the cursor to the end.",
        work=label_stream.give,
        query=LabelPaging,
        says=LabelPage,
        refusals=(409,),
        lines=True,
        paged=True,
    ),
    Operation(
        method="POST",
        path="/policy",
        name="explainPolicy",
        summary="Explain a moderation parameter: every category's threshold, and where it comes from.",
        work=policies.explain,
        body=PolicyQuestion,
        says=PolicyExplained,
    ),
    Operation(
        method="GET",
        path="/policy/taxonomies",
        name="listTaxonomies",
        summary="List all categories.",
        work=policies.taxonomies,
        says=Taxonomies,
    ),
)
