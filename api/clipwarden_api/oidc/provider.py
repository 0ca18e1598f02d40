"""The provider: where people are sent, and what it answers about those who come back.

The issuer is the operator's own word, so it may be in a private network; all else is as for any outside address: one
time limit for an exchange, bounded answers, no redirects.
"""

import base64
import hashlib
import hmac
import io
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_network
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

from clipwarden import errors
from clipwarden.egress import Egress, Pace
from clipwarden.settings import OidcSettings
from clipwarden_api.oidc import person
from clipwarden_api.oidc.person import Person
from clipwarden_api.oidc.refused import Refused

_EVERYWHERE = (ip_network("0.0.0.0/0"), ip_network("::/0"))
_LONGEST = 512 * 1024
_UNREACHABLE = "The sign-in provider cannot be reached right now. Try again in a moment."


@dataclass(frozen=True, slots=True)
class Way:
    """One way to the provider and back: all that is secret of it follows from a token that only the browser has."""

    token: str
    state: str

    @classmethod
    def new(cls) -> "Way":
        """Return one that nobody can have known before."""
        return cls(secrets.token_urlsafe(32), secrets.token_urlsafe(32))

    @property
    def key(self) -> str:
        """Return what is expected back, of this browser alone."""
        return self._derived("state")

    @property
    def nonce(self) -> str:
        """Return what the ID token has to repeat."""
        return self._derived("nonce")

    @property
    def verifier(self) -> str:
        """Return what proves that whoever brings the code has asked for it."""
        return self._derived("verifier")

    @property
    def challenge(self) -> str:
        """Return what the provider is told of the verifier."""
        return base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()

    def _derived(self, use: str) -> str:
        return hmac.new(self.token.encode(), f"{use}:{self.state}".encode(), hashlib.sha256).hexdigest()


class Provider:
    """An OpenID Connect provider, asked by the authorization code flow with PKCE."""

    def __init__(self, settings: OidcSettings, *, redirect_uri: str) -> None:
        self._settings = settings
        self._issuer = settings.issuer or ""
        self._redirect_uri = redirect_uri
        seconds = settings.timeout
        self._egress = Egress(_EVERYWHERE, seconds, seconds, pace=Pace(total=seconds))

    @property
    def label(self) -> str:
        """Return what people call it."""
        return self._settings.label

    def address(self, way: Way) -> str:
        """Return where somebody is sent to sign in; raises Refused while the provider cannot be asked."""
        asked = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": self._redirect_uri,
            "scope": " ".join(self._settings.scopes),
            "state": way.state,
            "nonce": way.nonce,
            "code_challenge": way.challenge,
            "code_challenge_method": "S256",
        }
        return _with(self._endpoint(self._discovered(), "authorization_endpoint"), asked)

    def leaving(self, leads_to: str) -> str | None:
        """Return where somebody ends their session at the provider, if it offers that."""
        try:
            found = self._discovered()
            end = self._endpoint(found, "end_session_endpoint") if "end_session_endpoint" in found else None
        except Refused:
            return None
        asked = {"client_id": self._settings.client_id, "post_logout_redirect_uri": leads_to}
        return _with(end, asked) if end is not None else None

    def person(self, way: Way, code: str, *, issuer: str | None, now: datetime) -> Person:
        """Return who has come back with a code, having checked all that is said; raises Refused."""
        # An optional library: it is there, or there is no provider.
        from clipwarden_api.oidc import id_token  # noqa: PLC0415

        if issuer is not None and issuer != self._issuer:
            raise Refused("the answer is another issuer's")
        found = self._discovered()
        given = self._exchanged(found, way, code)
        keys = self._get(self._endpoint(found, "jwks_uri"))
        claims = id_token.read(
            str(given.get("id_token") or ""),
            keys,
            issuer=self._issuer,
            client_id=self._settings.client_id,
            nonce=way.nonce,
            now=now,
        )
        return person.read(self._completed(found, claims, given), self._settings)

    def close(self) -> None:
        """End all connections."""
        self._egress.close()

    def _discovered(self) -> dict[str, Any]:
        found = self._get(f"{self._issuer.rstrip('/')}/.well-known/openid-configuration")
        if found.get("issuer") != self._issuer:
            raise Refused(f"the issuer calls itself {found.get('issuer')!r:.200}", status=502)
        return found

    def _endpoint(self, found: Mapping[str, Any], name: str) -> str:
        """Return an address of the provider's: over https, unless the issuer itself is not."""
        address = found.get(name)
        plain = urlsplit(self._issuer).scheme == "http"
        if not isinstance(address, str) or not address.startswith(("https://", "http://") if plain else "https://"):
            raise Refused(f"the provider has no {name} over https", status=502)
        return address

    def _exchanged(self, found: Mapping[str, Any], way: Way, code: str) -> dict[str, Any]:
        """Give the code for tokens; a code of somebody else's does not go with our verifier."""
        fields = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_uri,
            "code_verifier": way.verifier,
        }
        headers: dict[str, str] = {}
        secret, client_id = self._settings.client_secret, self._settings.client_id
        methods = found.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        if secret is not None and "client_secret_basic" in methods:
            pair = f"{quote_plus(client_id)}:{quote_plus(secret.get_secret_value())}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            fields["client_id"] = client_id
            fields |= {"client_secret": secret.get_secret_value()} if secret is not None else {}
        return self._post(self._endpoint(found, "token_endpoint"), headers, fields)

    def _completed(self, found: Mapping[str, Any], claims: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
        """Add what the ID token leaves to be asked for."""
        if not person.wanted(self._settings) - claims.keys() or "userinfo_endpoint" not in found:
            return claims
        headers = {"Authorization": f"Bearer {given.get('access_token')}"}
        more = self._post(self._endpoint(found, "userinfo_endpoint"), headers, {})
        if more.get("sub") != claims["sub"]:
            raise Refused("the user information is about somebody else")
        return more | claims

    def _get(self, url: str) -> dict[str, Any]:
        sink = io.BytesIO()
        try:
            self._egress.fetch(url, sink, max_bytes=_LONGEST)
        except errors.ClipwardenError as exc:
            raise Refused(str(exc), told=_UNREACHABLE, status=502) from exc
        return _document(sink.getvalue())

    def _post(self, url: str, headers: Mapping[str, str], fields: Mapping[str, str]) -> dict[str, Any]:
        sent = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json", **headers}
        try:
            answer = self._egress.post(url, headers=sent, body=urlencode(fields).encode())
        except errors.ClipwardenError as exc:
            raise Refused(str(exc), told=_UNREACHABLE, status=502) from exc
        found = _document(answer.body)
        if answer.status != 200:  # noqa: PLR2004 # the only one with what was asked for
            raise Refused(f"the provider answered {answer.status}: {found.get('error')!r:.100}")
        return found


def _with(address: str, asked: Mapping[str, str]) -> str:
    return f"{address}{'&' if urlsplit(address).query else '?'}{urlencode(asked)}"


def _document(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError as exc:
        raise Refused("the provider's answer is no JSON", status=502) from exc
    if not isinstance(found, dict):
        raise Refused("the provider's answer is no JSON object", status=502)
    return found
