"""What resources mean: services, deployments, routes; and what is wrong with them."""

import pytest

from mesh import graph, mtls, resolve
from mesh.problems import Ref
from mesh.resolve import Settings
from tests import written

PETS = Ref("VirtualService", "shop", "pets")
V1 = Ref("VirtualDeployment", "shop", "pets-v1")
V2 = Ref("VirtualDeployment", "shop", "pets-v2")

SHOP = (
    written.MESH
    + "---"
    + written.PETS
    + """
VirtualDeployment: shop/pets-v2
virtualService: {ref: {name: pets}}
serviceDiscovery: {type: DNS, hostname: v2.local}
listener: [{protocol: HTTP, port: 9080}]
---
"""
)


def resolution(text: str, paths_by_segment: bool = True) -> resolve.Resolution:
    return resolve.resolve(written.of(text), settings=Settings(paths_by_segment))


def problems(text: str) -> list[str]:
    return [str(problem) for problem in resolution(text).problems]


def routes(text: str, port: int = 9080, **settings: bool) -> tuple[graph.HttpRoute, ...]:
    (found,) = (one for one in resolution(text, **settings).graph.services[PETS].http if one.port == port)
    return found.routes


def table(name: str, rules: str, extra: str = "") -> str:
    head = f"VirtualServiceRouteTable: shop/{name}\nvirtualService: {{ref: {{name: pets}}}}\n{extra}\n"
    return f"{head}routeRules: [{rules}]\n---\n"


def to(name: str, weight: int, port: str = "") -> str:
    return f"{{virtualDeployment: {{ref: {{name: {name}}}}}, weight: {weight}{port}}}"


def rule(destinations: str, more: str = "") -> str:
    return f"{{httpRoute: {{destinations: [{destinations}]{more}}}}}"


def shares(route: graph.HttpRoute) -> dict[str, int]:
    assert isinstance(route.action, graph.Forward)
    return {share.target.deployment.name: share.weight for share in route.action.shares}


# ---------------------------------------------------------------------------- services and deployments


def test_a_whole_service_means_what_it_says() -> None:
    found = resolution(SHOP)
    service = found.graph.services[PETS]
    assert found.problems == ()
    assert service.name == "shop/pets"
    assert service.identity.uri == "spiffe://main.shop.mesh/ns/shop/vs/pets"
    assert [str(host) for host in service.hosts] == ["pets"]
    assert service.deployments == (V1, V2)
    assert service.http == (graph.HttpPort(9080, ()),)


def test_a_service_without_a_mode_follows_the_mesh_minimum() -> None:
    raised = SHOP.replace("DISABLED", "PERMISSIVE")
    assert resolution(SHOP).graph.services[PETS].mode is mtls.Mode.DISABLED
    assert resolution(raised).graph.services[PETS].mode is mtls.Mode.PERMISSIVE


def test_a_mesh_without_a_minimum_is_strict() -> None:
    assert resolution("Mesh: shop/main").graph.meshes[Ref("Mesh", "shop", "main")].minimum is mtls.Mode.STRICT


def test_2_5_1_a_mode_below_the_mesh_minimum_is_raised_and_named() -> None:
    text = SHOP.replace("DISABLED", "STRICT").replace("hosts: [pets]", "hosts: [pets]\nmtls: {mode: DISABLED}")
    assert resolution(text).graph.services[PETS].mode is mtls.Mode.STRICT
    assert problems(text) == [
        "VirtualService shop/pets spec.mtls.mode: mTLS mode DISABLED is below the mesh minimum STRICT, which is applied"
        " instead; raise it or lower spec.mtls.minimum of Mesh shop/main",
    ]


def test_modes_at_or_above_the_minimum_are_taken_as_they_are() -> None:
    for minimum, wish in (("STRICT", "STRICT"), ("PERMISSIVE", "STRICT"), ("DISABLED", "PERMISSIVE")):
        text = SHOP.replace("DISABLED", minimum).replace("hosts: [pets]", f"hosts: [pets]\nmtls: {{mode: {wish}}}")
        assert (resolution(text).graph.services[PETS].mode.value, problems(text)) == (wish, [])


