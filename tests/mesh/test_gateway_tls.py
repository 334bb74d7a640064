"""How the listeners of a gateway receive, and where connections that they do not open go."""

from mesh import graph, resolve
from mesh.problems import Ref
from mesh.workloads import Secret
from tests import secrets, written

GATE = Ref("IngressGateway", "shop", "door")
EDGE, OTHER, CA = (Ref("Secret", "shop", name) for name in ("edge", "other", "ca"))
THERE = tuple(secrets.secret(ref.key, secrets.pair()) for ref in (EDGE, OTHER, CA))

SHOP = (
    written.MESH
    + """---
VirtualService: shop/pets
mesh: {ref: {name: main}}
hosts: [pets]
defaultRoutingPolicy: {type: UNIFORM}
---
VirtualDeployment: shop/pets-v1
virtualService: {ref: {name: pets}}
serviceDiscovery: {type: DNS, hostname: v1.local}
listener: [{protocol: HTTP, port: 80}, {protocol: TCP, port: 5432}, {protocol: TLS_PASSTHROUGH, port: 443}]
---
AccessPolicy: shop/open
mesh: {ref: {name: main}}
rules: [{action: ALLOW, source: {ingressGateway: {ref: {name: door}}}, destination: {allVirtualServices: {}}}]
---
"""
)


def door(*hosts: str) -> str:
    return f"{SHOP}IngressGateway: shop/door\nmesh: {{ref: {{name: main}}}}\nhosts: [{', '.join(hosts)}]\n---\n"


def host(name: str, *listeners: str, names: str = "") -> str:
    return f"{{name: {name}, hostnames: [{names or f'{name}.com'}], listeners: [{', '.join(listeners)}]}}"


def http(tls: str = "", port: int = 8443, protocol: str = "HTTP") -> str:
    return f"{{protocol: {protocol}, port: {port}{f', tls: {{{tls}}}' if tls else ''}}}"


def mode(name: str, secret: str = "edge", more: str = "") -> str:
    source = f"{{kubeSecretTlsCertificate: {{secretName: {secret}}}}}"
    return f"mode: {name}, serverCertificate: {source}{more}"


def clients(secret: str = "ca", names: str = "") -> str:
    return (
        f", clientValidation: {{trustedCaBundle: {{kubeSecretCaBundle: {{secretName: {secret}}}}}, "
        f"subjectAlternateNames: [{names}]}}"
    )


def table(name: str, *rules: str) -> str:
    return (
        f"IngressGatewayRouteTable: shop/{name}\ningressGateway: {{ref: {{name: door}}}}\n"
        f"routeRules: [{', '.join(rules)}]\n---\n"
    )


def rule(kind: str, more: str = "", port: str = "") -> str:
    return f"{{{kind}: {{destinations: [{{virtualService: {{ref: {{name: pets}}}}{port}}}]{more}}}}}"


def on(name: str, port: int = 0) -> str:
    return f", ingressGatewayHost: {{name: {name}{f', port: {port}' if port else ''}}}"


def meant(text: str, *there: Secret, settings: resolve.Settings | None = None) -> resolve.Resolution:
    seen = written.of(text).with_changes(there or THERE)
    return resolve.resolve(seen, settings=settings or resolve.Settings())


def told(text: str, *there: Secret) -> list[str]:
    return [str(problem) for problem in meant(text, *there).problems]


def ports(text: str, *there: Secret, settings: resolve.Settings | None = None) -> dict[int, graph.GatewayPort]:
    return {port.port: port for port in meant(text, *there, settings=settings).graph.gateways[GATE].ports}


def received(text: str, *there: Secret) -> list[tuple[str, graph.GatewayTls | None, bool]]:
    return [(one.name, one.tls, one.in_clear) for one in ports(text, *there)[8443].hosts]


# ---------------------------------------------------------------------------- modes


def test_a_mode_says_how_a_host_is_reached() -> None:
    text = door(
        host("a", http()),
        host("b", http("mode: DISABLED")),
        host("c", http(mode("PERMISSIVE"))),
        host("d", http(mode("TLS"))),
        host("e", http(mode("MUTUAL_TLS", more=clients(names="x.com, 'urn:y'")))),
    )
    assert received(text) == [
        ("a", None, True),
        ("b", None, True),
        ("c", graph.GatewayTls(EDGE), True),
        ("d", graph.GatewayTls(EDGE), False),
        ("e", graph.GatewayTls(EDGE, CA, ("x.com", "urn:y")), False),
    ]
    assert told(text) == []


