"""Rules that two objects break together."""

import pytest
import yaml

from mesh import inventory, resolve
from mesh.documents import parsed
from mesh.resources import Resource
from tests import written

SHOP = (
    written.MESH
    + "---"
    + written.PETS
    + """
IngressGateway: shop/door
mesh: {ref: {name: main}}
hosts:
- {name: site, hostnames: [a.com], listeners: [{protocol: HTTP, port: 8080}]}
- {name: raw, listeners: [{protocol: TCP, port: 5432}]}
---
AccessPolicy: shop/open
mesh: {ref: {name: main}}
rules: [{action: ALLOW, source: {ingressGateway: {ref: {name: door}}}, destination: {virtualService: {ref: {name: pets}}}}]
---
"""
)
UNSERVED = "are not served by this version of meshloom"


def told(*texts: str, others: tuple[Resource, ...] = ()) -> list[str]:
    there = written.of("\n---\n".join((SHOP, *texts))).with_changes(others)
    found = resolve.resolve(there)
    again = resolve.resolve(there, resolve.resolve(written.of(SHOP)))
    assert again.problems == found.problems
    return [f"{one.severity_name}: {one}" for one in found.problems if UNSERVED not in one.fault]


def table(name: str, *rules: str, more: str = "") -> str:
    return f"VirtualServiceRouteTable: shop/{name}\nvirtualService: {{ref: {{name: pets}}}}\n{more}\nrouteRules: [{', '.join(rules)}]"


def route(more: str = "", kind: str = "httpRoute") -> str:
    return f"{{{kind}: {{destinations: [{{virtualDeployment: {{ref: {{name: pets-v1}}}}, weight: 100}}]{more}}}}}"


def way(name: str, more: str = "", kind: str = "httpRoute", head: str = "") -> str:
    destination = f"destinations: [{{virtualService: {{ref: {{name: pets}}}}}}]{more}"
    return f"IngressGatewayRouteTable: shop/{name}\ningressGateway: {{ref: {{name: door}}}}\n{head}\nrouteRules: [{{{kind}: {{{destination}}}}}]"


ALL = table("all", route())
"""Without a table or a default policy there is no route."""


def test_a_sound_mesh_has_no_problems() -> None:
    assert told() == []


# ---------------------------------------------------------------------------- names


def test_2_13_22_two_services_of_a_mesh_with_one_name_are_named() -> None:
    one = "VirtualService: shop/a\nmesh: {ref: {name: main}}\nname: same"
    assert told(one, one.replace("shop/a", "shop/b")) == [
        "warning: VirtualService shop/b spec.name: 'same' is also the name of VirtualService shop/a; "
        "give each a name of its own, so that statistics and status tell them apart"
    ]


def test_2_13_22_what_belongs_to_different_owners_may_have_one_name() -> None:
    mesh = "Mesh: zoo/other\nmtls: {minimum: DISABLED}"
    one = "VirtualService: shop/a\nmesh: {ref: {name: main}}\nname: same"
    other = "VirtualService: zoo/b\nmesh: {ref: {name: other}}\nname: same"
    assert told(mesh, one, other) == []


def test_2_13_22_meshes_are_told_apart_by_their_display_names() -> None:
    assert told("Mesh: zoo/a\ndisplayName: same", "Mesh: zoo/b\ndisplayName: same") == [
        "warning: Mesh zoo/b spec.displayName: 'same' is also the name of Mesh zoo/a; "
        "give each a name of its own, so that statistics and status tell them apart"
    ]


# ---------------------------------------------------------------------------- priorities


def test_2_13_23_tables_that_match_the_same_differ_in_priority() -> None:
    assert told(table("a", route(", path: /x")), table("b", route(", path: /x/y"), route(", path: /z"))) == [
        "warning: VirtualServiceRouteTable shop/b spec.priority: is 500, as in VirtualServiceRouteTable shop/a, and both "
        "have a rule for '/x/y': that one, the older, goes first; "
        "give the two different priorities; the lower number goes first"
    ]
    assert told(table("a", route()), table("b", route(), more="priority: 500")) != []


