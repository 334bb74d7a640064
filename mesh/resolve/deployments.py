"""What is wrong with deployments, bindings and gateway deployments that only their neighbours can tell.

Law: these are findings; the graph is built whether or not there are any.
"""

from collections.abc import Iterable, Iterator

from mesh import graph, problems, resources, workloads
from mesh.hosts import Host
from mesh.problems import Problem, Ref
from mesh.resolve.references import Settled


def missing_hosts(written: resources.VirtualDeployment, service: resources.VirtualService) -> tuple[Problem, ...]:
    """Rule 2.6.4: a service has hosts if a deployment of it is called by name, that is, by all but plain TCP."""
    listeners = written.spec.listener if written.spec else ()
    named = [one.protocol.value for one in listeners if graph.FAMILIES[one.protocol] is not graph.Family.TCP]
    if not named or service.spec is None or service.spec.hosts:
        return ()
    fault = f"{service.ref} has no hosts, so nobody in the mesh can call this deployment by {named[0]}"
    return (problems.error(written.ref, "spec.listener", fault, f"add hosts to {service.ref}"),)


def protocol_conflicts(deployments: Iterable[graph.Deployment]) -> tuple[Problem, ...]:
    """Rule 2.13.24: the deployments of a service use a port for one protocol."""
    return tuple(_protocol_conflicts(tuple(deployments)))


def _protocol_conflicts(deployments: tuple[graph.Deployment, ...]) -> Iterator[Problem]:
    first: dict[int, tuple[Ref, graph.Listener]] = {}
    for item in deployments:
        for listener in item.listeners:
            ref, earlier = first.setdefault(listener.port, (item.ref, listener))
            if earlier.protocol is not listener.protocol:
                speaks = (
                    f"{listener.protocol.value} on port {listener.port}, where {ref} speaks {earlier.protocol.value}"
                )
                remedy = "use one protocol a port in all deployments of a service"
                yield problems.warning(item.ref, "spec.listener", f"it speaks {speaks}", remedy)


def shared_endpoints(deployments: Iterable[graph.Deployment]) -> tuple[Problem, ...]:
    """Rule 2.13.33: a problem for each deployment that DNS finds where it finds an earlier one of the service."""
    return tuple(_shared_endpoints(tuple(deployments)))


def _shared_endpoints(deployments: tuple[graph.Deployment, ...]) -> Iterator[Problem]:
    first: dict[tuple[str, int], Ref] = {}
    for item in deployments:
        places = _places(item)
        taken = next((place for place in places if place in first), None)
        if taken is not None:
            at = str(Host(*taken))
            fault = (
                f"DNS finds {first[taken]} at {at}, too, so requests for one of them reach both, whatever the weights"
            )
            remedy = "give each deployment a hostname of its own"
            yield problems.warning(item.ref, "spec.serviceDiscovery.hostname", fault, remedy)
        for place in places:
            first.setdefault(place, item.ref)


def _places(item: graph.Deployment) -> tuple[tuple[str, int], ...]:
    if not isinstance(item.discovery, graph.Dns):
        return ()
    return tuple((item.discovery.hostname, listener.port) for listener in item.listeners)


def unserved_host_ports(
    subject: Ref, wanted: tuple[Host, ...], deployments: tuple[graph.Deployment, ...]
) -> tuple[Problem, ...]:
    """Rule 2.13.34: a problem for each host of a service whose port none of its deployments listens on."""
    ports = sorted({listener.port for item in deployments for listener in item.listeners})
    remedy = f"name a port that is served ({', '.join(map(str, ports))}), or none, which stands for all"
    return tuple(
        problems.warning(subject, f"spec.hosts[{index}]", f"nothing listens on the port of {host}", remedy)
        for index, host in enumerate(wanted)
        if ports and host.port not in (None, *ports)
    )


def other_ports(binding: Ref, deployment: graph.Deployment, service: workloads.Service) -> Settled[None]:
    """Rule 2.13.47: a deployment listens on ports of its pods, not on those by which a Service leads to others."""
    leading = {one.port: one.target_port for one in service.spec.ports if isinstance(one.target_port, int)}
    reached = {one.target_port or one.port for one in service.spec.ports}
    return Settled(
        None,
        tuple(
            _other_port(binding, deployment, listener.port, service, leading[listener.port])
            for listener in deployment.listeners
            if listener.port in leading and listener.port not in reached
        ),
    )


def _other_port(
    binding: Ref, deployment: graph.Deployment, port: int, service: workloads.Service, leads_to: int
) -> Problem:
    fault = (
        f"{deployment.ref} listens on port {port}, which {service.ref} leads to port {leads_to} of the pods; "
        f"they are called on port {port}"
    )
    remedy = f"give both one number: the listener port {leads_to}, or the pods' application port {port}"
    return problems.warning(binding, "spec.target.service.ref", fault, remedy)


def unexposed_ports(
    written: resources.IngressGatewayDeployment, gateway: resources.IngressGateway
) -> Iterator[Problem]:
    """Rule 2.13.31: a deployment exposes each port on which its gateway listens."""
    exposed = {port.port for port in written.spec.ports} if written.spec else set()
    listened = {one.port for host in (gateway.spec.hosts if gateway.spec else ()) for one in host.listeners}
    for port in sorted(listened - exposed):
        fault = f"port {port} of {gateway.ref} is not among the ports, so nothing reaches it"
        yield problems.warning(written.ref, "spec.ports", fault, f"add port {port}, or remove the gateway's listener")
