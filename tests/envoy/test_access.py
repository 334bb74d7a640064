"""Who is refused, and what they are told."""

import pytest

from meshloom.demo import traffic
from tests.envoy.worlds import served_by

STRICT = 60


@pytest.mark.parametrize("url", ["http://weights/", "http://weights:9080/x", "http://nobody.example:1/"])
def test_a_caller_without_policy_is_told_who_may_not_reach_what(world, url):
    reply = world.call(url, by=3)
    authority = url.removeprefix("http://").split("/")[0]
    assert (reply.status, reply.text) == (403, f"no access policy lets t/stranger reach {authority}\n")
    assert reply.headers["x-meshloom-denied-by"] == "t/stranger"


def test_the_same_caller_reaches_what_its_policy_allows(world):
    assert served_by(world.call("http://uniform/", by=3)).startswith("uniform-")


def test_a_caller_with_a_policy_is_not_told_that_it_was_denied(world):
    assert "x-meshloom-denied-by" not in world.call("http://denied/").headers


def test_a_proxy_is_given_only_what_its_policies_allow(world):
    told = world.admin("/config_dump", of=3).text
    assert "outbound/t/uniform-v1/9080" in told
    assert "outbound/t/weights-a/9080" not in told


def test_what_envoy_itself_forbids_is_not_called_a_denial(world):
    reply = world.call("http://uniform/", {"connection": "upgrade", "upgrade": "of-its-own"})
    assert (reply.status, reply.text) == (403, "")
    assert "x-meshloom-denied-by" not in reply.headers


def test_a_caller_is_known_by_its_certificate(world):
    assert served_by(world.call("http://strict/")) == "strict-v1"
    assert world.stats("http.inbound/9080.rbac.allowed", of=STRICT) >= 1


def test_a_strict_service_speaks_to_nobody_in_clear(world):
    assert traffic.reply(world.block.address(STRICT), 9080, "/", {"host": "strict"}).status == 0
    assert world.stats("*connection_error", of=STRICT) >= 1
