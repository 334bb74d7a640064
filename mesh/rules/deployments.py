"""Rules for VirtualDeployments.

Law: each function is one rule, named for what it finds.
"""

from collections.abc import Iterator

from mesh import hosts, problems
from mesh.problems import Problem, Ref
from mesh.resources import DiscoveryType, Listener, Protocol, VirtualDeploymentSpec
from mesh.rules import ports, wording

_HOSTNAME = "spec.serviceDiscovery.hostname"
_WITHOUT_REQUESTS = (Protocol.TCP, Protocol.TLS_PASSTHROUGH)


def _hostname(spec: VirtualDeploymentSpec) -> str:
    return (spec.service_discovery and spec.service_discovery.hostname) or ""


def _discovery(spec: VirtualDeploymentSpec) -> DiscoveryType:
    return spec.service_discovery.type if spec.service_discovery else DiscoveryType.DISABLED


def missing_hostname(subject: Ref, spec: VirtualDeploymentSpec) -> Iterator[Problem]:
    """Rule 2.6.1: discovery by DNS needs a hostname."""
    if _discovery(spec) is DiscoveryType.DNS and not _hostname(spec):
        yield problems.error(
            subject, _HOSTNAME, "is missing, and discovery by DNS needs it", "add it, or set type to DISABLED"
        )


def needless_hostname(subject: Ref, spec: VirtualDeploymentSpec) -> Iterator[Problem]:
    """Rule 2.6.2: disabled discovery has no hostname."""
    if _discovery(spec) is DiscoveryType.DISABLED and _hostname(spec):
        yield problems.error(subject, _HOSTNAME, "is given, but discovery is DISABLED", "remove it, or set type to DNS")


def half_described(subject: Ref, spec: VirtualDeploymentSpec) -> Iterator[Problem]:
    """Rule 2.6.3: a deployment that is called has a hostname and a listener, one that only calls others has neither."""
    by_dns = _discovery(spec) is DiscoveryType.DNS
    if by_dns and _hostname(spec) and not spec.listener:
        yield problems.error(
            subject,
            "spec.listener",
            "is empty, although there is a hostname",
            "add a listener, or remove serviceDiscovery if this deployment only calls others",
        )
    if spec.listener and not by_dns and not _hostname(spec):
        yield problems.error(
            subject,
            _HOSTNAME,
            "is missing, although there is a listener",
            "add serviceDiscovery with `type: DNS` and a hostname, or remove the listeners",
        )


def is_discovered(spec: VirtualDeploymentSpec) -> bool:
    """Return whether others are to find a deployment."""
    return _discovery(spec) is DiscoveryType.DNS


def resolvable_hostname(spec: VirtualDeploymentSpec) -> str:
    """Return the name or address by which DNS finds the endpoints, in lower case; empty where there is none."""
    host = hosts.parsed_host(_hostname(spec))
    is_usable = host is not None and not host.is_wildcard and host.port is None
    return host.name if host is not None and is_usable and _discovery(spec) is DiscoveryType.DNS else ""


def unreadable_hostname(subject: Ref, spec: VirtualDeploymentSpec) -> Iterator[Problem]:
    """Rule 2.13.14: the hostname of a deployment is one name or address, without wildcard and port."""
    text = _hostname(spec)
    if text and _discovery(spec) is DiscoveryType.DNS and not resolvable_hostname(spec):
        yield problems.error(
            subject,
            _HOSTNAME,
            f"{wording.quoted(text)} is not a name that DNS can resolve",
            "write a name such as pets.shop.svc.cluster.local; the ports are those of the listeners",
        )


def served_listeners(spec: VirtualDeploymentSpec) -> tuple[Listener, ...]:
    """Return the listeners that count, by port: the first on each, none on a port that the sidecar keeps."""
    first = {listener.port: listener for listener in reversed(spec.listener) if listener.port not in ports.SIDECAR}
    return tuple(first[port] for port in sorted(first))


def repeated_ports(subject: Ref, spec: VirtualDeploymentSpec) -> Iterator[Problem]:
    """Rule 2.13.6: each port has one listener; of two, the first counts."""
    seen = tuple(listener.port for listener in spec.listener)
    for index, port in enumerate(seen):
        if port in seen[:index]:
            yield problems.error(
                subject,
                f"spec.listener[{index}].port",
                f"port {port} has a listener already, and this one is ignored",
                "remove it, or give it another port",
            )


def reserved_ports(subject: Ref, spec: VirtualDeploymentSpec) -> Iterator[Problem]:
    """Rule 2.13.8: no listener stands on a port that the sidecar keeps for itself."""
    for index, listener in enumerate(spec.listener):
        field = f"spec.listener[{index}].port"
        yield from ports.reserved_port_problems(subject, field, listener.port, ports.SIDECAR)


def useless_timeouts(subject: Ref, spec: VirtualDeploymentSpec) -> Iterator[Problem]:
    """Rule 2.13.5: a request timeout is set where there are requests, not on TCP and TLS_PASSTHROUGH listeners."""
    for index, listener in enumerate(spec.listener):
        if listener.protocol in _WITHOUT_REQUESTS and listener.request_timeout_in_ms is not None:
            yield problems.warning(
                subject,
                f"spec.listener[{index}].requestTimeoutInMs",
                f"is ignored: a {listener.protocol.value} listener sees bytes, not requests",
                "remove it; idleTimeoutInMs ends connections on which nothing moves",
            )
