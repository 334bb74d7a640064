"""Rules for the route tables of VirtualServices and IngressGateways."""

import pytest
import yaml

from mesh import rules
from mesh.documents import parsed

TABLES = ("VirtualServiceRouteTable", "IngressGatewayRouteTable")
PARENTS = {"VirtualServiceRouteTable": "virtualService", "IngressGatewayRouteTable": "ingressGateway"}
ONE = {
    "VirtualServiceRouteTable": "destinations: [{virtualDeployment: {id: a}, weight: 100}]",
    "IngressGatewayRouteTable": "destinations: [{virtualService: {id: a}}]",
}


def told(kind: str, *route_rules: str) -> list[str]:
    document = {
        "apiVersion": "servicemesh.oci.oracle.com/v1beta1",
        "kind": kind,
        "metadata": {"name": "pets", "namespace": "shop"},
        "spec": yaml.safe_load(
            f"{{compartmentId: a, {PARENTS[kind]}: {{id: a}}, routeRules: [{', '.join(route_rules)}]}}"
        ),
    }
    found = parsed(document)
    assert found.resource is not None
    assert found.problems == ()
    return [f"{problem.severity_name}: {problem}" for problem in rules.object_problems(found.resource)]


def weighted(*destinations: str, route: str = "httpRoute") -> list[str]:
    return told("VirtualServiceRouteTable", f"{{{route}: {{destinations: [{', '.join(destinations)}]}}}}")


def by_path(kind: str, path: str) -> list[str]:
    return told(kind, f"{{httpRoute: {{{ONE[kind]}, path: {path}}}}}")


@pytest.mark.parametrize("kind", TABLES)
def test_2_7_1_and_2_10_1_a_rule_has_exactly_one_kind_of_route(kind: str) -> None:
    correct = f"{{httpRoute: {{{ONE[kind]}}}}}"
    both = f"{{httpRoute: {{{ONE[kind]}}}, tlsPassthroughRoute: {{{ONE[kind]}}}}}"
    every = f"{{httpRoute: {{{ONE[kind]}}}, tcpRoute: {{{ONE[kind]}}}, tlsPassthroughRoute: {{{ONE[kind]}}}}}"
    assert told(kind, correct, "{}", both, every) == [
        f"error: {kind} shop/pets spec.routeRules[1]: is empty; add one of httpRoute, tcpRoute, tlsPassthroughRoute",
        f"error: {kind} shop/pets spec.routeRules[2]: has httpRoute and tlsPassthroughRoute at once; keep one of them",
        f"error: {kind} shop/pets spec.routeRules[3]: has httpRoute, tcpRoute and tlsPassthroughRoute at once; "
        "keep one of them",
    ]


AT = "VirtualServiceRouteTable shop/pets spec.routeRules[0]"


@pytest.mark.parametrize("route", ["httpRoute", "tcpRoute", "tlsPassthroughRoute"])
def test_2_7_2_the_destinations_of_a_rule_name_one_port(route: str) -> None:
    one, other, none = (
        "{virtualDeployment: {id: a}, weight: 50, port: 80}",
        "{virtualDeployment: {id: b}, weight: 50, port: 81}",
        "{virtualDeployment: {id: c}, weight: 50}",
    )
    assert weighted(one, other.replace("81", "80"), route=route) == []
    assert weighted(one, other, route=route) == [
        f"error: {AT}.{route}.destinations: name different ports: 80 and 81; "
        "give all of them the same port, or none of them a port"
    ]
    assert weighted(one, none, route=route) == [
        f"error: {AT}.{route}.destinations: name different ports: 80 and none; "
        "give all of them the same port, or none of them a port"
    ]


def test_2_13_1_weights_that_do_not_add_up_to_100_are_shared_out() -> None:
    assert weighted("{virtualDeployment: {id: a}, weight: 2}", "{virtualDeployment: {id: b}, weight: 1}") == [
        f"warning: {AT}.httpRoute.destinations: have weights that add up to 3, so that they count as 66.67 % and "
        "33.33 %; make them add up to 100"
    ]
    assert weighted("{virtualDeployment: {id: a}, weight: 50}") == [
        f"warning: {AT}.httpRoute.destinations: have weights that add up to 50, so that they count as 100 %; "
        "make them add up to 100"
    ]
    assert weighted("{virtualDeployment: {id: a}, weight: 100}", "{virtualDeployment: {id: b}, weight: 0}") == []