def test_2_13_23_tables_with_different_paths_or_priorities_are_fine() -> None:
    assert told(table("a", route(", path: /x")), table("b", route(", path: /xy"))) == []
    assert told(table("a", route()), table("b", route(), more="priority: 501")) == []


def test_2_13_23_tables_of_a_gateway_may_be_for_different_hosts() -> None:
    host = ", ingressGatewayHost: {name: site}"
    assert [line for line in told(ALL, way("a", host), way("b")) if "spec.priority" in line] == [
        "warning: IngressGatewayRouteTable shop/b spec.priority: is 500, as in IngressGatewayRouteTable shop/a, and both "
        "have a rule for '/': that one, the older, goes first; "
        "give the two different priorities; the lower number goes first"
    ]
    raw = way("b", ", ingressGatewayHost: {name: raw}", "tcpRoute")
    assert not [line for line in told(ALL, way("a", host), raw) if "spec.priority" in line]


# ---------------------------------------------------------------------------- destinations and references


def test_2_3_7_a_reference_leads_to_an_object() -> None:
    assert told(table("a", route().replace("pets-v1", "pets-v9"))) == [
        "error: VirtualServiceRouteTable shop/a spec.routeRules[0].httpRoute.destinations[0].virtualDeployment: "
        "VirtualDeployment shop/pets-v9 does not exist; create a VirtualDeployment of this name in namespace shop, or "
        "correct the reference"
    ]
    assert told("VirtualService: shop/a\nmesh: {id: ocid1.mesh.oc1..x}") == [
        "error: VirtualService shop/a spec.mesh.id: no Mesh has the id ocid1.mesh.oc1..x; "
        "refer to it by `ref` with its name, or by the id that meshloom issued for it"
    ]


def test_2_3_7_a_name_that_cannot_be_printed_is_quoted() -> None:
    (line,) = told('VirtualService: shop/a\nmesh: {ref: {name: "a\\u2028b", namespace: "\\n"}}')
    assert line.startswith("error: VirtualService shop/a spec.mesh: Mesh '\\n'/'a\\u2028b' does not exist; ")


@pytest.mark.parametrize(
    ("kind", "protocol", "wanted"),
    [
        ("httpRoute", "TCP", "HTTP or HTTP2 or GRPC"),
        ("tcpRoute", "HTTP", "TCP"),
        ("tlsPassthroughRoute", "GRPC", "TLS_PASSTHROUGH"),
    ],
)
def test_2_13_25_a_route_leads_to_a_listener_of_its_kind(kind: str, protocol: str, wanted: str) -> None:
    deployment = SHOP.split("---\n")[2].replace("protocol: HTTP", f"protocol: {protocol}")
    at = f"VirtualServiceRouteTable shop/a spec.routeRules[0].{kind}.destinations[0].virtualDeployment"
    assert (
        f"error: {at}: VirtualDeployment shop/pets-v1 has no listener of protocol {wanted} for this {kind}; "
        "use the route type of its listeners' protocol"
    ) in told(deployment, table("a", route(kind=kind)))


def test_2_10_4_a_rewrite_takes_a_path_off() -> None:
    line = (
        "warning: IngressGatewayRouteTable shop/a spec.routeRules[0].httpRoute.isPathRewriteEnabled: changes nothing, "
        "because the rule matches every path; add the path to be taken off"
    )
    assert told(ALL, way("a", ", isPathRewriteEnabled: true")) == [line]
    assert told(ALL, way("a", ", path: /, isPathRewriteEnabled: true")) == [line]
    assert told(ALL, way("a", ", path: /x, isPathRewriteEnabled: true")) == []


# ---------------------------------------------------------------------------- routes of gateways


