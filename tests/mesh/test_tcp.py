"""Where connections of TCP and TLS_PASSTHROUGH go, and what is wrong with the rules that say so."""

import pytest

from mesh import graph, resolve
from mesh.problems import Ref
from tests import written

DB = Ref("VirtualService", "shop", "db")
TCP = "[{protocol: TCP, port: 5432}]"


def service(policy: str = "") -> str:
    return f"{written.MESH}\n---\nVirtualService: shop/db\nmesh: {{ref: {{name: main}}}}\n{policy}\n---\n"


def deployment(name: str, listeners: str = TCP, owner: str = "db") -> str:
    return (
        f"VirtualDeployment: shop/{name}\nvirtualService: {{ref: {{name: {owner}}}}}\n"
        f"serviceDiscovery: {{type: DNS, hostname: {name}.local}}\nlistener: {listeners}\n---\n"
    )


def table(name: str, *rules: str, more: str = "") -> str:
    head = f"VirtualServiceRouteTable: shop/{name}\nvirtualService: {{ref: {{name: db}}}}\n{more}\n"
    return f"{head}routeRules: [{', '.join(rules)}]\n---\n"


def rule(*destinations: str, kind: str = "tcpRoute") -> str:
    return f"{{{kind}: {{destinations: [{', '.join(destinations)}]}}}}"


def to(name: str, weight: int = 100, more: str = "") -> str:
    return f"{{virtualDeployment: {{ref: {{name: {name}}}}}, weight: {weight}{more}}}"


def meant(*texts: str) -> resolve.Resolution:
    return resolve.resolve(written.of("".join(texts)))


def ports(*texts: str) -> dict[int, dict[str, int]]:
    """Return by port the weights of the targets, as `{5432: {"one:5432": 100}}`."""
    return {
        port.port: {f"{share.target.deployment.name}:{share.target.port}": share.weight for share in port.shares}
        for port in meant(*texts).graph.services[DB].tcp
    }


def told(*texts: str) -> list[str]:
    return [str(problem) for problem in meant(*texts).problems]


UNIFORM = service("defaultRoutingPolicy: {type: UNIFORM}")
DENY = service()
BOTH = deployment("one") + deployment("two")


def test_a_service_of_tcp_alone_needs_no_hosts_and_nothing_is_said_of_it() -> None:
    found = meant(UNIFORM, deployment("one"), table("t", rule(to("one"))))
    assert found.problems == ()
    assert found.graph.services[DB].hosts == found.graph.services[DB].http == ()


def test_the_policy_uniform_shares_equally_among_those_that_listen_on_the_port() -> None:
    both = deployment("two", "[{protocol: TCP, port: 5432}, {protocol: TCP, port: 6432}]")
    assert ports(UNIFORM, deployment("one"), both) == {5432: {"one:5432": 1, "two:5432": 1}, 6432: {"two:6432": 1}}


def test_the_policy_deny_sends_connections_nowhere() -> None:
    assert ports(DENY, deployment("one")) == {5432: {}}


def test_the_first_rule_decides_whatever_the_policy() -> None:
    rules = (rule(to("one", 30), to("two", 10)), rule(to("two")))
    assert ports(UNIFORM, BOTH, table("t", *rules)) == {5432: {"one:5432": 30, "two:5432": 10}}


def test_tables_are_tried_by_priority_then_age_and_name() -> None:
    one, two = table("a", rule(to("one"))), table("b", rule(to("two")), more="priority: 499")
    assert ports(DENY, BOTH, one, two) == {5432: {"two:5432": 100}}
    equal = table("b", rule(to("two")))
    assert ports(DENY, BOTH, one, equal) == {5432: {"one:5432": 100}}
    older = table("b", rule(to("two")), more="created: 2020-01-01T00:00:00Z")
    younger = table("a", rule(to("one")), more="created: 2021-01-01T00:00:00Z")
    assert ports(DENY, BOTH, younger, older) == {5432: {"two:5432": 100}}


def test_a_rule_whose_destinations_do_not_listen_on_a_port_leaves_it_to_the_next() -> None:
    other = deployment("two", "[{protocol: TCP, port: 6432}]")
    found = ports(DENY, deployment("one"), other, table("t", rule(to("one")), rule(to("two"))))
    assert found == {5432: {"one:5432": 100}, 6432: {"two:6432": 100}}


def test_a_destination_with_a_port_gets_the_connections_of_every_port() -> None:
    both = deployment("one", "[{protocol: TCP, port: 5432}, {protocol: TCP, port: 6432}]")
    found = ports(DENY, both, table("t", rule(to("one", 100, ", port: 6432"))))
    assert found == {5432: {"one:6432": 100}, 6432: {"one:6432": 100}}


def test_a_deployment_named_twice_gets_both_parts() -> None:
    assert ports(DENY, BOTH, table("t", rule(to("one", 20), to("two", 50), to("one", 30)))) == {
        5432: {"one:5432": 50, "two:5432": 50}
    }


def test_a_rule_of_weights_of_0_closes_connections_and_a_part_of_0_is_left_out() -> None:
    assert ports(UNIFORM, BOTH, table("t", rule(to("one", 0), to("two", 0)), rule(to("two")))) == {5432: {}}
    assert ports(UNIFORM, BOTH, table("t", rule(to("one", 0), to("two", 100)))) == {5432: {"two:5432": 100}}