def test_2_13_1_weights_of_nothing_serve_nobody() -> None:
    words = (
        "have no weight above 0, so that the rule answers 503 or closes the connection; "
        "give at least one of them a weight above 0"
    )
    assert weighted("{virtualDeployment: {id: a}, weight: 0}") == [f"warning: {AT}.httpRoute.destinations: {words}"]
    assert told("IngressGatewayRouteTable", "{tcpRoute: {destinations: [{virtualService: {id: a}, weight: 0}]}}") == [
        f"warning: IngressGatewayRouteTable shop/pets spec.routeRules[0].tcpRoute.destinations: {words}"
    ]


@pytest.mark.parametrize("weight", [1, 50, 100])
def test_2_13_1_any_weight_of_a_single_service_is_fine(weight: int) -> None:
    route = f"{{httpRoute: {{destinations: [{{virtualService: {{id: a}}, weight: {weight}}}]}}}}"
    assert told("IngressGatewayRouteTable", route) == []


def test_2_13_2_the_weights_of_one_destination_are_added() -> None:
    same = (
        "{virtualDeployment: {ref: {name: a}}, weight: 40}",
        "{virtualDeployment: {ref: {name: a, namespace: other}}, weight: 40}",
        "{virtualDeployment: {ref: {name: a, namespace: shop}}, weight: 20}",
    )
    assert weighted(*same) == [
        f"warning: {AT}.httpRoute.destinations[2]: is listed before, and the weights are added; "
        "write it once, with the sum of the weights"
    ]


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize("path", ["/", "/foo", "/foo/", "/a%20b/c.d~e;f=1"])
def test_2_13_3_paths_begin_with_a_slash(kind: str, path: str) -> None:
    assert by_path(kind, path) == []


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("foo", "warning: {}: 'foo' does not begin with `/` and is read as '/foo'; begin it with `/`"),
        ("''", "warning: {}: '' does not begin with `/` and is read as '/'; begin it with `/`"),
        ("'/a?b'", "error: {}: '/a?b' has a `?` or `#` and can never match; write the part before it"),
        ("'/a#b'", "error: {}: '/a#b' has a `?` or `#` and can never match; write the part before it"),
        ("/a b", "error: {}: '/a b' has a letter that no request has and can never match; encode it with %"),
        ("/é", "error: {}: '/é' has a letter that no request has and can never match; encode it with %"),
        (
            "'/foo,'",
            "warning: {}: '/foo,' has a `,`, which stands for itself; "
            "remove it; a path matches whatever follows its last segment",
        ),
        (
            "/foo/*",
            "warning: {}: '/foo/*' has a `*`, which stands for itself; "
            "remove it; a path matches whatever follows its last segment",
        ),
    ],
)
def test_2_13_3_paths_that_mean_something_else_are_told(kind: str, path: str, words: str) -> None:
    assert by_path(kind, path) == [words.format(f"{kind} shop/pets spec.routeRules[0].httpRoute.path")]


@pytest.mark.parametrize("kind", TABLES)
def test_2_13_4_a_path_type_stands_beside_a_path(kind: str) -> None:
    assert told(kind, f"{{httpRoute: {{{ONE[kind]}, path: /, pathType: PREFIX}}}}") == []
    assert told(kind, f"{{httpRoute: {{{ONE[kind]}, pathType: PREFIX}}}}") == [
        f"warning: {kind} shop/pets spec.routeRules[0].httpRoute.pathType: says how to match a path, but there is none, "
        "so that every path matches; add path, or remove pathType"
    ]


@pytest.mark.parametrize("kind", TABLES)
def test_2_13_7_a_timeout_is_one_that_a_proxy_can_count(kind: str) -> None:
    assert told(kind, f"{{httpRoute: {{{ONE[kind]}, requestTimeoutInMs: 9223372036001}}}}") == [
        f"error: {kind} shop/pets spec.routeRules[0].httpRoute.requestTimeoutInMs: is longer than 292 years; "
        "write 0 for no limit"
    ]
