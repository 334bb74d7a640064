"""By which host and port a service is reached through an explicit proxy."""

import pytest

from tests.envoy.worlds import served_by

CASES = [
    ("http://bare.example:9080/", "hosts-v1"),
    ("http://bare.example:9081/", "hosts-v1"),
    ("http://bare.example:9999/", 404),
    ("http://bare.example/", 404),  # port 80 is not served, and two others are
    ("http://BARE.example:9080/", "hosts-v1"),
    ("http://ported.example:9081/", "hosts-v1"),
    ("http://ported.example:9080/", 403),
    ("http://ported.example/", 403),
    ("http://a.wild.example:9080/", "hosts-v1"),
    ("http://a.b.wild.example:9081/", "hosts-v1"),
    ("http://wild.example:9080/", 403),
    ("http://a.wild.example:9999/", 404),
    ("http://a.deep.wild.example:9080/", "deep-v1"),
    ("http://a.deep.wild.example/", "deep-v1"),
    ("http://exact.wild.example/", "exact-v1"),
    ("http://exact.wild.example:9080/", "exact-v1"),
    ("http://exact.wild.example:9999/", 404),
    ("http://weights/", "weights"),
    ("http://weights:9080/", "weights"),
    ("http://weights:80/", 404),
    ("http://nobody.example/", 403),
]


@pytest.mark.parametrize(("url", "expected"), CASES, ids=[url for url, _ in CASES])
def test_a_host_reaches_its_service(world, url, expected):
    reply = world.call(url)
    if isinstance(expected, int):
        assert reply.status == expected, reply.text
    else:
        assert served_by(reply).startswith(expected)


def test_the_authority_arrives_as_the_caller_wrote_it(world):
    assert world.call("http://a.wild.example:9080/").json()["host"] == "a.wild.example:9080"


def test_the_port_that_was_called_is_the_port_that_is_reached(world):
    """Each port is a cluster of its own; the proxy counts what it sent there."""
    before = world.stats("cluster.outbound/t/hosts-v1/9081.upstream_rq_total")
    world.call("http://bare.example:9081/")
    world.call("http://bare.example:9080/")
    assert world.stats("cluster.outbound/t/hosts-v1/9081.upstream_rq_total") == before + 1


def test_a_rule_that_names_a_port_leads_there_from_any_port(world):
    before = world.stats("cluster.outbound/t/hosts-v1/9081.upstream_rq_total")
    assert world.call("http://bare.example:9080/to-9081").status == 200
    assert world.stats("cluster.outbound/t/hosts-v1/9081.upstream_rq_total") == before + 1
