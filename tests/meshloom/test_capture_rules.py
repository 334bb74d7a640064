"""The rules of transparent capture: which connections go where, and how a table is brought to them."""

import ipaddress

import pytest

from meshloom.capture import rules

PLAIN = rules.Wishes()
OURS = """
:MESHLOOM_INBOUND - [0:0]
:MESHLOOM_OLD - [0:0]
-A PREROUTING -p tcp -j MESHLOOM_INBOUND
-A OUTPUT -d 127.0.0.11/32 -j DOCKER_OUTPUT
-A DOCKER_OUTPUT -d 127.0.0.11/32 -p tcp -m tcp --dport 53 -j DNAT --to-destination 127.0.0.11:33399
-A MESHLOOM_INBOUND -p tcp -j REDIRECT --to-ports 15001
-A MESHLOOM_OLD -j RETURN
"""


def networks(*texts):
    return tuple(map(ipaddress.ip_network, texts))


def outbound(wishes: rules.Wishes, version=4) -> list[str]:
    prefix = f"-A {rules.OUTBOUND} "
    return [rule.removeprefix(prefix) for rule in rules.planned(wishes, version).chains[rules.OUTBOUND]]


def inbound(wishes: rules.Wishes, version=4) -> list[str]:
    prefix = f"-A {rules.INBOUND} "
    return [rule.removeprefix(prefix) for rule in rules.planned(wishes, version).chains[rules.INBOUND]]


@pytest.mark.parametrize(
    ("version", "from_proxy", "loopback"), [(4, "127.0.0.6/32", "127.0.0.0/8"), (6, "::1/128", "::1/128")]
)
def test_what_an_application_opens_goes_to_15000_unless_it_is_the_proxys_or_stays_here(version, from_proxy, loopback):
    assert outbound(PLAIN, version) == [
        f"-s {from_proxy} -o lo -j RETURN",
        f"! -d {loopback} -o lo -m owner --uid-owner 1337 -j MESHLOOM_INBOUND",
        "-m owner --uid-owner 1337 -j RETURN",
        "-o lo -j RETURN",
        f"-d {loopback} -j RETURN",
        "-p tcp -m tcp --dport 15006 -j RETURN",
        "-p tcp -m tcp --dport 15010 -j RETURN",
        "-p tcp -j REDIRECT --to-ports 15000",
    ]


def test_what_others_open_goes_to_15001_but_for_the_statistics_and_health_of_the_proxy():
    assert inbound(PLAIN) == [
        "-p tcp -m tcp --dport 15006 -j RETURN",
        "-p tcp -m tcp --dport 15010 -j RETURN",
        "-p tcp -j REDIRECT --to-ports 15001",
    ]


def test_excluded_ports_and_networks_are_left_alone_in_their_direction_and_their_version():
    wishes = rules.Wishes(
        inbound=rules.Exempt((9,), networks("10.1.0.0/16", "fd01::/64")),
        outbound=rules.Exempt((25, 25), networks("192.0.2.7", "fd02::/64")),
        sockets=((ipaddress.ip_address("10.96.0.1"), 443), (ipaddress.ip_address("fd00::1"), 53)),
    )
    assert set(inbound(wishes)) - set(inbound(PLAIN)) == {
        "-p tcp -m tcp --dport 9 -j RETURN",
        "-s 10.1.0.0/16 -j RETURN",
    }
    assert [rule for rule in outbound(wishes, 4) if rule not in outbound(PLAIN, 4)] == [
        "-p tcp -m tcp --dport 25 -j RETURN",
        "-d 192.0.2.7/32 -j RETURN",
        "-d 10.96.0.1/32 -p tcp -m tcp --dport 443 -j RETURN",
    ]
    assert "-d fd00::1/128 -p tcp -m tcp --dport 53 -j RETURN" in outbound(wishes, 6)
    assert inbound(wishes, 6)[-2] == "-s fd01::/64 -j RETURN"


def test_another_user_may_be_the_proxy():
    assert "-m owner --uid-owner 101 -j RETURN" in outbound(rules.Wishes(proxy_uid=101))
    assert "1337" not in str(rules.planned(rules.Wishes(proxy_uid=101), 4))


def test_a_network_of_everything_has_no_match_as_iptables_writes_it():
    assert "-j RETURN" in outbound(rules.Wishes(outbound=rules.Exempt(networks=networks("0.0.0.0/0"))))


def test_the_order_in_which_wishes_are_written_does_not_count():
    one = rules.Wishes(outbound=rules.Exempt((1, 2), networks("10.0.0.0/8", "11.0.0.0/8")))
    other = rules.Wishes(outbound=rules.Exempt((2, 1), networks("11.0.0.0/8", "10.0.0.0/8")))
    assert rules.planned(one, 4) == rules.planned(other, 4)


def test_of_a_table_only_what_is_ours_is_found():
    there = rules.found(OURS)
    assert there.chains == {
        "MESHLOOM_INBOUND": ("-A MESHLOOM_INBOUND -p tcp -j REDIRECT --to-ports 15001",),
        "MESHLOOM_OLD": ("-A MESHLOOM_OLD -j RETURN",),
    }
    assert there.hooks == ("-A PREROUTING -p tcp -j MESHLOOM_INBOUND",)
    assert rules.found("*nat\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n").is_nothing


def test_a_table_is_replaced_in_one_transaction_with_the_hooks_in_front():
    plan = rules.planned(PLAIN, 4)
    lines = rules.replacing(rules.found(OURS), plan).splitlines()
    assert (lines[0], lines[-1]) == ("*nat", "COMMIT")
    assert lines[1:4] == [":MESHLOOM_INBOUND - [0:0]", ":MESHLOOM_OUTBOUND - [0:0]", ":MESHLOOM_OLD - [0:0]"]
    assert lines[4] == "-D PREROUTING -p tcp -j MESHLOOM_INBOUND"
    assert lines[-4:-1] == [
        "-I PREROUTING -p tcp -j MESHLOOM_INBOUND",
        "-I OUTPUT -p tcp -j MESHLOOM_OUTBOUND",
        "-X MESHLOOM_OLD",
    ]
    assert not any("DOCKER" in line for line in lines)


def test_removing_leaves_nothing_of_ours():
    lines = rules.removing(rules.found(OURS)).splitlines()
    assert lines == [
        "*nat",
        ":MESHLOOM_INBOUND - [0:0]",
        ":MESHLOOM_OLD - [0:0]",
        "-D PREROUTING -p tcp -j MESHLOOM_INBOUND",
        "-X MESHLOOM_INBOUND",
        "-X MESHLOOM_OLD",
        "COMMIT",
    ]
