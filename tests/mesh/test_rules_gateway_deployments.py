"""Rules for IngressGatewayDeployments."""

import pytest
import yaml

from mesh import rules
from mesh.documents import parsed


def told(ports: str, more: str = "", pods: str = "{minPods: 1, maxPods: 2}", name: str = "gate") -> list[str]:
    document = {
        "apiVersion": "servicemesh.oci.oracle.com/v1beta1",
        "kind": "IngressGatewayDeployment",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": yaml.safe_load(
            f"{{ingressGateway: {{id: a}}, deployment: {{autoscaling: {pods}}}, ports: [{ports}]{more}}}"
        ),
    }
    found = parsed(document)
    assert found.resource is not None
    assert found.problems == ()
    return [f"{problem.severity_name}: {problem}" for problem in rules.object_problems(found.resource)]


AT = "IngressGatewayDeployment shop/gate"
SERVICE = ", service: {type: LoadBalancer}"
HTTP, HTTPS = "{port: 8080, serviceport: 80, name: http}", "{port: 8443, serviceport: 443, name: https}"


def test_2_11_ports_with_and_without_a_service_are_accepted() -> None:
    assert told(f"{HTTP}, {HTTPS}, {{port: 9000}}", SERVICE) == []
    assert told("{port: 8080, serviceport: 80}", SERVICE) == []
    assert told("{port: 8080}, {port: 8443}") == []


def test_2_11_1_the_least_number_of_pods_is_not_above_the_greatest() -> None:
    assert told("{port: 8080}", pods="{minPods: 2, maxPods: 2}") == []
    assert told("{port: 8080}", pods="{minPods: 3, maxPods: 2}") == [
        f"error: {AT} spec.deployment.autoscaling.minPods: is 3, above maxPods, which is 2; lower it or raise maxPods"
    ]


def test_2_11_2_without_a_service_there_are_no_service_ports() -> None:
    assert told("{port: 9000}, {port: 8080, serviceport: 80}") == [
        f"error: {AT} spec.ports[1].serviceport: is given, but there is no service; add spec.service, or remove it"
    ]


def test_2_11_3_service_ports_share_one_protocol() -> None:
    assert told(f"{HTTP}, {{port: 8443, serviceport: 443, name: https, protocol: UDP}}", SERVICE) == [
        f"error: {AT} spec.ports: mix the protocols 'TCP' and 'UDP' in one service; "
        "use one protocol for all ports with a serviceport",
        f"warning: {AT} spec.ports[1].protocol: is UDP, but gateways listen to TCP only; write TCP",
    ]


def test_2_11_4_of_several_service_ports_each_has_a_name() -> None:
    assert told(f"{HTTP}, {{port: 8443, serviceport: 443}}", SERVICE) == [
        f"error: {AT} spec.ports[1].name: is missing, and a service with several ports needs it; "
        "add a name such as http"
    ]


def test_2_11_5_no_two_ports_have_one_name() -> None:
    assert told(f"{HTTP}, {HTTPS.replace('https', 'http')}", SERVICE) == [
        f"error: {AT} spec.ports[1].name: 'http' is the name of another port; give each port a name of its own"
    ]


def test_2_11_6_a_secret_is_listed_once() -> None:
    assert told("{port: 8080}", ", secrets: [{secretName: a}, {secretName: b}, {secretName: a}]") == [
        f"error: {AT} spec.secrets[2].secretName: 'a' is listed twice; remove one of the two"
    ]


def test_2_11_7_the_name_leaves_room_for_what_is_called_after_it() -> None:
    assert told("{port: 8080}", name="a" * 63) == []
    assert told("{port: 8080}", name="a" * 64) == [
        f"error: IngressGatewayDeployment shop/{'a' * 64} metadata.name: has 64 characters, but the label of its pods "
        "may have 63; shorten it to 63 or fewer"
    ]
    assert told(HTTP, SERVICE, name="a" * 55) == []
    assert told(HTTP, SERVICE, name="a" * 56) == [
        f"error: IngressGatewayDeployment shop/{'a' * 56} metadata.name: has 56 characters, but its Service, called "
        "after it with `-service`, may have 63; shorten it to 55 or fewer"
    ]


@pytest.mark.parametrize("name", ["my.gate", "1gate"])
def test_2_11_8_the_name_can_be_that_of_a_service(name: str) -> None:
    assert told("{port: 8080}", name=name) == []
    assert told(HTTP, SERVICE, name=name) == [
        f"error: IngressGatewayDeployment shop/{name} metadata.name: '{name}' cannot become the name of a Service; "
        "use lower-case letters, digits and `-`, beginning with a letter"
    ]


