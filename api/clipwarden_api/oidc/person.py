"""Somebody for whom a provider vouches, and what its claims make of them here."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clipwarden.people import Role
from clipwarden.settings import OidcSettings
from clipwarden_api.oidc.refused import Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """What is known of somebody."""

    issuer: str
    subject: str  #: Who they are to the provider, whatever their name becomes.
    name: str
    role: Role | None  #: ``None`` where the provider gives no roles.
    accounts: tuple[str, ...] | None  #: Names of the accounts that they see; ``None`` where it names none.


def read(claims: Mapping[str, Any], settings: OidcSettings) -> Person:
    """Return whom these claims are about; raises Refused for somebody who is not to be let in."""
    _require_domain(claims, settings)
    name = claims.get(settings.name_claim)
    if not isinstance(name, str) or not name.strip():
        raise Refused(f"there is no claim {settings.name_claim}", told="The sign-in provider does not tell your name.")
    if settings.name_claim == "email" and claims.get("email_verified") is not True:
        raise Refused("the e-mail address is not verified", told="The sign-in provider has not verified your address.")
    accounts = _values(claims, settings.accounts_claim) if settings.accounts_claim else None
    return Person(
        issuer=settings.issuer or "",
        subject=claims["sub"],
        name=name,
        role=_role(claims, settings) if settings.role_claim else None,
        accounts=accounts,
    )


def wanted(settings: OidcSettings) -> set[str]:
    """Return the claims without which somebody cannot be told."""
    named = {settings.name_claim, settings.role_claim, settings.accounts_claim} - {""}
    mail = {"email", "email_verified"} if settings.allowed_domains or settings.name_claim == "email" else set()
    return named | mail


def _require_domain(claims: Mapping[str, Any], settings: OidcSettings) -> None:
    if not settings.allowed_domains:
        return
    mail = claims.get("email")
    domain = mail.rpartition("@")[2].casefold() if isinstance(mail, str) and "@" in mail else ""
    allowed = {one.casefold() for one in settings.allowed_domains}
    if domain not in allowed or claims.get("email_verified") is not True:
        raise Refused(
            "the e-mail address is of no allowed domain", told="Addresses like yours are not let in.", status=403
        )


def _role(claims: Mapping[str, Any], settings: OidcSettings) -> Role:
    roles = settings.roles_by_value
    given = {roles[value] for value in _values(claims, settings.role_claim) if value in roles}
    if not given:
        raise Refused("no claim gives a role", told="The sign-in provider gives you no role here.", status=403)
    return max(given, key=list(Role).index)


def _values(claims: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = claims.get(name)
    values = value if isinstance(value, list) else [value]
    return tuple(one for one in values if isinstance(one, str))
