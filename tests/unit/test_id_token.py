"""ID tokens that are believed, and those that are not."""

import base64
import hmac
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey
from joserfc.jws import JWSRegistry

from clipwarden_api.oidc import Refused, id_token

NOW = datetime(2030, 1, 1, tzinfo=UTC)
AT = int(NOW.timestamp())
ISSUER = "https://id.example"
KEY = RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})
OTHER = RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})
KEYS = {"keys": [KEY.as_dict(private=False)]}
GOOD = {"iss": ISSUER, "aud": "us", "sub": "ana", "exp": AT + 300, "iat": AT, "nonce": "once"}


def signed(key: Any = KEY, alg: str = "RS256", **changes: Any) -> str:
    claims = {name: value for name, value in (GOOD | changes).items() if value is not None}
    registry = JWSRegistry(algorithms=[alg])
    return jwt.encode({"alg": alg, "kid": "one"}, claims, key, algorithms=[alg], registry=registry)


def confused(public: bytes) -> str:
    """Return a token whose signature takes the public key for a shared secret; libraries refuse to make one."""
    payload = signed().split(".")[1]
    head = encoded(b'{"alg":"HS256","kid":"one"}')
    return f"{head}.{payload}.{encoded(hmac.digest(public, f'{head}.{payload}'.encode(), 'sha256'))}"


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def read(text: str, keys: dict[str, Any] = KEYS) -> dict[str, Any]:
    return id_token.read(text, keys, issuer=ISSUER, client_id="us", nonce="once", now=NOW)


def test_a_good_token_is_believed() -> None:
    assert read(signed())["sub"] == "ana"
    assert read(signed(aud=["us", "them"], azp="us"))["sub"] == "ana"
    curve = ECKey.generate_key("P-256", {"kid": "one"})
    assert read(signed(curve, "ES256"), {"keys": [curve.as_dict(private=False)]})["sub"] == "ana"


@pytest.mark.parametrize(
    "changes",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"nonce": ["once"]},
        {"aud": "them"},
        {"aud": ["them"]},
        {"aud": None},
        {"aud": ["us", "them"]},
        {"aud": ["us", "them"], "azp": "them"},
        {"azp": "them"},
        {"iss": "https://id.example/"},
        {"iss": None},
        {"exp": AT - 61},
        {"exp": None},
        {"exp": "never"},
        {"iat": AT + 61},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
    ],
    ids=str,
)
def test_a_token_that_is_not_for_this_sign_in_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        read(signed(**changes))


def test_a_token_that_the_provider_did_not_sign_is_refused() -> None:
    forged = [
        signed(OTHER),
        confused(KEY.as_pem(private=False)),
        ".".join((encoded(b'{"alg":"none","kid":"one"}'), signed().split(".")[1], "")),
        signed().rpartition(".")[0] + ".",
        "",
    ]
    for text in forged:
        with pytest.raises(Refused):
            read(text)


def test_a_shared_secret_among_the_keys_signs_nothing() -> None:
    shared = OctKey.import_key("a secret that everybody may know", {"kid": "one"})
    with pytest.raises(Refused):
        read(signed(shared, "HS256"), {"keys": [shared.as_dict(private=True)]})
    useless: list[dict[str, Any]] = [{}, {"keys": []}, {"keys": "none"}, {"keys": [{"kty": "RSA"}]}]
    for keys in useless:
        with pytest.raises(Refused):
            read(signed(), keys)


@given(some.text())
def test_no_text_is_believed_or_breaks_anything(text: str) -> None:
    with pytest.raises(Refused):
        read(text)