def test_2_11_9_a_service_has_a_port() -> None:
    assert told("{port: 8080}", SERVICE) == [
        f"error: {AT} spec.service: has no port, because none of spec.ports has a serviceport; "
        "add serviceport to a port, or remove the service"
    ]


def test_2_11_10_no_port_is_0_or_one_of_the_proxy() -> None:
    assert told("{port: 0, serviceport: 0}, {port: 15006}, {port: 15010}, {port: 9901}", SERVICE) == [
        f"error: {AT} spec.ports[0].port: is 0, which is no port; write the port of a listener",
        f"error: {AT} spec.ports[0].serviceport: is 0, which is no port; write a port from 1",
        f"error: {AT} spec.ports[1].port: the proxy keeps port 15006 for statistics; use another port",
        f"error: {AT} spec.ports[2].port: the proxy keeps port 15010 for health checks; use another port",
        f"error: {AT} spec.ports[3].port: the proxy keeps port 9901 for administration; use another port",
    ]


def test_2_11_11_no_port_is_given_twice() -> None:
    assert told(f"{HTTP}, {{port: 8080, serviceport: 80, name: other}}", SERVICE) == [
        f"error: {AT} spec.ports[1].port: port 8080 is listed twice; remove one of the two",
        f"error: {AT} spec.ports[1].serviceport: serviceport 80 is listed twice; "
        "give each port a serviceport of its own",
    ]


def test_2_11_12_the_protocol_is_tcp() -> None:
    assert told("{port: 8080, protocol: tcp}") == [
        f"error: {AT} spec.ports[0].protocol: is 'tcp', which Kubernetes does not know; did you mean TCP? write TCP"
    ]
    assert told("{port: 8080, protocol: HTTP}") == [
        f"error: {AT} spec.ports[0].protocol: is 'HTTP', which Kubernetes does not know; write TCP"
    ]
    assert told("{port: 8080, protocol: SCTP}") == [
        f"warning: {AT} spec.ports[0].protocol: is SCTP, but gateways listen to TCP only; write TCP"
    ]


@pytest.mark.parametrize("name", ["a" * 16, "HTTP", "80", "a--b", "-a", "a_b"])
def test_2_11_13_a_port_has_a_name_that_kubernetes_accepts(name: str) -> None:
    assert told(f"{{port: 8080, name: '{name}'}}") == [
        f"error: {AT} spec.ports[0].name: '{name}' cannot be the name of a port; "
        "use at most 15 lower-case letters, digits and single `-`, with at least one letter"
    ]


@pytest.mark.parametrize("name", ["http", "a" * 15, "h2-tls", "8080a", ""])
def test_2_11_13_usual_port_names_are_accepted(name: str) -> None:
    assert told(f"{{port: 8080, name: '{name}'}}") == []


def test_2_11_14_there_is_a_port() -> None:
    assert told("") == [
        f"warning: {AT} spec.ports: is empty, so that nobody can call the gateway; "
        "add the ports of the gateway's listeners"
    ]


@pytest.mark.parametrize("resources", ["{requests: {memory: 1Gi}}", "{}"])
def test_2_11_15_an_autoscaler_has_something_to_measure_by(resources: str) -> None:
    assert told("{port: 8080}", pods=f"{{minPods: 1, maxPods: 2, resources: {resources}}}") == [
        f"warning: {AT} spec.deployment.autoscaling.resources: asks for no cpu, so that the autoscaler has nothing to "
        "measure by; add requests.cpu"
    ]
    assert told("{port: 8080}", pods=f"{{minPods: 2, maxPods: 2, resources: {resources}}}") == []


@pytest.mark.parametrize("part", ["requests", "limits"])
def test_2_11_15_what_is_asked_for_or_limited_can_be_measured(part: str) -> None:
    assert told("{port: 8080}", pods=f"{{minPods: 1, maxPods: 2, resources: {{{part}: {{cpu: 1}}}}}}") == []


def test_2_13_17_a_secret_can_have_the_name_that_is_given() -> None:
    assert told("{port: 8080}", ", secrets: [{secretName: ServerSecret}]") == [
        f"warning: {AT} spec.secrets[0].secretName: 'ServerSecret' cannot be the name of a Secret; "
        "use lower-case letters, digits, `-` and `.`"
    ]
