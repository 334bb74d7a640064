"""Hosts are read once, into one form, and compared in it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh import hosts
from mesh.hosts import Host


def host(text: str) -> Host:
    found = hosts.parsed_host(text)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("text", "name", "port"),
    [
        ("shop.example.com", "shop.example.com", None),
        ("Shop.Example.COM.", "shop.example.com", None),
        ("shop.example.com:8080", "shop.example.com", 8080),
        ("pets", "pets", None),
        ("pets_v1:80", "pets_v1", 80),
        ("*.example.com", "*.example.com", None),
        ("*.com:9080", "*.com", 9080),
        ("*", "*", None),
        ("*:443", "*", 443),
        ("10.0.0.1", "10.0.0.1", None),
        ("10.0.0.1:80", "10.0.0.1", 80),
        ("[::1]:80", "::1", 80),
        ("[::1]", "::1", None),
        ("FE80:0:0::1", "fe80::1", None),
    ],
)
def test_a_host_is_read(text: str, name: str, port: int | None) -> None:
    assert hosts.parsed_host(text) == Host(name, port)


@pytest.mark.parametrize(
    "text",
    [
        *("", ".", "*.", ":80", "a..b", "a.*", "*a.b", "*.*.b", "-a", "a-", "a b", "é.x", "a/b", "http://a", "x" * 64),
        *(
            "a:0",
            "a:65536",
            "a:",
            "a:b",
            "a:8٠",
            "1.2.3",
            "1.2.3.256",
            "*.1.2.3.4",
            "fe80::1%eth0",
            "[1.2.3.4]",
            "[::1",
        ),
        ".".join(["abcdefghi"] * 26),
    ],
)
def test_what_is_no_host_is_none(text: str) -> None:
    assert hosts.parsed_host(text) is None


def test_a_host_prints_as_it_is_written() -> None:
    assert [str(host(text)) for text in ("a.b", "A.b:80", "[::1]:80", "::1")] == ["a.b", "a.b:80", "[::1]:80", "[::1]"]


@given(st.text(alphabet="aA-.*:[]019é_ ", max_size=12) | st.text(max_size=20))
def test_a_host_reads_as_itself_again(text: str) -> None:
    found = hosts.parsed_host(text)
    assert found is None or hosts.parsed_host(str(found)) == found


@pytest.mark.parametrize(
    ("one", "other", "answer"),
    [
        ("a.b", "a.b", True),
        ("a.b", "c.b", False),
        ("*.b", "a.b", True),
        ("*.b", "x.a.b", True),
        ("*.b", "b", False),
        ("*.b", "ab", False),
        ("*.b", "*.a.b", True),
        ("*.b", "*.c", False),
        ("*", "10.0.0.1", True),
        ("a.b:80", "a.b", True),
        ("a.b:80", "a.b:81", False),
        ("*.b:80", "a.b:80", True),
    ],
)
def test_two_hosts_overlap_where_one_name_and_port_belongs_to_both(one: str, other: str, answer: bool) -> None:
    assert hosts.overlaps(host(one), host(other)) is answer
    assert hosts.overlaps(host(other), host(one)) is answer


def test_a_host_covers_what_is_within_its_names_and_ports() -> None:
    assert hosts.covers(host("*.b"), host("a.b:80"))
    assert not hosts.covers(host("*.b:80"), host("a.b"))
    assert not hosts.covers(host("a.b"), host("*.b"))


def test_exact_hosts_come_before_wildcards_and_long_wildcards_before_short_ones() -> None:
    texts = ["*", "*.com", "b.com", "*.shop.com", "a.com", "a.com:80", "*.com:80"]
    ordered = [str(item) for item in sorted(map(host, texts), key=lambda item: item.precedence)]
    assert ordered == ["a.com:80", "a.com", "b.com", "*.shop.com", "*.com:80", "*.com", "*"]


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("10.1.2.3/8", "10.0.0.0/8"),
        ("10.1.2.3", "10.1.2.3/32"),
        ("fd00::/8", "fd00::/8"),
        ("::1", "::1/128"),
        ("0.0.0.0/0", "0.0.0.0/0"),
    ],
)
def test_a_network_is_read(text: str, network: str) -> None:
    assert str(hosts.parsed_network(text)) == network


@pytest.mark.parametrize("text", ["", "a", "10/8", "10.0.0.0/33", "10.0.0.0/", "/8", "10.0.0.0/255.0.0.0", "::1%lo/64"])
def test_what_is_no_network_is_none(text: str) -> None:
    assert hosts.parsed_network(text) is None


def test_bits_behind_the_prefix_are_noticed() -> None:
    answers = [hosts.has_host_bits(text) for text in ("10.0.0.1/8", "10.0.0.0/8", "10.0.0.1", "fd00:0::/8", "x")]
    assert answers == [True, False, False, False, False]


def test_addresses_and_wildcards_are_told_apart() -> None:
    assert [host(text).is_address for text in ("10.0.0.1", "::1", "a.b", "*")] == [True, True, False, False]
    assert [host(text).is_wildcard for text in ("*", "*.b", "a.b")] == [True, True, False]
