"""Where egress goes and where it does not: URLs, names and addresses, without any network."""

import ipaddress
from collections.abc import Callable, Sequence

import httpcore
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clipwarden.egress import Destination, Egress, redact
from clipwarden.egress.addresses import Address, parse, permitted
from clipwarden.egress.network import GuardedNetwork
from clipwarden.egress.spending import Budget
from clipwarden.errors import DestinationRefused

PUBLIC = "93.184.215.14"

#: What the names in the table below resolve to.
NAMES = {
    "localhost": ["127.0.0.1"],
    "localhost.localdomain": ["::1"],
    "loopback.example": ["127.0.0.1"],
    "loopback6.example": ["::1"],
    "private.example": ["10.1.2.3"],
    "mixed.example": [PUBLIC, "10.1.2.3"],
    "mixed6.example": ["2606:2800:21f:cb07:6820:80da:af6b:8b2c", "fd00::1"],
    "mapped.example": ["::ffff:192.168.0.1"],
    "metadata.google.internal": ["169.254.169.254"],
    "scoped.example": ["fe80::1%eth0"],
    "receiver": ["172.17.0.3"],
    "xn--bcher-kva.example": ["192.168.7.7"],
}

LITERALS = [
    # IPv4
    "127.0.0.1",
    "127.1.2.3",
    "127.0.0.1.",
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "168.63.129.16",
    "169.254.169.254",
    "169.254.170.2",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    # IPv6
    "[::]",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::127.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::ffff:169.254.169.254]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b::a00:1]",
    "[64:ff9b:1::1]",
    "[100::1]",
    "[2001::1]",
    "[2001:0:53aa:64c:0:0:80ff:fffe]",
    "[2001:db8::1]",
    "[2002:7f00:1::]",
    "[2002:a9fe:a9fe::]",
    "[3fff::1]",
    "[5f00::1]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[fe80::1]",
    "[fe80::1%25eth0]",
    "[fec0::1]",
    "[ff02::1]",
]

HOSTILE = [f"http://{host}/" for host in [*LITERALS, *NAMES, "bücher.example"]] + [
    # IPv4 in forms that only some resolvers read as an address
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.1/",
    "http://127.1/",
    "http://0177.0.0.1/",
    "http://127.0.0.01/",
    "http://127.0.0.256/",
    "http://1.2.3.4.5/",
    "http://127。0。0。1/",
    "http://①②⑦.⓪.⓪.①/",
    "http://%31%32%37.0.0.1/",
    # forms that are read in two ways
    "http://good.example\\@127.0.0.1/",
    "http://good.example@127.0.0.1/",
    "http://user:secret@good.example/",
    "http://127.0.0.1\t.good.example/",
    "http://good.example\r\nHost: localhost/",
    " http://good.example/",
    "http://good.example/a b",
    "http://[::1]good.example/",
    "http://good.example[::1]/",
    "http://[good.example]/",
    "http://[127.0.0.1]/",
    "http://[::1/",
    "http://faß.example/",
    "http://a\u200db.example/",
    "http://good.example\uff0fa/",
    "http://good.example\u2100/",
    "http://\ud800.example/",
    # not a place that is contacted
    "http://",
    "http:///callbacks",
    "http:good.example",
    "//good.example/",
    "good.example",
    "",
    "ftp://good.example/",
    "file:///etc/passwd",
    "gopher://good.example/",
    "javascript:alert(1)",
    "http+unix://%2Fvar%2Frun%2Fdocker.sock/",
    "ws://good.example/",
    "http://good.example:0/",
    "http://good.example:65536/",
    "http://good.example:80:80/",
    "http://good.example:-1/",
    "http://good.example:٨٠/",
    "http://good..example/",
    "http://.good.example/",
    "http://-good.example/",
    "http://good_.-.example/",
    f"http://{'a' * 64}.example/",
    f"http://{'a.' * 130}example/",
    f"http://good.example/{'a' * 2048}",
]

Resolve = Callable[[str, int], Sequence[str]]


class Asked:
    """A resolver that knows some names and remembers what it was asked."""

    def __init__(self, names: dict[str, list[str]]) -> None:
        self.names = names
        self.questions: list[str] = []

    def __call__(self, host: str, port: int) -> list[str]:
        self.questions.append(f"{host}:{port}")
        return self.names.get(host, [PUBLIC])


def egress(resolver: Resolve, *allowed: str) -> Egress:
    networks = [ipaddress.ip_network(network) for network in allowed]
    return Egress(networks, connect_timeout=1, total_timeout=1, resolver=resolver)