def test_timeouts_have_the_defaults_of_their_protocol() -> None:
    text = SHOP.replace(
        "hostname: v2.local}\nlistener: [{protocol: HTTP, port: 9080}]",
        "hostname: v2.local}\nlistener: [{protocol: GRPC, port: 9090}, {protocol: HTTP2, port: 9091},"
        " {protocol: HTTP, port: 9092, requestTimeoutInMs: 0, idleTimeoutInMs: 7}]",
    )
    listeners = resolution(text).graph.deployments[V2].listeners
    assert [(one.port, one.request_timeout_ms, one.idle_timeout_ms) for one in listeners] == [
        (9090, 0, 300_000),
        (9091, 15_000, 300_000),
        (9092, 0, 7),
    ]


def test_discovery_that_is_absent_or_disabled_has_no_endpoints() -> None:
    absent = SHOP.replace("serviceDiscovery: {type: DNS, hostname: v2.local}", "")
    disabled = SHOP.replace("{type: DNS, hostname: v2.local}", "{type: DISABLED}")
    assert resolution(absent).graph.deployments[V2].discovery == graph.Undiscovered()
    assert resolution(disabled).graph.deployments[V2].discovery == graph.Undiscovered()


def test_of_two_listeners_on_one_port_the_first_counts() -> None:
    text = SHOP.replace(
        "[{protocol: HTTP, port: 9080}]", "[{protocol: HTTP, port: 9080}, {protocol: GRPC, port: 9080}]"
    )
    assert [one.protocol.value for one in resolution(text).graph.deployments[V1].listeners] == ["HTTP"]


def test_a_dangling_reference_is_named_and_the_rest_is_served() -> None:
    text = SHOP + "VirtualService: shop/lost\nmesh: {ref: {name: mian}}\nhosts: [lost]"
    assert list(resolution(text).graph.services) == [PETS]
    assert problems(text) == [
        "VirtualService shop/lost spec.mesh: Mesh shop/mian does not exist; create a Mesh of this name in namespace"
        " shop, or correct the reference"
    ]


def test_an_unknown_id_is_named() -> None:
    text = SHOP + "VirtualService: shop/lost\nmesh: {id: ocid1.mesh.oc1..old}\nhosts: [lost]"
    assert problems(text) == [
        "VirtualService shop/lost spec.mesh.id: no Mesh has the id ocid1.mesh.oc1..old; refer to it by `ref` with its"
        " name, or by the id that meshloom issued for it"
    ]


def test_an_id_that_was_issued_is_as_good_as_a_name() -> None:
    from mesh import identity

    (mesh,) = written.objects(written.MESH)
    text = SHOP + f"VirtualService: far/away\nmesh: {{id: {identity.issued_id(mesh)}}}\nhosts: [away]"
    assert problems(text) == []
    assert Ref("VirtualService", "far", "away") in resolution(text).graph.services


def test_an_id_of_another_kind_is_not_found() -> None:
    from mesh import identity

    (mesh,) = written.objects(written.MESH)
    text = SHOP + f"VirtualDeployment: shop/x\nvirtualService: {{id: {identity.issued_id(mesh)}}}"
    assert "no VirtualService has the id" in problems(text)[0]


# ---------------------------------------------------------------------------- routes


def test_weights_are_kept_relative_to_their_sum() -> None:
    (route,) = routes(SHOP + table("t", rule(f"{to('pets-v1', 3)}, {to('pets-v2', 1)}")))
    assert shares(route) == {"pets-v1": 3, "pets-v2": 1}


def test_a_deployment_named_twice_gets_both_weights() -> None:
    (route,) = routes(SHOP + table("t", rule(f"{to('pets-v1', 30)}, {to('pets-v2', 50)}, {to('pets-v1', 20)}")))
    assert shares(route) == {"pets-v1": 50, "pets-v2": 50}


def test_a_weight_of_zero_gets_nothing() -> None:
    (route,) = routes(SHOP + table("t", rule(f"{to('pets-v1', 0)}, {to('pets-v2', 100)}")))
    assert shares(route) == {"pets-v2": 100}


