"""Rules for VirtualServices and VirtualDeployments."""

import pytest
import yaml

from mesh import rules
from mesh.documents import Parsed, parsed
from mesh.resources import VirtualDeployment, VirtualService
from mesh.rules import deployments, services, timeouts


def read(kind: str, spec: str) -> Parsed:
    document = {
        "apiVersion": "servicemesh.oci.oracle.com/v1beta1",
        "kind": kind,
        "metadata": {"name": "pets", "namespace": "shop"},
        "spec": yaml.safe_load(f"{{compartmentId: a, {spec}}}"),
    }
    return parsed(document)


def told(kind: str, spec: str) -> list[str]:
    found = read(kind, spec)
    assert found.resource is not None
    assert found.problems == ()
    return [f"{problem.severity_name}: {problem}" for problem in rules.object_problems(found.resource)]


def hosts(*texts: str) -> list[str]:
    return told("VirtualService", f"mesh: {{id: a}}, hosts: {list(texts)}")


# ---------------------------------------------------------------------------- hosts of a VirtualService


@pytest.mark.parametrize(
    "text", ["pets", "pets.shop.svc.cluster.local:9080", "*.pets.com", "*.com:80", "10.0.0.1", "::1"]
)
def test_2_13_9_a_host_may_be_a_name_a_wildcard_or_an_address(text: str) -> None:
    assert hosts(text) == []


def test_2_13_9_a_service_without_hosts_is_fine() -> None:
    assert hosts() == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty; write a name such as shop.example.com, or remove the item"),
        (
            "http://pets",
            "'http://pets' is a URL or a path; write the host alone, as shop.example.com",
        ),
        ("pets.*", "'pets.*' has a `*` that is not the whole first label; write it as *.example.com"),
        ("*pets.com", "'*pets.com' has a `*` that is not the whole first label; write it as *.example.com"),
        ("pêts", "'pêts' has letters outside of ASCII; write its `xn--` form"),
        ("pets:0", "'pets:0' does not end in a port from 1 to 65535; write it as shop.example.com:8080"),
        ("pets:http", "'pets:http' does not end in a port from 1 to 65535; write it as shop.example.com:8080"),
        ("pets..com", "'pets..com' is not a host name; write a name such as shop.example.com"),
        ("-pets", "'-pets' is not a host name; write a name such as shop.example.com"),
    ],
)
def test_2_13_9_a_host_that_cannot_be_read_is_an_error(text: str, words: str) -> None:
    assert hosts("cats", text) == [f"error: VirtualService shop/pets spec.hosts[1]: {words}"]


def test_2_13_10_capital_letters_are_read_as_small_ones() -> None:
    assert hosts("Pets.Shop") == [
        "warning: VirtualService shop/pets spec.hosts[0]: 'Pets.Shop' has capital letters and is compared as pets.shop; "
        "write it in lower case"
    ]


def test_2_13_11_a_host_is_listed_once() -> None:
    assert hosts("pets", "pets:80", "pets.") == [
        "warning: VirtualService shop/pets spec.hosts[2]: pets is listed twice; remove one of the two"
    ]


@pytest.mark.parametrize("text", ["*", "*:80"])
def test_2_13_13_a_service_does_not_claim_every_host(text: str) -> None:
    assert hosts(text) == [
        "error: VirtualService shop/pets spec.hosts[0]: `*` would claim every host of the mesh; "
        "name the hosts of this service, or a wildcard such as *.example.com"
    ]


# ---------------------------------------------------------------------------- VirtualDeployments


def deployment(spec: str) -> list[str]:
    return told("VirtualDeployment", f"virtualService: {{id: a}}, {spec}")


LISTENER = "listener: [{protocol: HTTP, port: 80}]"
DNS = "serviceDiscovery: {type: DNS, hostname: pets}"
AT = "VirtualDeployment shop/pets"


@pytest.mark.parametrize(
    "spec", [f"{DNS}, {LISTENER}", "name: a", "serviceDiscovery: {type: DISABLED}", "listener: []"]
)
def test_2_6_a_deployment_is_called_or_only_calls_others(spec: str) -> None:
    assert deployment(spec) == []


@pytest.mark.parametrize("hostname", ["", ", hostname: ''"])
@pytest.mark.parametrize("listener", ["", f", {LISTENER}"])
def test_2_6_1_discovery_by_dns_needs_a_hostname(hostname: str, listener: str) -> None:
    assert deployment(f"serviceDiscovery: {{type: DNS{hostname}}}{listener}") == [
        f"error: {AT} spec.serviceDiscovery.hostname: is missing, and discovery by DNS needs it; "
        "add it, or set type to DISABLED"
    ]


@pytest.mark.parametrize("listener", ["", f", {LISTENER}"])
def test_2_6_2_disabled_discovery_has_no_hostname(listener: str) -> None:
    assert deployment(f"serviceDiscovery: {{type: DISABLED, hostname: pets}}{listener}") == [
        f"error: {AT} spec.serviceDiscovery.hostname: is given, but discovery is DISABLED; "
        "remove it, or set type to DNS"
    ]


def test_2_6_3_a_deployment_with_a_hostname_has_a_listener() -> None:
    assert deployment(DNS) == [
        f"error: {AT} spec.listener: is empty, although there is a hostname; "
        "add a listener, or remove serviceDiscovery if this deployment only calls others"
    ]


@pytest.mark.parametrize("discovery", ["", "serviceDiscovery: {type: DISABLED}, "])
def test_2_6_3_a_deployment_with_a_listener_has_a_hostname(discovery: str) -> None:
    assert deployment(f"{discovery}{LISTENER}") == [
        f"error: {AT} spec.serviceDiscovery.hostname: is missing, although there is a listener; "
        "add serviceDiscovery with `type: DNS` and a hostname, or remove the listeners"
    ]


