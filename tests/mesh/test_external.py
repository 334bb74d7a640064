"""What callers may reach outside of the mesh, by their policies and whatever belongs to the mesh itself."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh import external, graph, hosts, resolve
from mesh.external import NOTHING, External, Networks, Outside
from mesh.hosts import Host
from mesh.problems import Ref
from tests import written

WEB, PETS = Ref("VirtualService", "shop", "web"), Ref("VirtualService", "shop", "pets")
SHOP = (
    written.MESH
    + """
---
VirtualService: shop/web
mesh: {ref: {name: main}}
---
VirtualService: shop/pets
mesh: {ref: {name: main}}
hosts: [pets.example.com, "*.zoo.example.com", "odd.example.com:8080"]
---
IngressGateway: shop/edge
mesh: {ref: {name: main}}
hosts: [{name: all, hostnames: ["*"], listeners: [{protocol: HTTP, port: 8080, tls: {mode: DISABLED}}]}]
---
"""
)
BY_WEB = "virtualService: {ref: {name: web}}"


def policy(*rules: tuple[str, str], name: str = "outside") -> str:
    listed = ", ".join(
        f"{{action: ALLOW, source: {{{source}}}, destination: {{externalService: {{{service}}}}}}}"
        for source, service in rules
    )
    return f"AccessPolicy: shop/{name}\nmesh: {{ref: {{name: main}}}}\nrules: [{listed}]\n---\n"


def resolution(*rules: tuple[str, str], more: str = "") -> resolve.Resolution:
    return resolve.resolve(written.of(SHOP + policy(*rules) + more))


def reached(*rules: tuple[str, str], more: str = "") -> External:
    return resolution(*rules, more=more).graph.scopes[WEB].external


def http(names: str, ports: str = "") -> tuple[str, str]:
    return BY_WEB, f"httpExternalService: {{hostnames: [{names}], ports: [{ports}]}}"


def https(names: str, ports: str = "") -> tuple[str, str]:
    return BY_WEB, f"httpsExternalService: {{hostnames: [{names}], ports: [{ports}]}}"


def tcp(addresses: str, ports: str = "") -> tuple[str, str]:
    return BY_WEB, f"tcpExternalService: {{ipAddresses: [{addresses}], ports: [{ports}]}}"


def told(*rules: tuple[str, str]) -> list[str]:
    return [str(problem) for problem in resolution(*rules).problems if "external" in problem.field]


def test_without_a_policy_nothing_is_outside() -> None:
    assert resolve.resolve(written.of(SHOP)).graph.scopes[WEB].external == NOTHING


def test_names_keep_their_protocol_and_the_ports_of_all_rules_add_up() -> None:
    found = reached(http("b.example, a.example", "8080, 80"), http("a.example", "9090"), https("a.example"))
    assert found.http == (Outside("a.example", (80, 8080, 9090)), Outside("b.example", (80, 8080)))
    assert found.https == (Outside("a.example"),)


def test_no_ports_are_all_ports_whatever_other_rules_say() -> None:
    assert reached(http("a.example", "80"), http("a.example")).http == (Outside("a.example"),)


def test_exact_names_come_before_wildcards_and_long_wildcards_before_short_ones() -> None:
    found = reached(http("'*', '*.b.example', z.example, '*.example'"))
    assert [one.name for one in found.http] == ["z.example", "*.b.example", "*.example", "*"]


def test_a_port_has_the_networks_of_its_own_rules_and_of_those_for_every_port() -> None:
    found = reached(tcp("10.0.0.0/8", "5432, 5433"), tcp("fd00::/8", "5433"), tcp("192.0.2.7/32"))
    assert found.tcp == (
        Networks(("10.0.0.0/8", "192.0.2.7/32"), (5432,)),
        Networks(("10.0.0.0/8", "192.0.2.7/32", "fd00::/8"), (5433,)),
        Networks(("192.0.2.7/32",)),
    )


def test_networks_are_joined_and_a_port_that_adds_nothing_is_left_out() -> None:
    found = reached(tcp("10.0.0.0/9, 10.128.0.0/9"), tcp("10.1.0.0/16", "5432"))
    assert found.tcp == (Networks(("10.0.0.0/8",)),)


def test_rules_for_all_services_and_for_one_add_up() -> None:
    every = ("allVirtualServices: {}", "httpExternalService: {hostnames: [all.example]}")
    scopes = resolution(every, http("web.example")).graph.scopes
    assert [one.name for one in scopes[WEB].external.http] == ["all.example", "web.example"]
    assert [one.name for one in scopes[PETS].external.http] == ["all.example"]


def test_callers_with_equal_rules_share_one_scope() -> None:
    scopes = resolution(("allVirtualServices: {}", "httpExternalService: {hostnames: [a.example]}")).graph.scopes
    assert scopes[WEB] is scopes[PETS]


def test_a_gateway_reaches_nothing_outside() -> None:
    rule = ("ingressGateway: {ref: {name: edge}}", "httpExternalService: {hostnames: [a.example]}")
    assert resolution(rule).graph.scopes[Ref("IngressGateway", "shop", "edge")].external == NOTHING


def test_in_audit_what_is_outside_stays_closed() -> None:
    text = SHOP.replace("mtls:", "annotations: {meshloom.dev/access-policies: audit}\nmtls:")
    scopes = resolve.resolve(written.of(text)).graph.scopes
    assert scopes[WEB].services == (PETS, WEB)
    assert scopes[WEB].external == NOTHING


def test_what_cannot_be_read_is_left_out() -> None:
    assert reached(http("'no such.example', a.example")).http == (Outside("a.example"),)
    assert reached(https("10.0.0.1, a.example")).https == (Outside("a.example"),)
    assert reached(tcp("nowhere, 10.0.0.0/8")).tcp == (Networks(("10.0.0.0/8",)),)


@pytest.mark.parametrize(
    "name", ["pets.example.com", "a.zoo.example.com", "'*.a.zoo.example.com'", "Pets.Example.com."]
)
@pytest.mark.parametrize("kind", [http, https])
def test_2_13_39_what_belongs_to_the_mesh_is_not_outside(name, kind) -> None:
    found = reached(kind(name))
    assert found.http == found.https == ()
    (line,) = [line for line in told(kind(name)) if "belongs to" in line]
    assert line == (
        f"AccessPolicy shop/outside spec.rules[0].destination.externalService.{kind('')[1].partition(':')[0]}.hostnames[0]: "
        f"{name.strip(chr(39)).lower().rstrip('.')} belongs to VirtualService shop/pets of this mesh and is not outside of "
        "it; let the rule's destination be virtualService pets"
    )


DEPLOYMENT = """
VirtualDeployment: shop/pets-v1
virtualService: {ref: {name: pets}}
serviceDiscovery: {type: DNS, hostname: %s}
listener: [{protocol: TCP, port: 5432}]
"""


@pytest.mark.parametrize(("kind", "name"), [(https, "v1.pets.internal"), (http, "192.0.2.7")])
def test_2_13_39_where_a_deployment_is_found_is_not_outside(kind, name) -> None:
    assert reached(kind(name)).taken == ()
    made = resolution(kind(name), more=DEPLOYMENT % name)
    assert (made.graph.scopes[WEB].external.http, made.graph.scopes[WEB].external.https) == ((), ())
    assert f"{name} belongs to VirtualService shop/pets of this mesh and is not outside of it" in str(made.problems)


def test_wildcards_and_networks_know_where_deployments_are_found() -> None:
    assert Host("v1.internal") in reached(http("'*'"), more=DEPLOYMENT % "v1.internal").taken
    assert reached(tcp("192.0.2.0/24"), more=DEPLOYMENT % "192.0.2.7").taken == (Host("192.0.2.7"),)
    assert reached(tcp("192.0.3.0/24, fd00::/8"), more=DEPLOYMENT % "192.0.2.7").taken == ()


@pytest.mark.parametrize(("ports", "is_told"), [("", True), ("5432", True), ("5433", False)])
def test_2_13_41_all_addresses_leave_the_ports_of_tcp_services_to_these(ports, is_told) -> None:
    made = resolution(tcp("0.0.0.0/0", ports), more=DEPLOYMENT % "v1.internal")
    words = "0.0.0.0/0 covers the addresses of VirtualService shop/pets, too, which is called on port 5432 by TCP"
    assert any(words in str(problem) for problem in made.problems) == is_told
    assert made.graph.scopes[WEB].external.tcp


def test_a_host_of_the_mesh_for_one_port_leaves_the_others_outside() -> None:
    assert reached(http("odd.example.com")).http == (Outside("odd.example.com"),)


def test_wildcards_know_what_of_the_mesh_they_cover() -> None:
    found = reached(http("'*.example.com'"))
    assert found.taken == (Host("odd.example.com", 8080), Host("pets.example.com"), Host("*.zoo.example.com"))
    assert reached(http("'*.zoo.example.org'")).taken == ()
    assert len(reached(https("'*'")).taken) == 3


def test_hosts_that_the_caller_itself_may_call_are_not_apart() -> None:
    let = "AccessPolicy: shop/inside\nmesh: {ref: {name: main}}\nrules: [{action: ALLOW, source: {allVirtualServices: {}},"
    found = reached(http("'*'"), more=f"{let} destination: {{allVirtualServices: {{}}}}}}]\n")
    assert found.taken == ()


# ---------------------------------------------------------------------------- what is never outside


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "127.0.0.1",
        "127.255.255.255",
        "169.254.169.254",
        "224.0.0.1",
        "255.255.255.255",
        "168.63.129.16",
        "100.100.100.200",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "fe80::1",
        "ff02::1",
        "fd00:ec2::254",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
    ],
)
def test_these_are_never_outside(address) -> None:
    assert is_refused(address, external.refused())


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "10.0.0.1", "192.168.1.1", "172.16.0.1", "2001:db8::1", "fd00::1", "64:ff9b::101:101"]
)
def test_these_are_outside_unless_one_says_otherwise(address) -> None:
    assert not is_refused(address, external.refused())
    assert is_refused(address, external.refused((f"{address}/{32 if '.' in address else 128}",)))


def is_refused(address: str, refused: tuple[str, ...]) -> bool:
    return any(ipaddress.ip_address(address) in ipaddress.ip_network(network) for network in refused)


def test_the_default_of_the_settings_is_what_is_never_outside() -> None:
    assert resolve.Settings().refused == external.refused()
    assert reached(http("a.example")).refused == external.refused()


networks = st.builds(
    lambda bits, length: str(ipaddress.ip_network((bits << 24, length), strict=False)),
    st.integers(0, 255),
    st.integers(4, 12),
)
addresses = st.builds(lambda bits: str(ipaddress.ip_address(bits)), st.integers(0, 2**32 - 1))


@given(st.lists(networks, max_size=3), st.lists(networks, max_size=3), addresses)
def test_what_is_exempt_is_not_refused_and_all_else_that_is_internal_is(internal, exempt, address) -> None:
    refused = external.refused(internal, exempt)
    assert is_refused(address, refused) == (
        is_refused(address, (*external.NEVER_OUTSIDE[:8], *internal)) and not is_refused(address, tuple(exempt))
    )
    assert all(hosts.parsed_network(network) for network in refused)


def test_scopes_of_old_say_nothing_of_the_outside() -> None:
    assert graph.Scope(()).external is NOTHING