def test_weights_that_are_all_zero_answer_503() -> None:
    (route,) = routes(SHOP + table("t", rule(f"{to('pets-v1', 0)}, {to('pets-v2', 0)}")))
    assert route.action == graph.Refusal(503, "the weights of all destinations of this route are 0")


def test_tables_count_by_priority_then_age_then_name() -> None:
    text = (
        SHOP
        + table("z", rule(to("pets-v1", 1), ", path: /z"), "priority: 1")
        + table("b", rule(to("pets-v1", 1), ", path: /b"))
        + table("a", rule(to("pets-v1", 1), ", path: /a"))
        + table("young", rule(to("pets-v1", 1), ", path: /young"), "created: 2024-01-02T00:00:00Z")
        + table("old", rule(to("pets-v1", 1), ", path: /old"), "created: 2024-01-01T00:00:00Z")
        + table("late", rule(to("pets-v1", 1), ", path: /late"), "priority: 501")
        + table("negative", rule(to("pets-v1", 1), ", path: /negative"), "priority: -3")
    )
    expected = ["/negative", "/z", "/a", "/b", "/old", "/young", "/late"]
    assert [route.path for route in routes(text)] == expected


@pytest.mark.parametrize(
    ("written_path", "path"),
    [("/foo", "/foo"), ("foo", "/foo"), ("/foo/", "/foo"), ("/", "/"), ("''", "/"), ("'/foo,'", "/foo,")],
)
def test_paths_are_read_as_whole_segments(written_path: str, path: str) -> None:
    (route,) = routes(SHOP + table("t", rule(to("pets-v1", 1), f", path: {written_path}")))
    assert (route.path, route.by_segment) == (path, True)


def test_paths_are_read_as_plain_strings_by_a_setting() -> None:
    text = SHOP + table("t", rule(to("pets-v1", 1), ", path: foo/"))
    (route,) = routes(text, paths_by_segment=False)
    assert (route.path, route.by_segment) == ("/foo/", False)


def test_a_path_with_a_query_is_left_out() -> None:
    assert routes(SHOP + table("t", rule(to("pets-v1", 1), ", path: '/foo?x=1'"))) == ()


def test_a_route_waits_15_seconds_and_for_ever_for_grpc() -> None:
    rules = ", ".join(
        rule(to("pets-v1", 1), more)
        for more in (
            ", path: /a",
            ", path: /b, isGrpc: true",
            ", path: /c, requestTimeoutInMs: 7",
            ", path: /d, requestTimeoutInMs: 0",
        )
    )
    timeouts = [
        route.action.timeout_ms for route in routes(SHOP + table("t", rules)) if isinstance(route.action, graph.Forward)
    ]
    assert timeouts == [15_000, 0, 7, 0]


def test_a_route_is_idle_as_long_as_its_most_patient_target() -> None:
    patient = SHOP.replace("port: 9080}", "port: 9080, idleTimeoutInMs: 1000}", 1)
    endless = SHOP.replace("port: 9080}", "port: 9080, idleTimeoutInMs: 0}", 1)
    both = table("t", rule(f"{to('pets-v1', 1)}, {to('pets-v2', 1)}"))
    for text, idle in ((patient, 300_000), (endless, 0)):
        (route,) = routes(text + both)
        assert isinstance(route.action, graph.Forward)
        assert route.action.idle_timeout_ms == idle


def test_what_follows_a_catch_all_is_left_out() -> None:
    text = SHOP + table("t", f"{rule(to('pets-v1', 1))}, {rule(to('pets-v2', 1), ', path: /never')}")
    assert [route.path for route in routes(text)] == ["/"]


def test_uniform_shares_equally_after_the_tables() -> None:
    text = SHOP.replace("hosts: [pets]", "hosts: [pets]\ndefaultRoutingPolicy: {type: UNIFORM}")
    first, last = routes(text + table("t", rule(to("pets-v1", 1), ", path: /one")))
    assert (first.path, shares(first)) == ("/one", {"pets-v1": 1})
    assert (last.path, shares(last)) == ("/", {"pets-v1": 1, "pets-v2": 1})


def test_deny_and_no_policy_route_nothing_by_themselves() -> None:
    denying = SHOP.replace("hosts: [pets]", "hosts: [pets]\ndefaultRoutingPolicy: {type: DENY}")
    assert routes(denying) == routes(SHOP) == ()