def test_permissive_with_an_authority_checks_those_who_come_by_tls() -> None:
    assert received(door(host("a", http(mode("PERMISSIVE", more=clients()))))) == [
        ("a", graph.GatewayTls(EDGE, CA), True)
    ]


def test_mode_tls_checks_no_client_whatever_is_written_beside_it() -> None:
    assert received(door(host("a", http(mode("TLS", more=clients("nowhere")))))) == [
        ("a", graph.GatewayTls(EDGE), False)
    ]


# ---------------------------------------------------------------------------- what is missing


def test_2_9_6_a_listener_without_its_secret_is_not_served_and_the_others_are() -> None:
    text = door(host("a", http(mode("TLS", "lost"))), host("b", http(mode("TLS"))), host("c", http(port=8080)))
    found = ports(text)
    assert ([one.name for one in found[8443].hosts], found[8443].withheld) == (["b"], ("a.com",))
    assert [one.name for one in found[8080].hosts] == ["c"]
    assert told(text) == [
        "IngressGateway shop/door spec.hosts[0].listeners[0].tls.serverCertificate.kubeSecretTlsCertificate.secretName: "
        "Secret shop/lost does not exist, so this listener is not served; "
        "see that it holds tls.crt (the certificate, then those above it) and tls.key"
    ]


def test_2_9_6_a_secret_that_cannot_be_used_is_as_good_as_none() -> None:
    text = door(host("a", http(mode("MUTUAL_TLS", more=clients()))))
    broken = secrets.secret("shop/ca", {"ca.crt": b"hello"})
    assert ports(text, THERE[0], broken) == {}
    assert told(text, THERE[0], broken) == [
        "IngressGateway shop/door spec.hosts[0].listeners[0].tls.clientValidation.trustedCaBundle.kubeSecretCaBundle."
        "secretName: Secret shop/ca has a ca.crt that holds no certificates in PEM that can be read, so this listener "
        "is not served; see that it holds ca.crt (the certificates of authorities, in PEM)"
    ]


def test_2_9_7_an_id_of_the_cloud_stands_for_the_secret_that_the_settings_say() -> None:
    tls = (
        "mode: MUTUAL_TLS, serverCertificate: {ociTlsCertificate: {certificateId: ocid1.cert}}, "
        "clientValidation: {trustedCaBundle: {ociCaBundle: {caBundleId: ocid1.bundle}}}"
    )
    text = door(host("a", http(tls)))
    at = "IngressGateway shop/door spec.hosts[0].listeners[0].tls"
    remedy = "put the certificates into a Secret and name that, or map the id to one by certificates.gateway_secrets"
    assert ports(text) == {}
    assert told(text) == [
        f"{at}.clientValidation.trustedCaBundle.ociCaBundle.caBundleId: nobody has said which Secret 'ocid1.bundle' "
        f"stands for, so this listener is not served; {remedy}",
        f"{at}.serverCertificate.ociTlsCertificate.certificateId: nobody has said which Secret 'ocid1.cert' stands "
        f"for, so this listener is not served; {remedy}",
    ]
    mapped = resolve.Settings(gateway_secrets={"ocid1.cert": EDGE, "ocid1.bundle": CA})
    assert [one.tls for one in ports(text, settings=mapped)[8443].hosts] == [graph.GatewayTls(EDGE, CA)]


def test_names_without_an_authority_are_not_a_reason_to_let_everybody_in() -> None:
    tls = mode("PERMISSIVE", more=", clientValidation: {subjectAlternateNames: [x.com]}")
    assert ports(door(host("a", http(tls)))) == {}


def test_a_new_certificate_changes_nothing_of_a_gateway() -> None:
    text = door(host("a", http(mode("TLS"))))
    first = meant(text)
    again = secrets.secret("shop/edge", secrets.authority().pair())
    second = resolve.resolve(first.inventory.with_changes([again]), first, {EDGE})
    assert second.graph is first.graph


