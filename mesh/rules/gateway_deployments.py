"""Rules for IngressGatewayDeployments.

Law: each function is one rule, named for what it finds; what Kubernetes would refuse later is refused here.
"""

import re
from collections.abc import Iterator

from mesh import problems
from mesh.problems import Problem, Ref
from mesh.resources import GatewayPort, IngressGatewayDeploymentSpec
from mesh.rules import names, ports, repeats, wording

LONGEST_NAME = 63
LONGEST_NAME_WITH_SERVICE = LONGEST_NAME - len("-service")
_PROTOCOLS = ("TCP", "UDP", "SCTP")
_PORT_NAME = re.compile(r"(?=.*[a-z])(?!.*--)[a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?")


def _served(spec: IngressGatewayDeploymentSpec) -> tuple[tuple[int, GatewayPort], ...]:
    return tuple((index, port) for index, port in enumerate(spec.ports) if port.serviceport is not None)


def crossed_bounds(subject: Ref, spec: IngressGatewayDeploymentSpec) -> Iterator[Problem]:
    """Rule 2.11.1: minPods is at most maxPods."""
    bounds = spec.deployment.autoscaling
    if bounds.min_pods > bounds.max_pods:
        fault = f"is {bounds.min_pods}, above maxPods, which is {bounds.max_pods}"
        yield problems.error(subject, "spec.deployment.autoscaling.minPods", fault, "lower it or raise maxPods")


def needless_service_ports(subject: Ref, spec: IngressGatewayDeploymentSpec) -> Iterator[Problem]:
    """Rule 2.11.2: without a service no port has a serviceport."""
    for index, _ in () if spec.service else _served(spec):
        field = f"spec.ports[{index}].serviceport"
        yield problems.error(subject, field, "is given, but there is no service", "add spec.service, or remove it")


def mixed_protocols(subject: Ref, spec: IngressGatewayDeploymentSpec) -> Iterator[Problem]:
    """Rule 2.11.3: ports with a serviceport share one protocol."""
    protocols = dict.fromkeys(port.protocol for _, port in _served(spec))
    if len(protocols) > 1:
        fault = f"mix the protocols {wording.both(map(wording.quoted, protocols))} in one service"
        yield problems.error(subject, "spec.ports", fault, "use one protocol for all ports with a serviceport")


def nameless_ports(subject: Ref, spec: IngressGatewayDeploymentSpec) -> Iterator[Problem]:
    """Rule 2.11.4: of several ports with a serviceport each has a name."""
    served = _served(spec)
    for index, port in served if len(served) > 1 else ():
        if not port.name:
            fault = "is missing, and a service with several ports needs it"
            yield problems.error(subject, f"spec.ports[{index}].name", fault, "add a name such as http")


def repeated_port_names(subject: Ref, spec: IngressGatewayDeploymentSpec) -> Iterator[Problem]:
    """Rule 2.11.5: no two ports have the same name."""
    seen = [port.name for port in spec.ports]
    for index in repeats.repeated(seen):
        if name := seen[index]:
            fault = f"{wording.quoted(name)} is the name of another port"
            yield problems.error(subject, f"spec.ports[{index}].name", fault, "give each port a name of its own")


def repeated_secrets(subject: Ref, spec: IngressGatewayDeploymentSpec) -> Iterator[Problem]:
    """Rule 2.11.6: a Secret is listed once."""
    seen = [secret.secret_name for secret in spec.secrets]
    for index in repeats.repeated(seen):
        fault = f"{wording.quoted(seen[index])} is listed twice"
        yield problems.error(subject, f"spec.secrets[{index}].secretName", fault, "remove one of the two")


def long_names(subject: Ref, spec: IngressGatewayDeploymentSpec) -> Iterator[Problem]:
    """Rule 2.11.7: the name is short enough for what is called after it: 63, with a service 55 characters."""
    longest = LONGEST_NAME_WITH_SERVICE if spec.service else LONGEST_NAME
    if len(subject.name) > longest:
        made = "its Service, called after it with `-service`," if spec.service else "the label of its pods"
        fault = f"has {len(subject.name)} characters, but {made} may have {LONGEST_NAME}"
        yield problems.error(subject, "metadata.name", fault, f"shorten it to {longest} or fewer")


def unusable_service_names(subject: Ref, spec: IngressGatewayDeploymentSpec) -> Iterator[Problem]:
    """Rule 2.11.8: with a service, the name can be that of a Service: no dots, and a letter first."""
    if spec.service and not names.is_service_name(subject.name[:LONGEST_NAME]):
        fault = f"{wording.quoted(subject.name)} cannot become the name of a Service"
        remedy = "use lower-case letters, digits and `-`, beginning with a letter"
        yield problems.error(subject, "metadata.name", fault, remedy)