def test_a_destination_without_a_port_keeps_the_one_that_was_called() -> None:
    two = SHOP.replace(
        "[{protocol: HTTP, port: 9080}]", "[{protocol: HTTP, port: 9080}, {protocol: HTTP, port: 9081}]", 1
    )
    text = two + table("t", rule(f"{to('pets-v1', 1)}, {to('pets-v2', 1)}"))
    assert shares(routes(text, 9080)[0]) == {"pets-v1": 1, "pets-v2": 1}
    assert shares(routes(text, 9081)[0]) == {"pets-v1": 1}


def test_a_destination_with_a_port_is_sent_there_from_every_port() -> None:
    two = SHOP.replace(
        "[{protocol: HTTP, port: 9080}]", "[{protocol: HTTP, port: 9080}, {protocol: HTTP, port: 9081}]", 1
    )
    text = two + table("t", rule(to("pets-v1", 1, ", port: 9081")))
    for port in (9080, 9081):
        (route,) = routes(text, port)
        assert isinstance(route.action, graph.Forward)
        assert route.action.shares == (graph.Share(graph.Target(V1, 9081), 1),)


def test_2_13_26_a_destination_port_without_a_listener_is_named() -> None:
    text = SHOP + table("t", rule(to("pets-v1", 100, ", port: 1")))
    assert routes(text) == ()
    assert problems(text) == [
        "VirtualServiceRouteTable shop/t spec.routeRules[0].httpRoute.destinations[0].port: VirtualDeployment"
        " shop/pets-v1 has no HTTP listener on port 1; use one of its HTTP ports (9080), or add a listener"
    ]


def test_2_13_27_a_destination_of_another_service_is_ignored_and_named() -> None:
    other = "VirtualService: shop/other\nmesh: {ref: {name: main}}\nhosts: [other]\n---\n"
    stranger = (
        "VirtualDeployment: shop/stranger\nvirtualService: {ref: {name: other}}\n"
        "serviceDiscovery: {type: DNS, hostname: s}\nlistener: [{protocol: HTTP, port: 9080}]\n---\n"
    )
    text = SHOP + other + stranger + table("t", rule(f"{to('stranger', 50)}, {to('pets-v1', 50)}"))
    assert shares(routes(text)[0]) == {"pets-v1": 50}
    assert problems(text) == [
        "VirtualServiceRouteTable shop/t spec.routeRules[0].httpRoute.destinations[0].virtualDeployment:"
        " VirtualDeployment shop/stranger belongs to VirtualService shop/other, not to VirtualService shop/pets, so this"
        " destination is ignored; name a VirtualDeployment of VirtualService shop/pets"
    ]


def test_2_13_24_one_port_with_two_protocols_is_named() -> None:
    text = SHOP.replace(
        "hostname: v2.local}\nlistener: [{protocol: HTTP,", "hostname: v2.local}\nlistener: [{protocol: GRPC,"
    )
    assert problems(text) == [
        "VirtualDeployment shop/pets-v2 spec.listener: it speaks GRPC on port 9080, where VirtualDeployment shop/pets-v1"
        " speaks HTTP; use one protocol a port in all deployments of a service"
    ]


def shared_endpoint(one: str, other: str, port: int) -> str:
    return (
        f"VirtualDeployment shop/{one} spec.serviceDiscovery.hostname: DNS finds VirtualDeployment shop/{other} at"
        f" v1.local:{port}, too, so requests for one of them reach both, whatever the weights; give each deployment a"
        " hostname of its own"
    )


def test_deployments_of_one_service_that_dns_finds_at_one_place_are_named() -> None:
    third = "VirtualDeployment: shop/pets-v3\nvirtualService: {ref: {name: pets}}\n" + (
        "serviceDiscovery: {type: DNS, hostname: V1.local}\nlistener: [{protocol: HTTP, port: 9080}]"
    )
    assert problems(SHOP.replace("v2.local", "v1.local") + third) == [
        shared_endpoint("pets-v2", "pets-v1", 9080),
        shared_endpoint("pets-v3", "pets-v1", 9080),
    ]