# ---------------------------------------------------------------------------- connections


def test_tcp_has_its_port_to_itself_and_goes_where_its_first_rule_says() -> None:
    text = door(host("raw", http(protocol="TCP", port=5432))) + table("t", rule("tcpRoute"))
    found = ports(text)[5432]
    assert (found.hosts, found.passages) == ((), ())
    assert found.tcp == graph.GatewayTcp(
        graph.Conduit((graph.Share(graph.Target(Ref("VirtualDeployment", "shop", "pets-v1"), 5432), 1),), 3_600_000)
    )
    assert told(text) == []


def test_tls_may_end_at_a_tcp_listener() -> None:
    text = door(host("raw", http(mode("PERMISSIVE"), 5432, "TCP"))) + table("t", rule("tcpRoute"))
    tcp = ports(text)[5432].tcp
    assert tcp is not None
    assert (tcp.tls, tcp.in_clear) == (graph.GatewayTls(EDGE), True)


def test_tls_that_is_not_opened_goes_by_name() -> None:
    text = door(
        host("a", http(protocol="TLS_PASSTHROUGH"), names="a.com, '*.a.com'"), host("b", http(mode("TLS")))
    ) + table("t", rule("tlsPassthroughRoute", on("a")), rule("httpRoute", on("b"), ", port: 80"))
    found = ports(text)[8443]
    ((passage,), (other,)) = found.passages, found.hosts
    assert passage.hostnames == ("a.com", "*.a.com")
    assert [share.target.port for share in passage.conduit.shares] == [443]
    assert other.tls == graph.GatewayTls(EDGE)
    assert told(text) == []


def closed(text: str) -> str:
    tcp = ports(text)[5432].tcp
    assert tcp is not None
    assert tcp.conduit.shares == ()
    return tcp.conduit.reason


def test_connections_that_go_nowhere_are_counted_by_the_reason() -> None:
    raw = door(host("raw", http(protocol="TCP", port=5432)))
    assert closed(raw) == "no-rule"
    assert closed(raw + table("t", rule("tcpRoute", port=", port: 5433"))) == "no-such-port"
    assert closed(raw.replace("type: UNIFORM", "type: DENY") + table("t", rule("tcpRoute"))) == "no-route"
    assert closed(raw.replace("{name: door}}}, dest", "{name: dour}}}, dest") + table("t", rule("tcpRoute"))) == (
        "no-access-policy"
    )


def test_2_10_6_to_8_what_keeps_connections_from_getting_through_is_told() -> None:
    raw = door(host("raw", http(protocol="TCP", port=5432)))
    at = "IngressGatewayRouteTable shop/t spec.routeRules[0].tcpRoute"
    assert told(raw + table("t", rule("tcpRoute", port=", port: 5433"))) == [
        f"{at}.destinations[0].port: VirtualService shop/pets has no TCP listener on port 5433, so this rule is "
        "ignored; use one of its ports: 5432"
    ]
    assert told(raw.replace("type: UNIFORM", "type: DENY") + table("t", rule("tcpRoute"))) == [
        f"{at}: VirtualService shop/pets sends connections nowhere, so that they are closed; "
        "add a rule to its route table, or set its defaultRoutingPolicy to UNIFORM"
    ]


def test_2_10_9_a_rule_that_no_connection_reaches_is_told() -> None:
    text = door(host("raw", http(protocol="TCP", port=5432)), host("other", http(protocol="TCP", port=5433)))
    first, rest = table("a", rule("tcpRoute", on("raw"))), table("b", rule("tcpRoute"), rule("tcpRoute", on("raw")))
    said = [told(text + tables) for tables in (first + table("b", rule("tcpRoute")), first + rest)]
    assert [[line for line in lines if "never reached" in line] for lines in said] == [
        [],
        [
            "IngressGatewayRouteTable shop/b spec.routeRules[1].tcpRoute: spec.routeRules[0].tcpRoute of "
            "IngressGatewayRouteTable shop/a gets all connections first, so this rule is never reached; "
            "remove one of the two, or bind them to different hosts or ports by ingressGatewayHost"
        ],
    ]
