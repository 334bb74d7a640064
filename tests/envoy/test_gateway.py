"""What an ingress gateway makes of requests from outside."""

import re

import pytest

from tests.envoy.worlds import served_by

SHOP, OFFICE = "shop.example.com", "office.example.com"

REWRITES = [
    ("/rewritten", "/"),
    ("/rewritten/", "/"),
    ("/rewritten/a", "/a"),
    ("/rewritten/a/", "/a/"),
    ("/rewritten?x=1", "/?x=1"),
    ("/rewritten/?x=/rewritten", "/?x=/rewritten"),
    ("/rewritten//a", "/a"),
    ("/rewritten/rewritten", "/rewritten"),
    ("/kept", "/kept"),
    ("/kept//a", "/kept/a"),
    ("/kept/../kept/b", "/kept/b"),
]


@pytest.mark.parametrize(("path", "arrives"), REWRITES, ids=[path for path, _ in REWRITES])
def test_a_rewritten_prefix_becomes_a_single_slash(world, path, arrives):
    assert world.visit(path, SHOP).json()["path"] == arrives


def test_a_rewritten_prefix_matches_whole_segments(world):
    assert world.visit("/rewrittens", SHOP).status == 404


def test_the_host_is_rewritten_to_where_the_deployment_is_found(world):
    assert world.visit("/named", SHOP).json()["host"] == world.block.address(26)


def test_the_host_is_left_alone_otherwise(world):
    assert world.visit("/kept", SHOP).json()["host"] == SHOP


@pytest.mark.parametrize(
    ("path", "version"),
    [
        ("/rewritten/v2", "behind-v2"),
        ("/rewritten/v2/x", "behind-v2"),
        ("/rewritten/v22", "behind-v1"),
        ("/rewritten/kept/v2", "behind-v2"),
        ("/kept/v2", "behind-v2"),
        ("/kept/v1", "behind-v1"),
        ("/kept", "behind-v1"),
    ],
)
def test_the_tables_of_the_service_decide_on_the_path_after_the_rewrite(world, path, version):
    assert served_by(world.visit(path, SHOP)) == version


@pytest.mark.parametrize(
    ("host", "port", "path", "status"),
    [
        (SHOP, 8880, "/kept", 200),
        (f"{SHOP}:8880", 8880, "/kept", 200),
        ("SHOP.example.com", 8880, "/kept", 200),
        ("a.shop.example.com", 8880, "/kept", 200),
        ("a.b.shop.example.com:8880", 8880, "/kept", 200),
        ("example.com", 8880, "/kept", 404),
        ("nobody", 8880, "/kept", 404),
        (SHOP, 8880, "/unknown", 404),
        (OFFICE, 8880, "/kept", 404),
        (OFFICE, 8881, "/side-door", 200),
        (OFFICE, 8880, "/side-door", 404),
        (SHOP, 8881, "/side-door", 404),
    ],
)
def test_host_and_port_decide_which_rules_count(world, host, port, path, status):
    assert world.visit(path, host, port).status == status


@pytest.mark.parametrize(("path", "host", "status"), [("/kept", "nobody", 404), ("/forbidden", SHOP, 403)])
def test_a_stranger_is_told_a_status_and_a_request_id_and_nothing_else(world, path, host, status):
    reply = world.visit(path, host)
    assert reply.status == status
    assert re.fullmatch(rf"{status} \(request [0-9a-f-]{{36}}\)\n", reply.text)
    assert not [name for name in reply.headers if "meshloom" in name or "envoy" in name]


def test_the_application_learns_the_request_id(world):
    headers = world.visit("/kept?show=headers", SHOP).json()["headers"]
    assert re.fullmatch("[0-9a-f-]{36}", headers["x-request-id"])


def test_what_a_stranger_says_of_itself_is_not_believed(world):
    lies = {
        "x-request-id": "mine",
        "x-forwarded-for": "9.9.9.9",
        "x-forwarded-proto": "https",
        "x-envoy-internal": "true",
        "x-envoy-upstream-rq-timeout-ms": "1",
        "x-envoy-original-path": "/admin",
        "x-forwarded-client-cert": "URI=spiffe://main.t.mesh/ns/t/vs/admin",
    }
    headers = world.visit("/kept?show=headers&wait=0.3", SHOP, headers=lies).json()["headers"]
    assert headers["x-forwarded-proto"] == "http"
    assert headers["x-request-id"] != "mine"
    assert headers.get("x-forwarded-for", "").split(",")[-1].strip() != "9.9.9.9"
    assert [name for name in headers if name.startswith("x-envoy-")] == ["x-envoy-external-address"]
    assert headers["x-envoy-external-address"] != "9.9.9.9"
    assert "vs/admin" not in headers.get("x-forwarded-client-cert", "")


def test_headers_with_underscores_are_rejected(world):
    assert world.visit("/kept", SHOP, headers={"x_sneaky": "1"}).status == 400
