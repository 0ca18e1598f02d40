"""Which IP addresses may be contacted: the public ones, and those of networks that the operator allows."""

import ipaddress
from collections.abc import Iterable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

#: Special by the IANA registries or by a cloud, yet global to ``ipaddress`` of some or all Python versions.
_SPECIAL_V4 = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        "168.63.129.16/32",  # Azure's host services, the metadata among them
        "192.0.0.0/24",  # IETF protocol assignments; Oracle Cloud's metadata is 192.0.0.192
        "192.88.99.0/24",  # 6to4 relays
        "224.0.0.0/3",  # multicast and reserved
    )
)
_SPECIAL_V6 = tuple(
    ipaddress.IPv6Network(network)
    for network in (
        "2001::/23",  # IETF protocol assignments, Teredo among them
        "2002::/16",  # 6to4, which RFC 7526 has retired: relays connect to the IPv4 address within
        "3fff::/20",  # documentation
    )
)
#: The only part of IPv6 from which global unicast addresses have been given out.
_UNICAST_V6 = ipaddress.IPv6Network("2000::/3")
#: RFC 6052: the last 32 bits are the IPv4 address that the gateway connects to.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def parse(text: str) -> Address:
    """Return the address that a connection to ``text`` reaches: the IPv4 one where IPv6 only wraps it.

    Raises ValueError for anything but an address in its usual form.
    """
    address = ipaddress.ip_address(text)
    return getattr(address, "ipv4_mapped", None) or address


def permitted(address: Address, allowed: Iterable[Network] = ()) -> bool:
    """Say whether the address is public, or within an allowed network."""
    # A scope id (fe80::1%eth0) would choose an interface of ours.
    if getattr(address, "scope_id", None) is not None:
        return False
    return any(address.version == network.version and address in network for network in allowed) or _public(address)


def _public(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv4Address):
        return address.is_global and not any(address in network for network in _SPECIAL_V4)
    if address in _NAT64:
        return _public(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))
    return address in _UNICAST_V6 and address.is_global and not any(address in network for network in _SPECIAL_V6)