@pytest.fixture
def no_connection(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Stand in for the operating system: remember the addresses, and refuse each."""
    tried: list[str] = []

    def create_connection(address: tuple[str, int], timeout: float) -> None:  # noqa: ARG001 # the interface
        tried.append(address[0])
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr("socket.create_connection", create_connection)
    return tried


def connect(names: Resolve, host: str, *allowed: str) -> None:
    network = GuardedNetwork([ipaddress.ip_network(each) for each in allowed], names)
    with network.spending(Budget(5)), pytest.raises(httpcore.ConnectError):
        network.connect_tcp(host, 80, timeout=5)


@pytest.mark.parametrize("url", HOSTILE)
def test_a_hostile_url_is_refused_before_any_connection(url: str, no_connection: list[str]) -> None:
    with pytest.raises(DestinationRefused):
        egress(Asked(NAMES)).post(url, headers={}, body=b"")
    assert no_connection == []


@pytest.mark.parametrize("host", LITERALS)
def test_an_address_that_is_not_public_is_refused_at_intake(host: str) -> None:
    with pytest.raises(DestinationRefused):
        egress(Asked({})).check(f"https://{host}:8443/")


@pytest.mark.parametrize(
    ("url", "authority", "target"),
    [
        ("http://good.example", "good.example", "/"),
        ("https://Good.Example.:443/a?b=c#d", "good.example", "/a?b=c"),
        ("http://good.example:8080/%7Ea?q=%20", "good.example:8080", "/%7Ea?q=%20"),
        ("http://good.example?x", "good.example", "/?x"),
        ("https://bücher.example/ü", "xn--bcher-kva.example", "/%C3%BC"),
        ("http://my_service:9000/", "my_service:9000", "/"),
        ("http://8.8.8.8/", "8.8.8.8", "/"),
        ("http://[2606:4700::1111]:81/", "[2606:4700::1111]:81", "/"),
        ("http://[64:ff9b::8.8.8.8]/", "[64:ff9b::808:808]", "/"),
    ],
)
def test_an_ordinary_url_is_read_and_nothing_is_resolved(url: str, authority: str, target: str) -> None:
    resolver = Asked({})
    destination = egress(resolver).check(url)
    assert (destination.authority, destination.target) == (authority, target)
    assert resolver.questions == []


@given(st.text() | st.text().map("http://{}".format) | st.text().map("https://good.example/{}".format))
@example("http://[fe80::1%\n]")
def test_any_text_is_read_or_refused(url: str) -> None:
    try:
        destination = Destination.parse(url)
    except DestinationRefused as exc:
        str(exc).encode()
    else:
        assert destination.authority.isascii()
        assert destination.target.isascii()
        assert destination.target.startswith("/")
        assert not set(destination.authority + destination.target) & set(" \r\n\t\\")


@given(st.ip_addresses())
@example(ipaddress.ip_address("::ffff:0.0.0.0"))
@example(ipaddress.ip_address("2002:0a00:0001::"))
def test_no_address_is_permitted_that_is_not_global_unicast(address: Address) -> None:
    reached = parse(str(address))
    if permitted(reached):
        assert reached.is_global
        assert not reached.is_multicast
        assert not reached.is_reserved or reached in ipaddress.ip_network("64:ff9b::/96")


@given(st.ip_addresses(v=4))
def test_wrapping_an_address_in_ipv6_makes_it_no_better(address: ipaddress.IPv4Address) -> None:
    assert permitted(parse(f"::ffff:{address}")) == permitted(address)
    assert permitted(parse(f"64:ff9b::{address}")) == permitted(address)
    assert not permitted(parse(f"2002:{int(address) >> 16:x}:{int(address) & 0xFFFF:x}::1"))


@given(st.ip_addresses(), st.ip_addresses().filter(lambda address: not permitted(parse(str(address)))))
def test_one_address_that_is_not_public_refuses_the_whole_name(one: Address, other: Address) -> None:
    for answers in ([str(one), str(other)], [str(other), str(one)]):
        network = GuardedNetwork([], Asked({"mixed.example": answers}))
        with network.spending(Budget(5)), pytest.raises(DestinationRefused):
            network.connect_tcp("mixed.example", 80)


def test_an_allowed_network_is_contacted_and_its_neighbour_is_not(no_connection: list[str]) -> None:
    connect(Asked(NAMES), "receiver", "172.17.0.0/16")
    assert no_connection == ["172.17.0.3"]
    with pytest.raises(DestinationRefused):
        egress(Asked(NAMES), "172.18.0.0/16").post("http://receiver/", headers={}, body=b"")
    egress(Asked({}), "fd00::/8").check("http://[fd00::1]/")
    with pytest.raises(DestinationRefused):
        egress(Asked({}), "fd00::/8").check("http://[::ffff:10.0.0.1]/")


def test_a_name_is_asked_for_once_and_the_checked_addresses_are_the_ones_connected_to(no_connection: list[str]) -> None:
    turns = iter([[PUBLIC, "2606:4700::1111"], ["127.0.0.1"]])
    asked: list[str] = []

    def rebinding(host: str, port: int) -> list[str]:
        asked.append(f"{host}:{port}")
        return next(turns)

    connect(rebinding, "rebinding.example")
    assert asked == ["rebinding.example:80"]
    assert no_connection == [PUBLIC, "2606:4700::1111"]
    network = GuardedNetwork([], rebinding)
    with network.spending(Budget(5)), pytest.raises(DestinationRefused):
        network.connect_tcp("rebinding.example", 80)
    assert no_connection == [PUBLIC, "2606:4700::1111"]


def test_an_address_is_not_resolved_but_connected_to(no_connection: list[str]) -> None:
    resolver = Asked({})
    connect(resolver, "8.8.8.8")
    assert resolver.questions == []
    assert no_connection == ["8.8.8.8"]


def test_a_name_without_an_address_may_have_one_later() -> None:
    connect(Asked({"empty.example": []}), "empty.example")


def test_a_refusal_tells_neither_inner_addresses_nor_secrets() -> None:
    with pytest.raises(DestinationRefused) as refused:
        egress(Asked(NAMES)).post("http://private.example/?token=s3cret", headers={}, body=b"")
    assert "10.1.2.3" not in str(refused.value)
    assert "s3cret" not in str(refused.value)
    for url in ("http://me:s3cret@good.example/", "http://me:s3cret@good.example:x/", "http://me:s3cret@\u2100/"):
        with pytest.raises(DestinationRefused) as refused:
            Destination.parse(url)
        assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://u:p@h.example:8443/a/b?token=s#f", "https://h.example:8443/a/b?…"),
        ("http://h.example/", "http://h.example/"),
        ("http://[::1", "(not a URL)"),
        ("http://h.example/\x1b[31m\n", "http://h.example/[31m"),
    ],
)
def test_a_url_is_shown_without_its_secrets(url: str, shown: str) -> None:
    assert redact(url) == shown
