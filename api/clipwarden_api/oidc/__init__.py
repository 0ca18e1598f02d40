"""OpenID Connect: a provider vouches for people, and what it says is checked before it is believed."""

from clipwarden_api.oidc.admitting import admit
from clipwarden_api.oidc.opening import open_provider
from clipwarden_api.oidc.person import Person
from clipwarden_api.oidc.provider import Provider, Way
from clipwarden_api.oidc.refused import Refused

__all__ = ["Person", "Provider", "Refused", "Way", "admit", "open_provider"]