def test_2_10_3_a_rule_is_for_a_listener_that_carries_it() -> None:
    at = "IngressGatewayRouteTable shop/a spec.routeRules[0]"
    words = "IngressGateway shop/door has no listener of protocol"
    remedy = "so this rule is ignored; use the kind of route of its listeners' protocol"
    assert told(ALL, way("a", ", ingressGatewayHost: {name: raw}")) == [
        f"error: {at}.httpRoute: {words} HTTP there, {remedy}"
    ]
    assert f"error: {at}.tlsPassthroughRoute: {words} TLS_PASSTHROUGH there, {remedy}" in told(
        ALL, way("a", "", "tlsPassthroughRoute")
    )
    assert not [line for line in told(ALL, way("a", "", "tcpRoute")) if words in line]


def test_2_10_5_a_host_to_be_written_is_known() -> None:
    nowhere = SHOP.split("---\n")[2].replace("{type: DNS, hostname: v1.local}", "{type: DISABLED}")
    line = (
        "warning: IngressGatewayRouteTable shop/a spec.routeRules[0].httpRoute.isHostRewriteEnabled: VirtualDeployment "
        "shop/pets-v1 has no hostname, so that the host stays as the client wrote it; "
        "add serviceDiscovery with `type: DNS` and a hostname"
    )
    assert line in told(nowhere, ALL, way("a", ", isHostRewriteEnabled: true"))
    assert told(ALL, way("a", ", isHostRewriteEnabled: true")) == []


def test_2_10_6_a_path_of_a_gateway_leads_to_a_route() -> None:
    assert told(table("all", route(", path: /api")), way("a", ", path: /shop")) == [
        "warning: IngressGatewayRouteTable shop/a spec.routeRules[0].httpRoute: VirtualService shop/pets has no route "
        "below '/shop', so that no request is served; add a rule to its route table, set its defaultRoutingPolicy to "
        "UNIFORM, or correct the path"
    ]
    assert told(table("all", route(", path: /api")), way("a", ", path: /shop, isPathRewriteEnabled: true")) == []


# ---------------------------------------------------------------------------- bindings


