"""Egress as the settings want it."""

import ssl
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpcore

from clipwarden.egress.client import Egress
from clipwarden.errors import ConfigurationError
from clipwarden.settings import CallbackSettings


def open_egress(settings: CallbackSettings) -> Egress:
    """Return an egress; raises ConfigurationError for a certificate that cannot be read or a proxy that is none."""
    return Egress(
        allow_networks=settings.allow_networks,
        connect_timeout=settings.connect_timeout,
        total_timeout=settings.total_timeout,
        tls=tls(settings.client_certificate, settings.client_key),
        proxy=proxy(settings.proxy.get_secret_value()) if settings.proxy is not None else None,
    )


def tls(certificate: Path | None, key: Path | None) -> ssl.SSLContext:
    """Return what servers are checked by, and, where there is a certificate, what we are known by."""
    context = httpcore.default_ssl_context()
    if certificate is None:
        return context
    try:
        context.load_cert_chain(certificate, key)
    except OSError as exc:
        raise ConfigurationError(f"CLIPWARDEN_CALLBACK__CLIENT_CERTIFICATE cannot be read: {exc.strerror}") from exc
    return context


def proxy(url: str) -> httpcore.Proxy:
    """Return the proxy that a URL names, with the user and password that it carries."""
    try:
        parts = urlsplit(url)
        address = httpcore.URL(scheme=parts.scheme, host=parts.hostname or "", port=parts.port, target="/")
    except (ValueError, UnicodeError):
        address = httpcore.URL("none://")
    if address.scheme not in (b"http", b"https") or not address.host:
        raise ConfigurationError("CLIPWARDEN_CALLBACK__PROXY is not a URL such as http://egress:4750")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return httpcore.Proxy(address, auth=(user, password) if user else None)