def test_2_13_33_one_hostname_with_a_port_for_each_deployment_is_fine() -> None:
    assert (
        problems(
            SHOP.replace(
                "v2.local}\nlistener: [{protocol: HTTP, port: 9080}",
                "v1.local}\nlistener: [{protocol: HTTP, port: 9081}",
            )
        )
        == []
    )


def test_a_port_in_common_is_named_though_others_differ() -> None:
    both = "[{protocol: HTTP, port: 9080}, {protocol: GRPC, port: 9090}]"
    text = SHOP.replace(
        "v2.local}\nlistener: [{protocol: HTTP, port: 9080}]", "v1.local}\nlistener: [{protocol: GRPC, port: 9090}]"
    )
    assert problems(text.replace("[{protocol: HTTP, port: 9080}]", both)) == [
        shared_endpoint("pets-v2", "pets-v1", 9090)
    ]


def test_2_13_33_deployments_of_two_services_may_share_a_hostname() -> None:
    other = "VirtualService: shop/cats\nmesh: {ref: {name: main}}\nhosts: [cats]\n---\n"
    moved = SHOP.replace(
        "shop/pets-v2\nvirtualService: {ref: {name: pets}}", "shop/pets-v2\nvirtualService: {ref: {name: cats}}"
    )
    assert problems(moved.replace("v2.local", "v1.local") + other) == []


# ---------------------------------------------------------------------------- hosts


@pytest.mark.parametrize("host", ["pets:80", "'*.pets:80'"])
def test_2_13_34_a_host_with_a_port_on_which_nothing_listens_is_named(host: str) -> None:
    text = SHOP.replace("hosts: [pets]", f"hosts: [pets, 'pets.shop:9080', {host}]")
    assert problems(text) == [
        f"VirtualService shop/pets spec.hosts[2]: nothing listens on the port of {host.strip(chr(39))}; name a port that is"
        " served (9080), or none, which stands for all"
    ]


def test_a_host_with_a_port_may_come_before_its_deployments() -> None:
    text = "VirtualService: shop/pets\nmesh: {ref: {name: main}}\nhosts: ['pets:80']"
    assert problems(f"{written.MESH}---\n{text}") == []


def test_2_13_29_two_services_with_one_host_the_older_gets_it() -> None:
    young = "VirtualService: shop/aaa\ncreated: 2024-01-01T00:00:00Z\nmesh: {ref: {name: main}}\nhosts: [PETS, aaa]"
    found = resolution(SHOP + young).graph.services
    assert [str(host) for host in found[PETS].hosts] == ["pets"]
    assert [str(host) for host in found[Ref("VirtualService", "shop", "aaa")].hosts] == ["aaa"]
    assert (
        "VirtualService shop/aaa spec.hosts[0]: host pets already belongs to VirtualService shop/pets, which is older;"
        " it is not served for this one; remove it from one of the two"
    ) in problems(SHOP + young)


def test_2_13_29_a_short_host_belongs_to_the_service_of_the_callers_namespace() -> None:
    text = (
        SHOP
        + "VirtualService: zoo/pets\nmesh: {ref: {name: main, namespace: shop}}\nhosts: [pets, pets.zoo]\n---\n"
        + "VirtualService: zoo/caller\nmesh: {ref: {name: main, namespace: shop}}\nhosts: [caller]\n---\n"
        + "AccessPolicy: shop/all\nmesh: {ref: {name: main}}\n"
        + "rules: [{action: ALLOW, source: {allVirtualServices: {}}, destination: {allVirtualServices: {}}}]"
    )
    zoo = Ref("VirtualService", "zoo", "pets")
    found = resolution(text).graph
    outside, inside = found.scopes[PETS], found.scopes[Ref("VirtualService", "zoo", "caller")]
    assert outside.hosts == ()
    assert [str(host) for host in found.services[PETS].hosts] == ["pets"]
    assert [str(host) for host in found.services[zoo].hosts] == ["pets.zoo"]
    assert {ref: [str(host) for host in hosts] for ref, hosts in inside.hosts} == {PETS: [], zoo: ["pets.zoo", "pets"]}
    assert problems(text) == [], "others have pets.zoo"
    assert problems(text.replace("[pets, pets.zoo]", "[pets]")) == [
        "VirtualService zoo/pets spec.hosts[0]: host pets also belongs to VirtualService shop/pets: only callers of"
        " namespace zoo reach this one; add a host that others can use, such as pets.zoo"
    ]


