"""Which rule decides: prefixes by segment, tables by priority, and what happens when none matches."""

import pytest

from tests.envoy.worlds import served_by

PREFIXES = [
    ("/foo", "prefixes-v1"),
    ("/foo/", "prefixes-v1"),
    ("/foo/bar", "prefixes-v1"),
    ("/foo?x", "prefixes-v1"),
    ("/foo/bar?x=/y", "prefixes-v1"),
    ("/foo/deep", "prefixes-v2"),
    ("/foo/deep/er", "prefixes-v2"),
    ("/foo/deeper", "prefixes-v1"),
    ("/foobar", 404),
    ("/fo", 404),
    ("/Foo", 404),
    ("/FOO/bar", 404),
    ("/bar/foo", 404),
    ("/", 404),
    ("/slashless", "prefixes-v1"),
    ("/slashless/x", "prefixes-v1"),
    ("/slashlessness", 404),
    ("/with,comma", "prefixes-v1"),
    ("/with", 404),
    ("/tail", "prefixes-v1"),
    ("/tail/x", "prefixes-v1"),
]


@pytest.mark.parametrize(("path", "expected"), PREFIXES, ids=[path for path, _ in PREFIXES])
def test_a_prefix_matches_whole_segments(world, path, expected):
    reply = world.call(f"http://prefixes{path}")
    assert (served_by(reply) if reply.status == 200 else reply.status) == expected


def test_the_path_arrives_as_it_was_sent(world):
    assert world.call("http://prefixes/foo/a%20b?x=%2F&y=1").json()["path"] == "/foo/a%20b?x=%2F&y=1"


@pytest.mark.parametrize("case", ["number", "default", "negative", "tie", "order"])
def test_the_table_of_lower_priority_decides(world, case):
    """By number; 499 before the default 500; below zero; equal ones by name; within a table in order."""
    assert served_by(world.call(f"http://priorities/{case}")) == "first"


def test_rules_come_before_the_uniform_policy(world):
    assert {served_by(world.call("http://uniform/only-v1")) for _ in range(12)} == {"uniform-v1"}


def test_without_table_and_policy_nothing_is_served(world):
    assert world.call("http://denied/").status == 404


@pytest.mark.parametrize(
    ("content_type", "version"),
    [
        ("application/grpc", "mixed-grpc"),
        ("application/grpc+proto", "mixed-grpc"),
        ("application/grpc-web", "mixed-rest"),
        ("application/json", "mixed-rest"),
    ],
)
def test_a_grpc_rule_asks_for_the_content_type(world, content_type, version):
    assert served_by(world.call("http://mixed/", {"content-type": content_type})) == version


def test_a_rule_without_grpc_matches_requests_without_content_type(world):
    assert served_by(world.call("http://mixed/")) == "mixed-rest"
