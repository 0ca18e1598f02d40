"""Who somebody is here for whom a provider vouches: found, linked or made a user, or kept out."""

from datetime import datetime

from sqlalchemy import Connection

from clipwarden import errors
from clipwarden.people import User
from clipwarden.settings import OidcSettings
from clipwarden.store import accounts, identities, users
from clipwarden_api.oidc.person import Person
from clipwarden_api.oidc.refused import Refused


def admit(conn: Connection, person: Person, settings: OidcSettings, *, now: datetime) -> User:
    """Return the user who somebody is, with the role and accounts that the provider gives; raises Refused."""
    user = identities.user_of(conn, person.issuer, person.subject)
    if user is None:
        user = _first_time(conn, person, settings, now=now)
    if user.disabled:
        raise Refused(f"{user.name} is disabled", told="You are not let in any more.", status=403)
    if person.role is not None and person.role is not user.role:
        users.give_role(conn, user.id, person.role, now=now)
    if person.accounts is not None:
        _let_see(conn, user, person.accounts, now=now)
    return user


def _first_time(conn: Connection, person: Person, settings: OidcSettings, *, now: datetime) -> User:
    """Link a user who was added for this and has no password, or make one: no other name is taken over."""
    user = users.by_name(conn, person.name)
    if user is None and settings.create:
        account_ids = () if settings.accounts_claim else None
        user = _made(conn, person, settings, account_ids, now=now)
    elif user is None:
        raise Refused(f"there is no user {person.name:.100}", told="You are not a user here yet.", status=403)
    elif user.has_password or identities.has_any(conn, user.id):
        raise Refused(
            f"the user {person.name:.100} is somebody else's",
            told="Somebody of your name signs in here in another way.",
            status=403,
        )
    if not identities.link(conn, user.id, issuer=person.issuer, subject=person.subject, now=now):
        raise Refused("the same person came twice at once")
    return user


def _made(
    conn: Connection, person: Person, settings: OidcSettings, account_ids: tuple[str, ...] | None, *, now: datetime
) -> User:
    try:
        role = person.role or settings.role
        return users.add(conn, person.name, role=role, account_ids=account_ids, now=now)
    except errors.Conflict as exc:
        raise Refused(str(exc), status=403) from exc


def _let_see(conn: Connection, user: User, names: tuple[str, ...], *, now: datetime) -> None:
    wanted = {one.id for one in accounts.by_names(conn, list(names)).values()}
    if user.account_ids is None or set(user.account_ids) != wanted:
        users.let_see(conn, user.id, wanted, now=now)
