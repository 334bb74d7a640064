"""Where things listen: what is understood, and what is refused with which words."""

import pytest

from meshloom import addresses


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("unix:/run/ads.sock", addresses.Pipe("/run/ads.sock")),
        ("127.0.0.1:18000", addresses.Socket("127.0.0.1", 18000)),
        ("[::1]:18000", addresses.Socket("::1", 18000)),
        ("[0:0::1]:1", addresses.Socket("::1", 1)),
    ],
)
def test_an_address_is_a_unix_socket_or_an_ip_address_with_a_port(text, expected):
    assert addresses.parsed(text) == expected


@pytest.mark.parametrize("text", ["unix:/run/ads.sock", "127.0.0.1:18000", "[::1]:18000"])
def test_an_address_prints_as_it_is_written(text):
    assert str(addresses.parsed(text)) == text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("localhost:18000", "'localhost' is not an IP address; write it out, as 127.0.0.1"),
        ("18000", "'18000' is not an address; write unix:/path, or IP:PORT as 127.0.0.1:18000"),
        ("127.0.0.1:0", "is not an address"),
        ("127.0.0.1:65536", "is not an address"),
        ("127.0.0.1:١", "is not an address"),
        ("::1:18000", "is not an IP address; write an IPv6 address in brackets, as [::1]:18000"),
        ("unix:run/ads.sock", "is not a unix socket; write unix: and an absolute path of at most 107 bytes"),
        ("unix:/" + "x" * 107, "is not a unix socket"),
    ],
)
def test_anything_else_is_refused_with_the_remedy(text, words):
    with pytest.raises(ValueError, match="is no") as fault:
        addresses.parsed(text)
    assert words in str(fault.value)


def test_unix_sockets_and_loopback_addresses_are_private():
    private = ("unix:/a", "127.0.0.1:1", "127.77.0.1:1", "[::1]:1")
    assert all(addresses.is_private(addresses.parsed(text)) for text in private)
    assert not any(addresses.is_private(addresses.parsed(text)) for text in ("0.0.0.0:1", "10.0.0.1:1", "[::]:1"))


def test_equal_addresses_clash_and_every_address_clashes_with_all():
    assert addresses.clash("127.0.0.1", "127.0.0.1")
    assert addresses.clash("0.0.0.0", "127.0.0.1")
    assert not addresses.clash("127.0.0.2", "127.0.0.1")


@pytest.mark.parametrize("text", ["mesh.example.com:15012", "control-plane:1", "localhost:15012", "a.b.:65535"])
def test_a_name_with_a_port_can_be_dialled(text):
    assert str(addresses.dialled(text)) == text
    assert isinstance(addresses.dialled(text), addresses.Name)


@pytest.mark.parametrize("text", ["127.0.0.1:18000", "[::1]:18000", "unix:/run/ads.sock"])
def test_what_can_be_bound_can_be_dialled(text):
    assert addresses.dialled(text) == addresses.parsed(text)


@pytest.mark.parametrize(
    "text", ["mesh.example.com", "a b:1", "-a:1", "a:0", "a:65536", "1.2.3:80", "a..b:1", ":1", "a:x"]
)
def test_what_is_neither_an_address_nor_a_name_cannot_be_dialled(text):
    with pytest.raises(ValueError):
        addresses.dialled(text)
