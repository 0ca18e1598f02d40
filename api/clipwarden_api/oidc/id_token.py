"""ID tokens: signed by the provider's own keys, made for us, for this very sign-in, and not too old."""

import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jwt import JWTClaimsRegistry

from clipwarden_api.oidc.refused import Refused

#: Signatures that only the holder of a private key can make: with a shared secret, or none, anybody might.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
#: Seconds by which clocks may differ.
_LEEWAY = 60


def read(
    text: str, keys: Mapping[str, Any], *, issuer: str, client_id: str, nonce: str, now: datetime
) -> dict[str, Any]:
    """Return the claims of a token that is good; raises Refused, saying what is wrong with any other."""
    try:
        token = jwt.decode(text, KeySet.import_key_set({"keys": _signing(keys)}), algorithms=list(ALGORITHMS))
        claims = token.claims
        JWTClaimsRegistry(
            now=int(now.timestamp()),
            leeway=_LEEWAY,
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": client_id},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
        ).validate(claims)
    except (JoseError, ValueError, TypeError, KeyError) as exc:
        raise Refused(f"its ID token is not good: {exc}") from exc
    given = claims.get("nonce")
    if not isinstance(given, str) or not hmac.compare_digest(given.encode("utf-8", "surrogatepass"), nonce.encode()):
        raise Refused("its ID token is of another sign-in")
    several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
    if claims.get("azp", None if several else client_id) != client_id:
        raise Refused("its ID token was given to another client")
    return claims


def _signing(keys: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the keys by which tokens are signed, and none of a kind that is a shared secret."""
    found = [one for one in keys.get("keys") or () if isinstance(one, dict)]
    return [one for one in found if one.get("use", "sig") == "sig" and one.get("kty") in ("RSA", "EC", "OKP")]
