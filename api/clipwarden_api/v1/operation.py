"""What one call of the API is: where it is, what it takes, what it does and what it may answer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel
from sqlalchemy import Connection
from starlette.responses import Response

from clipwarden import errors
from clipwarden.moderation import Moderation
from clipwarden.store import idempotency, moderations
from clipwarden_api.credentials import Caller
from clipwarden_api.services import Services
from clipwarden_api.v1.requests import Asking


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request, read and known to be allowed."""

    services: Services
    caller: Caller
    id: str  #: Of what the path names, or nothing.
    asked: Any  #: The body, as the operation's model.
    query: Any  #: Likewise.
    path: str
    accept: str
    claim: idempotency.Claim | None = None

    @property
    def by(self) -> str:
        """Return who wants it: a name that the body gives, or the key."""
        named: str | None = self.asked.by
        return named or self.caller.key

    def moderation(self, conn: Connection) -> Moderation:
        """Return the moderation that is meant; raises NotFound for another account's too."""
        found = moderations.by_id(conn, self.id, account_id=self.caller.account.id)
        if found is None:
            raise errors.NotFound("there is no such moderation")
        return found

    def done(self, conn: Connection, status: int, said: BaseModel) -> "Answer":
        """Return the answer, which the transaction that did it keeps for repetitions."""
        answer = Answer(status=status, body=said.model_dump_json())
        if self.claim is not None:
            idempotency.keep(conn, self.claim, idempotency.Answer(status=answer.status, body=answer.body))
        return answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a call is answered with."""

    status: int = 200
    body: str
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, said: BaseModel, **headers: str) -> "Answer":
        """Return the answer that says this."""
        return cls(
            body=said.model_dump_json(), headers={name.replace("_", "-"): text for name, text in headers.items()}
        )

    def response(self) -> Response:
        """Return it as it is sent; nothing between here and the caller may keep it."""
        headers = {"Cache-Control": "no-store", **self.headers}
        return Response(self.body, self.status, headers=headers, media_type="application/json")


Work = Callable[[Call], Answer | Response]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one path."""

    method: str
    path: str
    name: str
    summary: str
    work: Work
    says: type[BaseModel]
    about: str = "moderation"  #: What the id in its path is of.
    statuses: tuple[int, ...] = (200,)
    body: type[Asking] | None = None
    body_optional: bool = False
    query: type[Asking] | None = None
    #: Refusals beside those that its path and body bring with them.
    refusals: tuple[int, ...] = ()
    #: Whether it changes something, and an Idempotency-Key lets it be repeated.
    changes: bool = False
    #: Whether it gives its items as lines, too.
    lines: bool = False
    paged: bool = False
