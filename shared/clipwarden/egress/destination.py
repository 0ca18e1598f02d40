"""An http(s) URL that others gave us, taken apart strictly: what can be read in two ways is refused."""

import ipaddress
import re
import string
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self
from urllib.parse import SplitResult, quote, urlsplit

from clipwarden.egress import addresses
from clipwarden.errors import DestinationRefused

#: Characters of a URL; more is no address that a person configured.
_LONGEST = 2048
_PORTS = {"http": 80, "https": 443}
#: Space, controls, half characters, and the backslash, which browsers read as a slash.
_AMBIGUOUS = re.compile(r"[\x00-\x20\x7f-\x9f\ud800-\udfff\\\s]")
#: IDNA 2003, which Python has, maps these to other names than IDNA 2008, which browsers have.
_DEVIATING = re.compile("[\u00df\u03c2\u200c\u200d]")
#: Without a scope: it would choose an interface of ours.
_BRACKETED = re.compile(r"\[([0-9a-fA-F:.]+)\](?::[0-9]*)?\Z")
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*\Z")
#: A name that ends like this is an IPv4 address to some resolvers: 2130706433, 0x7f.1, 127.1.
_NUMERIC = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where a request goes."""

    scheme: str
    host: str  #: In lower-case ASCII: an IDNA name, or an address without brackets.
    port: int
    target: str  #: Path and query, in ASCII.

    @classmethod
    def parse(cls, url: str) -> Self:
        """Take a URL apart; raises DestinationRefused, which says why but not what the query holds."""
        try:
            parts = _split(url)
            port = _PORTS[parts.scheme] if parts.port is None else parts.port
            return cls(scheme=parts.scheme, host=_host(parts), port=port, target=_target(parts))
        except ValueError as exc:
            raise DestinationRefused(f"{redact(url)}: {exc}") from None

    @property
    def literal(self) -> addresses.Address | None:
        """Return the address, where the host is one."""
        try:
            return addresses.parse(self.host)
        except ValueError:
            return None

    @property
    def authority(self) -> str:
        """Return what the Host header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


def require_callable(url: str, allowed: Iterable[addresses.Network]) -> None:
    """Raise DestinationRefused for what can be seen from a URL alone never to be called; nothing is resolved."""
    address = Destination.parse(url).literal
    if address is not None and not addresses.permitted(address, allowed):
        raise DestinationRefused(
            f"{redact(url)}: this address is not public; CLIPWARDEN_CALLBACK__ALLOW_NETWORKS names the exceptions"
        )


def redact(url: str) -> str:
    """Return the URL without user name, password, query and fragment, where secrets are; never raises."""
    try:
        parts = urlsplit(_AMBIGUOUS.sub("", url))
        netloc = parts.netloc.rpartition("@")[2]
    except ValueError:
        return "(not a URL)"
    return f"{parts.scheme}://{netloc}{parts.path}{'?…' if parts.query else ''}"[:_LONGEST]


def _split(url: str) -> SplitResult:
    if len(url) > _LONGEST:
        raise ValueError(f"a URL has at most {_LONGEST} characters")
    if _AMBIGUOUS.search(url):
        raise ValueError("a URL has no spaces, backslashes or control characters")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        # Python's own message may quote a password.
        raise ValueError("this is not a URL") from None
    if parts.scheme not in _PORTS:
        raise ValueError("only http:// and https:// addresses are contacted")
    if "@" in parts.netloc:
        raise ValueError("an address with a user name or password is not contacted")
    if port == 0:
        raise ValueError("port 0 cannot be contacted")
    return parts


def _host(parts: SplitResult) -> str:
    if "[" in parts.netloc or "]" in parts.netloc:
        return _bracketed(parts.netloc)
    host = (parts.hostname or "").removesuffix(".")
    if _DEVIATING.search(host):
        raise ValueError("the host's name is read differently by different programs: write its xn-- form")
    try:
        name = host.encode("idna").decode("ascii").lower()
    except UnicodeError:
        raise ValueError("the host is not a name") from None
    if not _NAME.match(name):
        raise ValueError("the host is not a name")
    if _NUMERIC.match(name) and not _is_address(name):
        raise ValueError("the host is a number that is not an address in its usual form")
    return name


def _bracketed(netloc: str) -> str:
    inner = _BRACKETED.match(netloc)
    try:
        return str(ipaddress.IPv6Address(inner[1] if inner else ""))
    except ValueError:
        raise ValueError("the host in brackets is not an IPv6 address") from None


def _is_address(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True


def _target(parts: SplitResult) -> str:
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return quote(target, safe=string.punctuation)
