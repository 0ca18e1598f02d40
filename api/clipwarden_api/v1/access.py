"""Who is asking: an API key and its secret, as HTTP Basic; the account follows from the key."""

import hmac

from sqlalchemy import Engine

from clipwarden.store import accounts
from clipwarden.store.engine import read
from clipwarden_api import credentials
from clipwarden_api.credentials import Caller
from clipwarden_api.v1.problems import Problem

_CHALLENGE = {"WWW-Authenticate": 'Basic realm="clipwarden", charset="UTF-8"'}


def caller(engine: Engine, header: str) -> Caller:
    """Return whose key and secret a header brings; raises Problem for any other header."""
    given = credentials.basic(header)
    if given is None:
        raise Problem(401, "unauthenticated", "an API key and its secret are needed, as HTTP Basic", headers=_CHALLENGE)
    key, secret = given
    with read(engine) as conn:
        # No database keeps a NUL, and so no key has one.
        found = accounts.by_key(conn, key) if "\0" not in key else None
    known = found[1] if found is not None else ""
    if not hmac.compare_digest(secret.encode(), known.encode()) or found is None:
        raise Problem(401, "unauthenticated", "the API key or its secret is wrong", headers=_CHALLENGE)
    return Caller(account=found[0], key=key, secret=known)
