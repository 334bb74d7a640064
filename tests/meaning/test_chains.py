"""The order in which filter chains are chosen, sentence by sentence of FilterChainMatch."""

import pytest

from tests.meaning.chains import TLS, Met, chosen


def chain(name, **match):
    return {"name": name, "filter_chain_match": match} if match else {"name": name}


def named(found):
    return found["name"] if found else None


def network(text):
    address, _, length = text.partition("/")
    return {"address_prefix": address, "prefix_len": int(length)}


@pytest.mark.parametrize(
    ("chains", "met", "name"),
    [
        pytest.param([chain("all")], Met("1.2.3.4", 80), "all", id="one without a match takes all"),
        pytest.param([chain("a", destination_port=81)], Met("1.2.3.4", 80), None, id="no chain, no connection"),
        pytest.param(
            [chain("all"), chain("port", destination_port=80)], Met("1.2.3.4", 80), "port", id="a port before none"
        ),
        pytest.param(
            [chain("wide", prefix_ranges=[network("1.0.0.0/8")]), chain("long", prefix_ranges=[network("1.2.3.4/32")])],
            Met("1.2.3.4", 80),
            "long",
            id="the longest network",
        ),
        pytest.param(
            [chain("ip", prefix_ranges=[network("0.0.0.0/0")]), chain("six", prefix_ranges=[network("::/0")])],
            Met("fd00::1", 80),
            "six",
            id="networks of IPv6 are networks of their own",
        ),
        pytest.param(
            [chain("port", destination_port=80, server_names=["b"]), chain("name", server_names=["a"])],
            Met("1.2.3.4", 80, "a", TLS),
            None,
            id="what a port has left behind is not looked at again",
        ),
        pytest.param(
            [chain("end", server_names=["*.b.c"]), chain("exact", server_names=["a.b.c"])],
            Met("1.2.3.4", 80, "A.b.C", TLS),
            "exact",
            id="an exact name first, whatever its case",
        ),
        pytest.param(
            [chain("short", server_names=["*.c"]), chain("long", server_names=["*.b.c"])],
            Met("1.2.3.4", 80, "a.b.c", TLS),
            "long",
            id="the longest end",
        ),
        pytest.param(
            [chain("end", server_names=["*.b.c"])], Met("1.2.3.4", 80, "b.c", TLS), None, id="an end is no name"
        ),
        pytest.param(
            [
                chain("tls", transport_protocol="tls", application_protocols=["h2"]),
                chain("h", application_protocols=["h"]),
            ],
            Met("1.2.3.4", 80, "", TLS, ("h",)),
            None,
            id="the transport is chosen before the application protocol",
        ),
        pytest.param(
            [chain("raw", transport_protocol="raw_buffer"), chain("all")],
            Met("1.2.3.4", 80),
            "raw",
            id="in clear is raw",
        ),
        pytest.param(
            [chain("one", application_protocols=["1"]), chain("two", application_protocols=["2"])],
            Met("1.2.3.4", 80, "", TLS, ("2", "1")),
            "two",
            id="the client's order of protocols counts",
        ),
    ],
)
def test_the_chain_of_a_connection(chains, met, name):
    assert named(chosen(chains, met)) == name
