"""Rules for AccessPolicies."""

import pytest
import yaml

from mesh import rules
from mesh.documents import parsed


def told(*access_rules: str) -> list[str]:
    document = {
        "apiVersion": "servicemesh.oci.oracle.com/v1beta1",
        "kind": "AccessPolicy",
        "metadata": {"name": "pets", "namespace": "shop"},
        "spec": yaml.safe_load(f"{{compartmentId: a, mesh: {{id: a}}, rules: [{', '.join(access_rules)}]}}"),
    }
    found = parsed(document)
    assert found.resource is not None
    assert found.problems == ()
    return [f"{problem.severity_name}: {problem}" for problem in rules.object_problems(found.resource)]


def rule(source: str = "allVirtualServices: {}", destination: str = "allVirtualServices: {}") -> str:
    return f"{{action: ALLOW, source: {{{source}}}, destination: {{{destination}}}}}"


def outside(service: str) -> list[str]:
    return told(rule(destination=f"externalService: {{{service}}}"))


AT = "AccessPolicy shop/pets spec.rules[0]"
OUTSIDE = f"{AT}.destination.externalService"
SERVICE = "virtualService: {ref: {name: a}}"
GATEWAY = "ingressGateway: {ref: {name: a}}"
EXTERNAL = "externalService: {httpExternalService: {hostnames: [a]}}"


@pytest.mark.parametrize("source", ["allVirtualServices: {}", SERVICE, GATEWAY])
@pytest.mark.parametrize("destination", ["allVirtualServices: {}", SERVICE, EXTERNAL])
def test_2_8_every_source_may_be_let_to_every_destination(source: str, destination: str) -> None:
    assert [line for line in told(rule(source, destination)) if line.startswith("error")] == []


def test_2_13_40_a_gateway_calls_nothing_outside() -> None:
    assert told(rule("allVirtualServices: {}", EXTERNAL)) == []
    assert told(rule(GATEWAY, EXTERNAL)) == [
        f"warning: {OUTSIDE}: is of no use to an ingressGateway, which calls nothing outside of the mesh; "
        "this rule is ignored; name the virtualService that calls it as the source"
    ]


def test_2_8_1_a_source_is_exactly_one_thing() -> None:
    assert told(rule(""), rule(f"{SERVICE}, {GATEWAY}")) == [
        f"error: {AT}.source: is empty; add one of allVirtualServices: {{}}, virtualService, ingressGateway",
        "error: AccessPolicy shop/pets spec.rules[1].source: has virtualService and ingressGateway at once; "
        "keep one of them",
    ]


def test_2_8_1_a_source_that_is_written_without_braces_is_empty() -> None:
    assert told(rule("allVirtualServices: null")) == [
        f"error: {AT}.source: is empty; add one of allVirtualServices: {{}}, virtualService, ingressGateway"
    ]


def test_2_8_2_what_is_outside_is_no_source() -> None:
    assert told(rule(EXTERNAL)) == [
        f"error: {AT}.source.externalService: cannot be a source, because who calls from outside cannot be recognised; "
        "name an ingressGateway and let the calls come through it"
    ]


def test_2_8_3_a_destination_is_exactly_one_thing() -> None:
    assert told(rule(destination=""), rule(destination=f"allVirtualServices: {{}}, {SERVICE}")) == [
        f"error: {AT}.destination: is empty; add one of allVirtualServices: {{}}, virtualService, externalService",
        "error: AccessPolicy shop/pets spec.rules[1].destination: has allVirtualServices and virtualService at once; "
        "keep one of them",
    ]


def test_2_8_4_a_gateway_is_no_destination() -> None:
    assert told(rule(destination=GATEWAY)) == [
        f"error: {AT}.destination.ingressGateway: cannot be a destination; name the virtualService behind the gateway"
    ]


def test_2_8_5_an_external_service_is_exactly_one_thing() -> None:
    assert outside("") == [
        f"error: {OUTSIDE}: is empty; add one of tcpExternalService, httpExternalService, httpsExternalService"
    ]
    assert outside("tcpExternalService: {ipAddresses: [10.0.0.0/8]}, httpExternalService: {hostnames: [a]}") == [
        f"error: {OUTSIDE}: has tcpExternalService and httpExternalService at once; keep one of them"
    ]


@pytest.mark.parametrize("address", ["10.0.0.0/8", "0.0.0.0/0", "10.0.0.7/32", "fd00::/8", "::/0"])
def test_2_13_15_addresses_are_networks(address: str) -> None:
    assert outside(f"tcpExternalService: {{ipAddresses: ['{address}']}}") == []


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("10.0.0.7", "warning: {}: 10.0.0.7 is read as 10.0.0.7/32; write 10.0.0.7/32"),
        ("fd00::7", "warning: {}: fd00::7 is read as fd00::7/128; write fd00::7/128"),
        (
            "10.1.2.3/8",
            "warning: {}: 10.1.2.3/8 is one address of 10.0.0.0/8, and all of that network is meant; write 10.0.0.0/8",
        ),
        ("10.0.0/8", "error: {}: '10.0.0/8' is not an address or a network; write it as 10.0.0.0/8 or fd00::/8"),
        ("", "error: {}: '' is not an address or a network; write it as 10.0.0.0/8 or fd00::/8"),
        ("pets", "error: {}: 'pets' is not an address or a network; write it as 10.0.0.0/8 or fd00::/8"),
    ],
)
def test_2_13_15_what_is_no_network_is_told(address: str, words: str) -> None:
    lines = outside(f"tcpExternalService: {{ipAddresses: ['{address}']}}")
    assert lines == [words.format(f"{OUTSIDE}.tcpExternalService.ipAddresses[0]")]


@pytest.mark.parametrize("kind", ["httpExternalService", "httpsExternalService"])
def test_2_13_9_external_hosts_are_names_or_wildcards(kind: str) -> None:
    assert outside(f"{kind}: {{hostnames: [api.example.com, '*.example.com', '*']}}") == []
    assert outside(f"{kind}: {{hostnames: ['https://api.example.com']}}") == [
        f"error: {OUTSIDE}.{kind}.hostnames[0]: 'https://api.example.com' is a URL or a path; "
        "write the host alone, as shop.example.com"
    ]


@pytest.mark.parametrize("kind", ["httpExternalService", "httpsExternalService"])
def test_2_13_12_external_hosts_have_their_ports_elsewhere(kind: str) -> None:
    assert outside(f"{kind}: {{hostnames: ['a.b:443', A.B]}}") == [
        f"warning: {OUTSIDE}.{kind}.hostnames[0]: 'a.b:443' has a port, which is ignored here; move it to ports",
        f"warning: {OUTSIDE}.{kind}.hostnames[1]: 'A.B' has capital letters and is compared as a.b; "
        "write it in lower case",
    ]


def test_2_13_16_tls_does_not_announce_addresses() -> None:
    assert outside("httpExternalService: {hostnames: [10.0.0.1]}") == []
    assert outside("httpsExternalService: {hostnames: [10.0.0.1]}") == [
        f"error: {OUTSIDE}.httpsExternalService.hostnames[0]: 10.0.0.1 is an address, which TLS does not announce, "
        "and can never match; write the name, or use tcpExternalService"
    ]