def test_hosts_with_different_ports_are_different_hosts() -> None:
    text = SHOP.replace("hosts: [pets]", "hosts: ['pets:9080']") + (
        "VirtualService: shop/other\nmesh: {ref: {name: main}}\nhosts: ['pets:9081']"
    )
    assert problems(text) == []


# ---------------------------------------------------------------------------- access

TWO = SHOP + "VirtualService: shop/caller\nmesh: {ref: {name: main}}\nhosts: [caller]\n---\n"
CALLER = Ref("VirtualService", "shop", "caller")


def policy(*pairs: tuple[str, str]) -> str:
    listed = ", ".join(
        f"{{action: ALLOW, source: {source}, destination: {destination}}}" for source, destination in pairs
    )
    return f"AccessPolicy: shop/p\nmesh: {{ref: {{name: main}}}}\nrules: [{listed}]\n---\n"


def named(name: str) -> str:
    return f"{{virtualService: {{ref: {{name: {name}}}}}}}"


ALL = "{allVirtualServices: {}}"


def test_without_a_policy_nobody_reaches_anybody() -> None:
    found = resolution(TWO).graph
    assert {scope.services for scope in found.scopes.values()} == {()}
    assert found.callers[PETS] == graph.Callers("main.shop.mesh", False, ())


def test_a_rule_opens_one_way_only() -> None:
    found = resolution(TWO + policy((named("caller"), named("pets")))).graph
    assert found.scopes[CALLER].services == (PETS,)
    assert found.scopes[PETS].services == ()
    assert [one.uri for one in found.callers[PETS].identities] == ["spiffe://main.shop.mesh/ns/shop/vs/caller"]


def test_all_virtual_services_includes_the_caller_itself() -> None:
    found = resolution(TWO + policy((ALL, ALL))).graph
    assert found.scopes[CALLER].services == (CALLER, PETS)
    assert found.scopes[CALLER] is found.scopes[PETS]
    assert found.callers[PETS] == graph.Callers("main.shop.mesh", True, ())


def test_from_all_to_one_and_from_one_to_all_add_up() -> None:
    found = resolution(TWO + policy((ALL, named("pets")), (named("pets"), ALL))).graph
    assert found.scopes[CALLER].services == (PETS,)
    assert found.scopes[PETS].services == (CALLER, PETS)
    assert found.callers[PETS].all_services
    assert [one.owner for one in found.callers[CALLER].identities] == [PETS]


def test_2_13_28_a_member_of_another_mesh_is_ignored_and_named() -> None:
    other = "Mesh: shop/two\nmtls: {minimum: DISABLED}\n---\nVirtualService: shop/far\nmesh: {ref: {name: two}}\nhosts: [far]\n---\n"
    text = TWO + other + policy((named("far"), named("pets")), (named("caller"), named("pets")))
    assert [one.owner for one in resolution(text).graph.callers[PETS].identities] == [CALLER]
    assert problems(text) == [
        "AccessPolicy shop/p spec.rules[0].source.virtualService: VirtualService shop/far belongs to another mesh, so"
        " this rule is ignored; name a member of the mesh that this policy names"
    ]


def test_a_service_without_a_mesh_is_in_nobody_s_reach() -> None:
    lost = "VirtualService: shop/lost\nmesh: {ref: {name: none}}\nhosts: [lost]\n---\n"
    found = resolution(TWO + lost + policy((ALL, named("lost")), (named("lost"), ALL))).graph
    assert [scope.services for scope in found.scopes.values()] == [()] * len(found.scopes)
    assert all(not callers.identities for callers in found.callers.values())


def test_all_services_of_one_mesh_are_not_those_of_another() -> None:
    other = "Mesh: shop/two\nmtls: {minimum: DISABLED}\n---\nVirtualService: shop/far\nmesh: {ref: {name: two}}\nhosts: [far]\n---\n"
    found = resolution(TWO + other + policy((ALL, ALL))).graph
    assert found.scopes[Ref("VirtualService", "shop", "far")].services == ()
    assert Ref("VirtualService", "shop", "far") not in found.scopes[PETS].services