def empty_service(subject: Ref, spec: IngressGatewayDeploymentSpec) -> Iterator[Problem]:
    """Rule 2.11.9: a service has at least one port."""
    if spec.service and not _served(spec):
        fault = "has no port, because none of spec.ports has a serviceport"
        yield problems.error(subject, "spec.service", fault, "add serviceport to a port, or remove the service")


def unusable_ports(subject: Ref, spec: IngressGatewayDeploymentSpec) -> Iterator[Problem]:
    """Rule 2.11.10: no port is 0, and none is one that the gateway's proxy keeps for itself."""
    for index, port in enumerate(spec.ports):
        field = f"spec.ports[{index}]"
        yield from ports.reserved_port_problems(subject, f"{field}.port", port.port, ports.GATEWAY)
        if port.port == 0:
            yield problems.error(subject, f"{field}.port", "is 0, which is no port", "write the port of a listener")
        if port.serviceport == 0:
            yield problems.error(subject, f"{field}.serviceport", "is 0, which is no port", "write a port from 1")


def repeated_ports(subject: Ref, spec: IngressGatewayDeploymentSpec) -> Iterator[Problem]:
    """Rule 2.11.11: no port and no serviceport is given twice for one protocol."""
    inner = {*repeats.repeated((port.port, port.protocol) for port in spec.ports)}
    outer = {*repeats.repeated((port.serviceport, port.protocol) for port in spec.ports)}
    for index, port in enumerate(spec.ports):
        if index in inner:
            field, fault = f"spec.ports[{index}].port", f"port {port.port} is listed twice"
            yield problems.error(subject, field, fault, "remove one of the two")
        if port.serviceport is not None and index in outer:
            field, fault = f"spec.ports[{index}].serviceport", f"serviceport {port.serviceport} is listed twice"
            yield problems.error(subject, field, fault, "give each port a serviceport of its own")


def odd_protocols(subject: Ref, spec: IngressGatewayDeploymentSpec) -> Iterator[Problem]:
    """Rule 2.11.12: the protocol is TCP; Kubernetes knows UDP and SCTP too, but no gateway listens to them."""
    for index, port in enumerate(spec.ports):
        field = f"spec.ports[{index}].protocol"
        if port.protocol not in _PROTOCOLS:
            fault = f"is {wording.quoted(port.protocol)}, which Kubernetes does not know"
            yield problems.error(subject, field, fault, wording.one_of(("TCP",), port.protocol))
        elif port.protocol != "TCP":
            yield problems.warning(subject, field, f"is {port.protocol}, but gateways listen to TCP only", "write TCP")


def unusable_port_names(subject: Ref, spec: IngressGatewayDeploymentSpec) -> Iterator[Problem]:
    """Rule 2.11.13: the name of a port is one that Kubernetes accepts for a container's port."""
    for index, port in enumerate(spec.ports):
        if port.name and not _PORT_NAME.fullmatch(port.name):
            fault = f"{wording.quoted(port.name)} cannot be the name of a port"
            remedy = "use at most 15 lower-case letters, digits and single `-`, with at least one letter"
            yield problems.error(subject, f"spec.ports[{index}].name", fault, remedy)


def unusable_secret_names(subject: Ref, spec: IngressGatewayDeploymentSpec) -> Iterator[Problem]:
    """Rule 2.13.17: the name of a Secret is one that a Secret can have."""
    for index, secret in enumerate(spec.secrets):
        field = f"spec.secrets[{index}].secretName"
        yield from names.secret_name_problems(subject, field, secret.secret_name)


def unreachable(subject: Ref, spec: IngressGatewayDeploymentSpec) -> Iterator[Problem]:
    """Rule 2.11.14: there is at least one port."""
    if not spec.ports:
        fault = "is empty, so that nobody can call the gateway"
        yield problems.warning(subject, "spec.ports", fault, "add the ports of the gateway's listeners")


def unmeasured(subject: Ref, spec: IngressGatewayDeploymentSpec) -> Iterator[Problem]:
    """Rule 2.11.15: resources of one's own ask for processor time where the number of pods follows it."""
    bounds = spec.deployment.autoscaling
    wished = bounds.resources
    if wished is not None and bounds.min_pods < bounds.max_pods and "cpu" not in {**wished.requests, **wished.limits}:
        fault = "asks for no cpu, so that the autoscaler has nothing to measure by"
        yield problems.warning(subject, "spec.deployment.autoscaling.resources", fault, "add requests.cpu")