@pytest.mark.parametrize(
    ("one", "two", "idle_ms"),
    [("", "", 3_600_000), (", idleTimeoutInMs: 5", "", 3_600_000), (", idleTimeoutInMs: 0", "", 0)],
)
def test_a_connection_may_idle_as_long_as_the_most_patient_listener(one: str, two: str, idle_ms: int) -> None:
    items = [deployment(name, f"[{{protocol: TCP, port: 5432{idle}}}]") for name, idle in (("one", one), ("two", two))]
    assert [port.idle_timeout_ms for port in meant(UNIFORM, *items).graph.services[DB].tcp] == [idle_ms]
    ruled = meant(DENY, *items, table("t", rule(to("one"), to("two"))))
    assert [port.idle_timeout_ms for port in ruled.graph.services[DB].tcp] == [idle_ms]


def test_http_rules_and_tcp_rules_do_not_see_each_other() -> None:
    named = service("hosts: [db]\ndefaultRoutingPolicy: {type: UNIFORM}")
    mixed = deployment("one", "[{protocol: TCP, port: 5432}, {protocol: HTTP, port: 80}]")
    found = meant(named, mixed, deployment("two"), table("t", rule(to("one"), kind="httpRoute"), rule(to("two"))))
    (http,) = found.graph.services[DB].http
    (route,) = http.routes
    assert found.problems == ()
    assert isinstance(route.action, graph.Forward)
    assert route.action.shares == (graph.Share(graph.Target(Ref("VirtualDeployment", "shop", "one"), 80), 100),)
    (tcp,) = found.graph.services[DB].tcp
    assert tcp.shares == (graph.Share(graph.Target(Ref("VirtualDeployment", "shop", "two"), 5432), 100),)


def test_2_13_25_a_tcp_route_to_a_deployment_without_tcp_is_named() -> None:
    named = service("hosts: [db]")
    web = deployment("web", "[{protocol: HTTP, port: 80}]")
    assert told(named, deployment("one"), web, table("t", rule(to("web")))) == [
        "VirtualServiceRouteTable shop/t spec.routeRules[0].tcpRoute.destinations[0].virtualDeployment: VirtualDeployment"
        " shop/web has no listener of protocol TCP for this tcpRoute; use the route type of its listeners' protocol"
    ]


def test_2_13_26_a_port_of_a_tcp_route_that_is_not_listened_on_is_named_and_the_next_rule_decides() -> None:
    rules = table("t", rule(to("one", 100, ", port: 1")), rule(to("two")))
    assert ports(DENY, BOTH, rules) == {5432: {"two:5432": 100}}
    assert told(DENY, BOTH, rules) == [
        "VirtualServiceRouteTable shop/t spec.routeRules[0].tcpRoute.destinations[0].port: VirtualDeployment shop/one has"
        " no TCP listener on port 1; use one of its TCP ports (5432), or add a listener"
    ]


def test_2_13_27_a_tcp_destination_of_another_service_is_ignored_and_named() -> None:
    other = "VirtualService: shop/other\nmesh: {ref: {name: main}}\n---\n" + deployment("stranger", owner="other")
    rules = table("t", rule(to("stranger", 50), to("one", 50)))
    assert ports(DENY, deployment("one"), other, rules) == {5432: {"one:5432": 50}}
    (fault,) = told(DENY, deployment("one"), other, rules)
    assert "shop/stranger belongs to VirtualService shop/other, not to VirtualService shop/db" in fault


def test_a_rule_that_is_of_two_kinds_does_nothing() -> None:
    two = f"{{tcpRoute: {{destinations: [{to('one')}]}}, httpRoute: {{destinations: [{to('one')}]}}}}"
    assert ports(DENY, deployment("one"), table("t", two)) == {5432: {}}


# ---------------------------------------------------------------------------- TLS_PASSTHROUGH

TLS = "[{protocol: TLS_PASSTHROUGH, port: 443}]"
NAMED = "hosts: [db.example]\n"
TLS_ROUTE = "tlsPassthroughRoute"


def passed(*texts: str) -> dict[int, dict[str, int]]:
    return {
        port.port: {share.target.deployment.name: share.weight for share in port.shares}
        for port in meant(*texts).graph.services[DB].tls
    }


def test_tls_that_is_passed_through_follows_its_own_rules_and_then_the_policy() -> None:
    uniform = service(f"{NAMED}defaultRoutingPolicy: {{type: UNIFORM}}")
    both = deployment("one", TLS) + deployment("two", TLS)
    assert passed(service(NAMED), both) == {443: {}}
    assert passed(uniform, both) == {443: {"one": 1, "two": 1}}
    ruled = table("t", rule(to("two")), rule(to("one", 30), to("two", 10), kind=TLS_ROUTE))
    assert passed(uniform, both, ruled) == {443: {"one": 30, "two": 10}}


def test_tcp_and_tls_that_is_passed_through_stand_beside_each_other_without_a_word() -> None:
    mixed = deployment("one", "[{protocol: TLS_PASSTHROUGH, port: 443, idleTimeoutInMs: 5}, {protocol: TCP, port: 80}]")
    rules = table("t", rule(to("one")), rule(to("one"), kind=TLS_ROUTE))
    found = meant(service(NAMED), mixed, rules)
    assert found.problems == ()
    of = found.graph.services[DB]
    (tcp,), (tls,) = of.tcp, of.tls
    assert [(port.port, port.shares[0].target.port, port.idle_timeout_ms) for port in (tcp, tls)] == [
        (80, 80, 3_600_000),
        (443, 443, 5),
    ]


def test_2_13_25_a_tls_route_to_a_deployment_of_tcp_is_named() -> None:
    (fault,) = told(service(NAMED), deployment("one"), table("t", rule(to("one"), kind=TLS_ROUTE)))
    assert "has no listener of protocol TLS_PASSTHROUGH for this tlsPassthroughRoute" in fault