# ---------------------------------------------------------------------------- gateways

GATE = Ref("IngressGateway", "shop", "door")
DOOR = """
IngressGateway: shop/door
mesh: {ref: {name: main}}
hosts:
- {name: site, hostnames: [shop.example.com, '*.example.org'], listeners: [{protocol: HTTP, port: 8080}]}
- {name: admin, hostnames: [admin.example.com], listeners: [{protocol: HTTP, port: 8080}, {protocol: HTTP, port: 8081}]}
---
"""
OPEN = policy(("{ingressGateway: {ref: {name: door}}}", named("pets")))
UNIFORM = SHOP.replace("hosts: [pets]", "hosts: [pets]\ndefaultRoutingPolicy: {type: UNIFORM}")


def gateway_table(rule: str, extra: str = "") -> str:
    head = "IngressGatewayRouteTable: shop/way\ningressGateway: {ref: {name: door}}\n"
    return f"{head}{extra}routeRules: [{{httpRoute: {{destinations: [{{virtualService: {{ref: {{name: pets}}}}}}]{rule}}}}}]\n---\n"


def gateway_routes(text: str, host: str = "site", port: int = 8080) -> list[tuple[str, object]]:
    (found,) = (one for one in resolution(text).graph.gateways[GATE].ports if one.port == port)
    (named_host,) = (one for one in found.hosts if one.name == host)
    return [
        (route.path, route.action.status if isinstance(route.action, graph.Refusal) else shares(route))
        for route in named_host.routes
    ]


def test_a_gateway_serves_its_hosts_on_their_ports() -> None:
    ports = resolution(UNIFORM + DOOR).graph.gateways[GATE].ports
    assert [(port.port, [(host.name, host.hostnames) for host in port.hosts]) for port in ports] == [
        (8080, [("site", ("shop.example.com", "*.example.org")), ("admin", ("admin.example.com",))]),
        (8081, [("admin", ("admin.example.com",))]),
    ]


def test_a_gateway_rule_ends_in_404_after_the_routes_of_its_service() -> None:
    inner = table("t", rule(to("pets-v1", 1), ", path: /api"))
    assert gateway_routes(SHOP + inner + DOOR + OPEN + gateway_table("")) == [("/api", {"pets-v1": 1}), ("/", 404)]


def test_what_no_request_can_match_is_left_out() -> None:
    assert gateway_routes(UNIFORM + DOOR + OPEN + gateway_table("")) == [("/", {"pets-v1": 1, "pets-v2": 1})]


def test_2_10_7_without_a_policy_the_gateway_answers_403() -> None:
    text = UNIFORM + DOOR + gateway_table("")
    assert gateway_routes(text) == [("/", 403)]
    assert problems(text) == [
        "IngressGatewayRouteTable shop/way spec.routeRules[0].httpRoute.destinations[0].virtualService: no access policy"
        " lets this gateway reach VirtualService shop/pets, so it answers 403; add an AccessPolicy rule with the gateway"
        " as its source and the service as its destination"
    ]


def test_a_rule_may_be_bound_to_a_host_and_a_port() -> None:
    text = UNIFORM + DOOR + OPEN + gateway_table(", ingressGatewayHost: {name: admin, port: 8081}")
    assert gateway_routes(text, "site") == gateway_routes(text, "admin", 8080) == []
    assert len(gateway_routes(text, "admin", 8081)) == 1


def test_without_a_rewrite_the_more_specific_prefix_decides() -> None:
    inner = table(
        "t",
        f"{rule(to('pets-v1', 1), ', path: /api/v1')}, {rule(to('pets-v2', 1), ', path: /other')}, {rule(to('pets-v2', 1))}",
    )
    text = SHOP + inner + DOOR + OPEN + gateway_table(", path: /api")
    assert gateway_routes(text) == [("/api/v1", {"pets-v1": 1}), ("/api", {"pets-v2": 1})]


