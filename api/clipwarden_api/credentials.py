"""Who is asking: Cloudinary's signatures of upload requests, and HTTP Basic authentication.

Facts: the signed text is the sorted ``name=value`` of all parameters but a few, joined by ``&``, and the secret; since
version 2, ``&`` within a value is written ``%26`` (https://cloudinary.com/documentation/authentication_signatures).
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine

from clipwarden.moderation import Account
from clipwarden.store import accounts, presets
from clipwarden.store.engine import read
from clipwarden_api.refusals import Refusal

#: Seconds for which a signature is good, before and after the moment it names.
LIFETIME = 3600
_UNSIGNED = frozenset({"file", "cloud_name", "resource_type", "api_key", "signature"})
_ALGORITHMS = {40: "sha1", 64: "sha256"}
#: Parameters that the Python SDK sends beside a signature that does not cover them, in calls about tags and context.
_SENT_UNSIGNED = frozenset({"notification_url", "batch_id"})

Parameters = Mapping[str, str | list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who is asking: an account, by one of its keys."""

    account: Account
    key: str
    secret: str = field(repr=False)


def basic(header: str) -> tuple[str, str] | None:
    """Return the key and secret of an ``Authorization`` header; ``None`` for another scheme or an unreadable one."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        key, colon, secret = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except ValueError:  # No base64, none even in ASCII, or no UTF-8.
        return None
    return (key, secret) if colon else None


def by_secret(engine: Engine, cloud: str, given: tuple[str, str] | None) -> Caller:
    """Return whose key and secret these are; raises Refusal for any other account's than the named one."""
    if given is None:
        raise Refusal(401, "Authentication is required: an API key and secret, as HTTP Basic")
    key, secret = given
    caller = _known(engine, cloud, key)
    if not hmac.compare_digest(secret.encode(), caller.secret.encode()):
        raise Refusal(401, "api_secret mismatch")
    return caller


def by_signature(
    engine: Engine,
    cloud: str,
    parameters: Parameters,
    now: datetime,
    *,
    lenient: bool = False,
    expires: int | None = None,
) -> Caller:
    """Return who has signed these parameters; raises Refusal for a signature that is wrong or too old.

    ``lenient`` also takes signatures that leave out what the Python SDK leaves out on some calls. ``expires`` is the
    moment, in seconds since 1970, up to which a signature is good that says so itself.
    """
    given = {name: parameters.get(name, "") for name in ("api_key", "signature", "timestamp")}
    key, signature, stamp = (value if isinstance(value, str) else "" for value in given.values())
    caller = _known(engine, cloud, key)
    left_out = [_UNSIGNED, _UNSIGNED | _SENT_UNSIGNED] if lenient else [_UNSIGNED]
    texts = [_text({name: value for name, value in parameters.items() if name not in names}) for names in left_out]
    if not any(_signs(signature, text, caller.secret) for pair in texts for text in pair):
        raise Refusal(401, f"Invalid Signature {signature[:64]}. String to sign - '{texts[0][0]}'.")
    if expires is None:
        _require_fresh(stamp, now)
    elif expires < now.timestamp():
        raise Refusal(401, "This URL has expired")
    return caller


def signed(parameters: Mapping[str, str], account: Account) -> dict[str, str]:
    """Return parameters with an account's key and the signature that ``by_signature`` knows for its own."""
    digest = hashlib.sha256(f"{_text(parameters)[0]}{account.api_secret}".encode()).hexdigest()
    return {**parameters, "api_key": account.api_key, "signature": digest}


def _known(engine: Engine, cloud: str, key: str) -> Caller:
    if "\0" in key:  # PostgreSQL takes none.
        raise Refusal(401, "Invalid api_key")
    with read(engine) as conn:
        found = accounts.by_key(conn, key)
    if found is None or found[0].name != cloud:
        raise Refusal(401, f"Invalid api_key {key[:64]}")
    return Caller(account=found[0], key=key, secret=found[1])


def _text(parameters: Parameters) -> list[str]:
    """Return the texts that a signature may be of: version 2's, and version 1's where nothing can be smuggled in."""
    pairs = {
        name.removesuffix("[]"): ",".join(value) if isinstance(value, list) else value
        for name, value in parameters.items()
    }
    pairs = {name: value for name, value in pairs.items() if value}
    second = "&".join(sorted(f"{name}={value}".replace("&", "%26") for name, value in pairs.items()))
    first = "&".join(sorted(f"{name}={value}" for name, value in pairs.items()))
    return [second] if any("&" in f"{name}{value}" for name, value in pairs.items()) else [first]


def _signs(signature: str, text: str, secret: str) -> bool:
    algorithm = _ALGORITHMS.get(len(signature))
    if algorithm is None:
        return False
    expected = hashlib.new(algorithm, f"{text}{secret}".encode("utf-8", "surrogatepass")).hexdigest()
    return hmac.compare_digest(expected.encode(), signature.encode("utf-8", "surrogatepass"))


def _require_fresh(stamp: str, now: datetime) -> None:
    if not stamp.isascii() or not stamp.isdigit() or len(stamp) > 11:  # noqa: PLR2004 # digits of a year below 9999
        raise Refusal(400, "Missing required parameter - timestamp, in seconds since 1970")
    age = now.timestamp() - int(stamp)
    if abs(age) > LIFETIME:
        moment = datetime.fromtimestamp(int(stamp), UTC).strftime("%Y-%m-%d %H:%M:%S +0000")
        when = "more than 1 hour ago" if age > 0 else "more than 1 hour ahead"
        raise Refusal(400, f"Stale request - reported time is {moment} which is {when}")


def by_preset(conn: Connection, cloud: str, name: str | None) -> Caller:
    """Return the account that an unsigned upload is for; raises Refusal unless a preset of it allows that."""
    if name is None:
        raise Refusal(400, "Upload preset must be specified when using unsigned upload")
    account = accounts.by_name(conn, cloud)
    preset = presets.by_name(conn, account.id, name) if account is not None else None
    if account is None or preset is None:
        raise Refusal(400, "Upload preset not found")
    if not preset.unsigned:
        raise Refusal(400, "Upload preset must be whitelisted for unsigned uploads")
    return Caller(account=account, key=account.api_key, secret=account.api_secret)
