"""Rules for IngressGateways.

Law: each function is one rule, named for what it finds.
"""

from collections.abc import Iterator

from mesh import problems, resources
from mesh.problems import Problem, Ref
from mesh.resources import GatewayHost, GatewayListener, GatewayProtocol, IngressGatewaySpec
from mesh.rules import fields, host_names, names, ports

SecretSource = resources.KubeSecretTlsCertificate | resources.KubeSecretCaBundle

LOWEST_PORT = 1024
_BY_NAME = (GatewayProtocol.HTTP, GatewayProtocol.TLS_PASSTHROUGH)


def placed_listeners(spec: IngressGatewaySpec) -> Iterator[tuple[str, GatewayHost, GatewayListener]]:
    """Yield each listener with its path, as `spec.hosts[0].listeners[1]`, and its host, in the order of the lists."""
    for index, host in enumerate(spec.hosts):
        for inner, listener in enumerate(host.listeners):
            yield f"spec.hosts[{index}].listeners[{inner}]", host, listener


def nameless_hosts(subject: Ref, spec: IngressGatewaySpec) -> Iterator[Problem]:
    """Rule 2.9.1: a host with an HTTP or TLS_PASSTHROUGH listener has at least one entry in `hostnames`."""
    for index, host in enumerate(spec.hosts):
        needing = [listener.protocol.value for listener in host.listeners if listener.protocol in _BY_NAME]
        if needing and not host.hostnames:
            yield problems.error(
                subject,
                f"spec.hosts[{index}].hostnames",
                f"is empty, and a {needing[0]} listener needs a name",
                "add the names by which clients call, or `*` for all",
            )


def low_ports(subject: Ref, spec: IngressGatewaySpec) -> Iterator[Problem]:
    """Rule 2.9.2: a gateway listens on ports from 1024, which need no privilege."""
    for at, _, listener in placed_listeners(spec):
        if listener.port < LOWEST_PORT:
            yield problems.error(
                subject,
                f"{at}.port",
                f"is {listener.port}, below {LOWEST_PORT}",
                "use a higher port and let serviceport of the IngressGatewayDeployment offer the lower one",
            )


def reserved_ports(subject: Ref, spec: IngressGatewaySpec) -> Iterator[Problem]:
    """Rule 2.13.8: no listener stands on a port that the gateway's proxy keeps for itself."""
    for at, _, listener in placed_listeners(spec):
        yield from ports.reserved_port_problems(subject, f"{at}.port", listener.port, ports.GATEWAY)


def odd_hostnames(subject: Ref, spec: IngressGatewaySpec) -> Iterator[Problem]:
    """Rules 2.13.9 to 2.13.12: host names can be read, are in lower case, are listed once, have no port."""
    for index, host in enumerate(spec.hosts):
        at = f"spec.hosts[{index}].hostnames"
        for inner, text in enumerate(host.hostnames):
            yield from host_names.host_problems(subject, f"{at}[{inner}]", text)
            yield from host_names.unused_port(subject, f"{at}[{inner}]", text, "remove it; the listeners say the port")
        yield from host_names.repeated_hosts(subject, at, host.hostnames)


def repeated_host_names(subject: Ref, spec: IngressGatewaySpec) -> Iterator[Problem]:
    """Rule 2.13.18: each host of a gateway has a name of its own."""
    seen = [host.name for host in spec.hosts]
    for index, name in enumerate(seen):
        if name in seen[:index]:
            yield problems.warning(
                subject,
                f"spec.hosts[{index}].name",
                f"is the name of spec.hosts[{seen.index(name)}] too, so that route rules reach both",
                "give each host a name of its own",
            )


def unusable_secret_names(subject: Ref, spec: IngressGatewaySpec) -> Iterator[Problem]:
    """Rule 2.13.17: the name of a Secret is one that a Secret can have."""
    certificates = fields.found(resources.KubeSecretTlsCertificate, spec)
    bundles = fields.found(resources.KubeSecretCaBundle, spec)
    placed: tuple[tuple[str, SecretSource], ...] = (*certificates, *bundles)
    for at, source in placed:
        yield from names.secret_name_problems(subject, f"{at}.secretName", source.secret_name)