@pytest.mark.parametrize("hostname", ["*.pets", "pets:80", "a b", "http://pets"])
def test_2_13_14_a_hostname_is_one_that_dns_can_resolve(hostname: str) -> None:
    assert deployment(f"serviceDiscovery: {{type: DNS, hostname: '{hostname}'}}, {LISTENER}") == [
        f"error: {AT} spec.serviceDiscovery.hostname: '{hostname}' is not a name that DNS can resolve; "
        "write a name such as pets.shop.svc.cluster.local; the ports are those of the listeners"
    ]


def test_2_13_14_a_hostname_may_be_an_address() -> None:
    assert deployment(f"serviceDiscovery: {{type: DNS, hostname: 127.0.0.7}}, {LISTENER}") == []


def test_2_13_5_a_request_timeout_means_nothing_on_a_tcp_listener() -> None:
    listeners = (
        "[{protocol: TCP, port: 1, requestTimeoutInMs: 5, idleTimeoutInMs: 5}, "
        "{protocol: TLS_PASSTHROUGH, port: 2, requestTimeoutInMs: 0}, {protocol: HTTP2, port: 3, requestTimeoutInMs: 1}]"
    )
    assert deployment(f"{DNS}, listener: {listeners}") == [
        f"warning: {AT} spec.listener[0].requestTimeoutInMs: is ignored: a TCP listener sees bytes, not requests; "
        "remove it; idleTimeoutInMs ends connections on which nothing moves",
        f"warning: {AT} spec.listener[1].requestTimeoutInMs: is ignored: a TLS_PASSTHROUGH listener sees bytes, "
        "not requests; remove it; idleTimeoutInMs ends connections on which nothing moves",
    ]


def test_2_13_6_of_two_listeners_on_one_port_the_first_counts() -> None:
    assert deployment(f"{DNS}, listener: [{{protocol: HTTP, port: 80}}, {{protocol: TCP, port: 80}}]") == [
        f"error: {AT} spec.listener[1].port: port 80 has a listener already, and this one is ignored; "
        "remove it, or give it another port"
    ]


def test_2_13_7_a_timeout_is_one_that_a_proxy_can_count() -> None:
    listeners = "[{protocol: HTTP, port: 80, requestTimeoutInMs: 9223372036001, idleTimeoutInMs: 9223372036000}]"
    assert deployment(f"{DNS}, listener: {listeners}") == [
        f"error: {AT} spec.listener[0].requestTimeoutInMs: is longer than 292 years; write 0 for no limit"
    ]


@pytest.mark.parametrize(
    ("port", "use"),
    [
        (9901, "administration"),
        (15000, "outgoing traffic"),
        (15001, "incoming traffic"),
        (15006, "statistics"),
        (15010, "health checks"),
    ],
)
def test_2_13_8_no_listener_stands_on_a_port_of_the_sidecar(port: int, use: str) -> None:
    assert deployment(f"{DNS}, listener: [{{protocol: HTTP, port: {port}}}]") == [
        f"error: {AT} spec.listener[0].port: the proxy keeps port {port} for {use}; use another port"
    ]


def test_2_13_7_a_longer_timeout_is_cut() -> None:
    assert [timeouts.countable_ms(written) for written in (0, 5, 10**18)] == [0, 5, timeouts.LONGEST_MS]


def test_what_is_served_is_what_breaks_no_rule() -> None:
    http, tcp = "protocol: HTTP, port", "protocol: TCP, port"
    listeners = f"[{{{tcp}: 90}}, {{{http}: 15001}}, {{{http}: 80}}, {{{tcp}: 80}}]"
    resource = read("VirtualDeployment", f"virtualService: {{id: a}}, {DNS}, listener: {listeners}").resource
    assert isinstance(resource, VirtualDeployment)
    assert resource.spec is not None
    served = [(item.port, item.protocol.value) for item in deployments.served_listeners(resource.spec)]
    assert served == [(80, "HTTP"), (90, "TCP")]


@pytest.mark.parametrize(
    ("discovery", "name"),
    [
        ("{type: DNS, hostname: Pets.Shop.}", "pets.shop"),
        ("{type: DNS, hostname: 127.0.0.7}", "127.0.0.7"),
        ("{type: DNS, hostname: 'pets:80'}", ""),
        ("{type: DNS, hostname: '*.pets'}", ""),
        ("{type: DNS}", ""),
        ("{type: DISABLED, hostname: pets}", ""),
    ],
)
def test_a_hostname_that_breaks_a_rule_is_not_resolved(discovery: str, name: str) -> None:
    resource = read("VirtualDeployment", f"virtualService: {{id: a}}, serviceDiscovery: {discovery}").resource
    assert isinstance(resource, VirtualDeployment)
    assert resource.spec is not None
    assert deployments.resolvable_hostname(resource.spec) == name


def test_hosts_that_break_a_rule_are_not_claimed() -> None:
    resource = read("VirtualService", "mesh: {id: a}, hosts: ['*', Pets, 'pets:80', pets, 'a b', '*.pets']").resource
    assert isinstance(resource, VirtualService)
    assert resource.spec is not None
    assert [str(host) for host in services.claimed_hosts(resource.spec)] == ["pets", "pets:80", "*.pets"]


def test_protocols_of_several_families_live_beside_each_other() -> None:
    listeners = "[{protocol: HTTP, port: 1}, {protocol: GRPC, port: 2}, {protocol: TCP, port: 3}]"
    assert deployment(f"{DNS}, listener: {listeners}") == []
