"""The provider that the settings name."""

from importlib.util import find_spec

from clipwarden.errors import ConfigurationError
from clipwarden.settings import OidcSettings
from clipwarden_api.oidc.provider import Provider


def open_provider(settings: OidcSettings, public_url: str) -> Provider | None:
    """Return the provider, if there is one; raises ConfigurationError where its library is not installed.

    Nothing is contacted yet.
    """
    if settings.issuer is None:
        return None
    if find_spec("joserfc") is None:
        raise ConfigurationError("CLIPWARDEN_OIDC__ISSUER needs a library: pip install 'clipwarden[oidc]'")
    return Provider(settings, redirect_uri=f"{public_url.rstrip('/')}/console/oidc/callback")