def test_with_a_rewrite_the_prefixes_are_joined() -> None:
    inner = table("t", f"{rule(to('pets-v1', 1), ', path: /v1')}, {rule(to('pets-v2', 1))}")
    text = SHOP + inner + DOOR + OPEN + gateway_table(", path: /api, isPathRewriteEnabled: true")
    (found,) = (one for one in resolution(text).graph.gateways[GATE].ports if one.port == 8080)
    forwards = [
        (route.path, route.action.prefix_rewrite)
        for route in found.hosts[0].routes
        if isinstance(route.action, graph.Forward)
    ]
    assert forwards == [("/api/v1", "/v1"), ("/api", "/")]


def test_a_rewrite_of_everything_rewrites_nothing() -> None:
    text = UNIFORM + DOOR + OPEN + gateway_table(", isPathRewriteEnabled: true")
    (found,) = (one for one in resolution(text).graph.gateways[GATE].ports if one.port == 8080)
    action = found.hosts[0].routes[0].action
    assert isinstance(action, graph.Forward)
    assert action.prefix_rewrite == ""


def test_a_host_rewrite_names_each_deployments_own_host() -> None:
    text = UNIFORM + DOOR + OPEN + gateway_table(", isHostRewriteEnabled: true")
    (found,) = (one for one in resolution(text).graph.gateways[GATE].ports if one.port == 8080)
    action = found.hosts[0].routes[0].action
    assert isinstance(action, graph.Forward)
    assert [share.host_rewrite for share in action.shares] == ["v1.local", "v2.local"]


def test_the_shorter_timeout_counts_and_none_is_the_longest() -> None:
    inner = table(
        "t",
        f"{rule(to('pets-v1', 1), ', path: /a, requestTimeoutInMs: 0')}, {rule(to('pets-v1', 1), ', requestTimeoutInMs: 9')}",
    )
    text = SHOP + inner + DOOR + OPEN + gateway_table(", requestTimeoutInMs: 500")
    (found,) = (one for one in resolution(text).graph.gateways[GATE].ports if one.port == 8080)
    timeouts = [route.action.timeout_ms for route in found.hosts[0].routes if isinstance(route.action, graph.Forward)]
    assert timeouts == [500, 9]


def test_2_10_2_an_unknown_host_of_the_gateway_is_named() -> None:
    assert problems(UNIFORM + DOOR + OPEN + gateway_table(", ingressGatewayHost: {name: stie}")) == [
        "IngressGatewayRouteTable shop/way spec.routeRules[0].httpRoute.ingressGatewayHost.name: IngressGateway shop/door"
        " has no host named stie, so this rule is ignored; use one of its hosts: site, admin"
    ]


def test_2_10_8_a_service_with_several_ports_must_be_told_which() -> None:
    two = UNIFORM.replace("port: 9080}]", "port: 9080}, {protocol: HTTP, port: 9081}]", 1)
    text = two + DOOR + OPEN + gateway_table("")
    assert gateway_routes(text) == []
    assert problems(text) == [
        "IngressGatewayRouteTable shop/way spec.routeRules[0].httpRoute.destinations[0].port: VirtualService shop/pets"
        " listens on several ports and none is named, so this rule is ignored; name one of its ports: 9080, 9081"
    ]


def test_a_host_name_on_two_hosts_of_a_port_belongs_to_the_first() -> None:
    twice = DOOR.replace("[admin.example.com]", "[shop.example.com, admin.example.com]")
    (eighty, _) = resolution(UNIFORM + twice).graph.gateways[GATE].ports
    assert [host.hostnames for host in eighty.hosts] == [("shop.example.com", "*.example.org"), ("admin.example.com",)]


def test_2_13_31_a_gateway_deployment_that_leaves_ports_out_is_named() -> None:
    text = (
        UNIFORM
        + DOOR
        + (
            "IngressGatewayDeployment: shop/pods\ningressGateway: {ref: {name: door}}\n"
            "deployment: {autoscaling: {minPods: 1, maxPods: 1}}\nports: [{port: 8080}]"
        )
    )
    assert problems(text) == [
        "IngressGatewayDeployment shop/pods spec.ports: port 8081 of IngressGateway shop/door is not among the ports, so"
        " nothing reaches it; add port 8081, or remove the gateway's listener"
    ]
