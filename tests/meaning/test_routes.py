"""Virtual hosts and routes, sentence by sentence of envoy.config.route.v3."""

import pytest

from tests.meaning import routes
from tests.meaning.payloads import Bytes, Request, tunnel


def found(domains, authority):
    table = routes.table({"virtual_hosts": [{"name": domain, "domains": [domain]} for domain in domains]})
    host = routes.virtual_host(table, authority)
    return host["name"] if host else None


@pytest.mark.parametrize(
    ("domains", "authority", "domain"),
    [
        (["*", "*.b", "a.b"], "a.b", "a.b"),
        (["*", "*.b", "a.b"], "A.B", "a.b"),
        (["*", "*.b", "*.a.b"], "x.a.b", "*.a.b"),
        (["*", "*.b"], ".b", "*"),
        (["*", "*-bar.foo", "*.foo"], "x-bar.foo", "*-bar.foo"),
        (["*", "a:*", "*:80"], "a:80", "*:80"),
        (["*", "a:*", "a:8*"], "a:80", "a:8*"),
        (["*", "a"], "a:80", "*"),
        (["a"], "b", None),
    ],
)
def test_the_virtual_host_of_an_authority(domains, authority, domain):
    assert found(domains, authority) == domain


def test_a_table_that_ignores_ports_finds_a_host_whatever_its_port():
    table = routes.table({"virtual_hosts": [{"name": "a", "domains": ["a"]}], "ignore_port_in_host_matching": True})
    assert [routes.virtual_host(table, each) is None for each in ("a:80", "a", "b:80")] == [False, False, True]


def test_a_domain_that_stands_twice_is_no_configuration():
    with pytest.raises(AssertionError, match="twice"):
        found(["a", "A"], "a")


@pytest.mark.parametrize(
    ("match", "path", "is_match"),
    [
        ({"prefix": "/foo"}, "/foobar", True),
        ({"prefix": "/foo"}, "/Foo", False),
        ({"path_separated_prefix": "/foo"}, "/foo", True),
        ({"path_separated_prefix": "/foo"}, "/foo/", True),
        ({"path_separated_prefix": "/foo"}, "/foo/bar?x", True),
        ({"path_separated_prefix": "/foo"}, "/foo?x=/foo/", True),
        ({"path_separated_prefix": "/foo"}, "/foo#x", True),
        ({"path_separated_prefix": "/foo"}, "/foobar", False),
        ({"path": "/foo"}, "/foo?x", True),
        ({"path": "/foo"}, "/foo/", False),
    ],
)
def test_a_path_matches(match, path, is_match):
    assert routes.matches(match, Request("a", path)) is is_match


@pytest.mark.parametrize(
    ("kind", "is_grpc"),
    [("application/grpc", True), ("application/grpc+proto", True), ("application/grpc-web", False), ("", False)],
)
def test_grpc_is_told_by_its_content_type(kind, is_grpc):
    request = Request("a", headers=(("content-type", kind),))
    assert routes.matches({"prefix": "/", "grpc": {}}, request) is is_grpc


@pytest.mark.parametrize(
    ("matcher", "is_match"),
    [
        ({"name": ":authority", "string_match": {"safe_regex": {"regex": "a.*"}}}, True),
        ({"name": ":authority", "string_match": {"safe_regex": {"regex": "b"}}}, False),
        ({"name": "x-some", "string_match": {"exact": "THING", "ignore_case": True}}, True),
        ({"name": "x-other", "string_match": {"exact": ""}}, False),
        ({"name": "x-other", "string_match": {"exact": ""}, "invert_match": True}, True),
    ],
)
def test_headers_match_as_a_whole(matcher, is_match):
    request = Request("a.b", headers=(("x-some", "thing"),))
    assert routes.matches({"prefix": "/", "headers": [matcher]}, request) is is_match


def test_connect_is_matched_by_its_own_matcher_alone():
    asked = Request("a:1", "/"), tunnel("a:1", Bytes())
    found = [[routes.matches(match, each) for each in asked] for match in ({"prefix": "/"}, {"connect_matcher": {}})]
    assert found == [[True, False], [False, True]]


def test_the_first_route_that_matches_decides():
    host = {"routes": [{"name": 1, "match": {"prefix": "/b"}}, {"name": 2, "match": {"prefix": "/"}}]}
    assert [routes.route(host, Request("a", path))["name"] for path in ("/b", "/a")] == [1, 2]


@pytest.mark.parametrize(
    ("match", "action", "path", "arrives"),
    [
        ({"prefix": "/"}, {}, "/a?x", "/a?x"),
        ({"path_separated_prefix": "/a"}, {"prefix_rewrite": "/b"}, "/a/c?x", "/b/c?x"),
        ({"path_separated_prefix": "/a"}, {"prefix_rewrite": "/b"}, "/a?x=/a", "/b?x=/a"),
        (
            {"path_separated_prefix": "/a"},
            {"regex_rewrite": {"pattern": {"regex": "^/a/*"}, "substitution": "/"}},
            "/a/b?/a",
            "/b?/a",
        ),
    ],
)
def test_a_path_is_rewritten_and_its_query_is_not(match, action, path, arrives):
    assert routes.rewritten(Request("h", path), {"match": match, "route": action}, {}).path == arrives


def test_the_host_of_a_cluster_counts_before_that_of_the_route():
    route = {"match": {"prefix": "/"}, "route": {"host_rewrite_literal": "route"}}
    shares = ({}, {"host_rewrite_literal": "share"})
    assert [routes.rewritten(Request("h"), route, share).authority for share in shares] == ["route", "share"]