def kubernetes(kind: str, namespace: str, name: str, spec: str) -> Resource:
    head = {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": namespace}}
    found = parsed({**head, "spec": yaml.safe_load(f"{{{spec}}}")}).resource
    assert found is not None
    return found


def listing(owner: str) -> Resource:
    metadata = {"name": "by-hand", "namespace": "shop", "labels": {"kubernetes.io/service-name": owner}}
    found = parsed({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": metadata}).resource
    assert found is not None
    return found


def binding(name: str, service: str = "{name: pets}", labels: str = "{}", more: str = "") -> str:
    return (
        f"VirtualDeploymentBinding: shop/{name}\nvirtualDeployment: {{ref: {{name: pets-v1}}}}\n{more}\n"
        f"target: {{service: {{ref: {service}, matchLabels: {labels}}}}}"
    )


PETS = kubernetes("Service", "shop", "pets", "selector: {app: pets}")
NARROW = kubernetes("Service", "shop", "narrow", "selector: {app: pets, version: v2}")


def rival(younger: str, older: str) -> str:
    return (
        f"warning: VirtualDeploymentBinding shop/{younger} spec.target.service: selects pods that "
        f"VirtualDeploymentBinding shop/{older} selects too, which is older: they belong to that one; "
        "narrow one of the two by matchLabels"
    )


def test_2_13_30_a_pod_has_one_binding() -> None:
    assert told(binding("a"), binding("b"), others=(PETS,)) == [rival("b", "a")]
    assert told(binding("a"), binding("b", labels="{version: v2}"), others=(PETS,)) == [rival("b", "a")]
    assert told(binding("a", labels="{version: v2}"), binding("b"), others=(PETS,)) == [rival("b", "a")]


def test_2_13_30_the_older_binding_counts() -> None:
    young = binding("a", more="created: 2030-01-01T00:00:00Z")
    assert told(young, binding("b"), others=(PETS,)) == [rival("a", "b")]


def test_2_13_30_bindings_by_different_services_are_compared_by_labels() -> None:
    assert told(binding("a"), binding("b", "{name: narrow}"), others=(PETS, NARROW)) == [rival("b", "a")]


def test_2_13_30_bindings_of_different_pods_are_fine() -> None:
    assert told(binding("a", labels="{version: v1}"), binding("b", labels="{version: v2}"), others=(PETS,)) == []
    two = kubernetes("Service", "shop", "other", "selector: {app: other}")
    assert told(binding("a"), binding("b", "{name: other}"), others=(PETS, two)) == []


def test_2_12_3_there_are_pods_that_a_binding_can_select() -> None:
    at = "warning: VirtualDeploymentBinding shop/a spec.target.service"
    whole = kubernetes("Service", "shop", "pets", "ports: []")
    assert told(binding("a"), others=(whole,)) == [
        f"{at}.ref: Service shop/pets has no selector, so that no pod belongs to it; add spec.selector to the Service, "
        "or an EndpointSlice of endpoints that are no pods"
    ]
    assert told(binding("a"), others=(whole, listing("pets"))) == []
    assert told(binding("a", labels="{app: cats}"), others=(PETS,)) == [
        f"{at}.matchLabels: asks for another 'app' than the selector of the Service, so that no pod has both; "
        "write the value of the selector, or leave the label out"
    ]


def test_2_13_47_a_deployment_listens_on_ports_of_its_pods() -> None:
    at = "warning: VirtualDeploymentBinding shop/a spec.target.service.ref"
    other = kubernetes("Service", "shop", "pets", "selector: {app: pets}, ports: [{port: 9080, targetPort: 8080}]")
    assert told(binding("a"), others=(other,)) == [
        f"{at}: VirtualDeployment shop/pets-v1 listens on port 9080, which Service shop/pets leads to port 8080 of the "
        "pods; they are called on port 9080; give both one number: the listener port 8080, or the pods' application "
        "port 9080"
    ]
    for ports in ("[{port: 80, targetPort: 9080}]", "[{port: 9080}]", "[{port: 9080, targetPort: web}]", "[]"):
        sound = kubernetes("Service", "shop", "pets", f"selector: {{app: pets}}, ports: {ports}")
        assert told(binding("a"), others=(sound,)) == []


def test_2_12_1_a_binding_without_its_service_is_named() -> None:
    assert told(binding("a")) == [
        "warning: VirtualDeploymentBinding shop/a spec.target.service.ref: Service shop/pets does not exist; "
        "create a Service of this name in namespace shop, or correct the reference"
    ]


# ---------------------------------------------------------------------------- gateway deployments


def test_2_13_32_a_secret_that_no_secret_can_be_called_is_corrected_first() -> None:
    tls = "{mode: TLS, serverCertificate: {kubeSecretTlsCertificate: {secretName: NAME}}}"
    gateway = SHOP.split("---\n")[3].replace("port: 8080", f"port: 8080, tls: {tls}")
    pods = (
        "IngressGatewayDeployment: shop/pods\ningressGateway: {ref: {name: door}}\n"
        "deployment: {autoscaling: {minPods: 1, maxPods: 1}}\nports: [{port: 8080}, {port: 5432}]"
    )
    head = "warning: IngressGatewayDeployment shop/pods spec.secrets: Secret"
    words = "which a listener of IngressGateway shop/door names, is not among the secrets, so that in a cluster the listener is not served"
    assert f"{head} tls, {words}; add secretName: tls" in told(gateway.replace("NAME", "tls"), pods)
    assert f"{head} myTls, {words}; correct the name there, which no Secret can have, and list it here" in told(
        gateway.replace("NAME", "myTls"), pods
    )


def test_a_broken_neighbour_changes_nothing_else() -> None:
    alone = resolve.resolve(written.of(SHOP)).graph
    odd = binding("a"), binding("b"), table("a", route()), table("b", route(), more="priority: 500")
    with_bindings = resolve.resolve(inventory.inventory_of(written.objects("\n---\n".join((SHOP, *odd[:2]))))).graph
    assert with_bindings == alone
