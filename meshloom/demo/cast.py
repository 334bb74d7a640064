"""Who plays in a mesh: its gateways, and its deployments as pairs of sidecar and sample application.

Law: read from the resources alone; what the sample applications call is an annotation beside the deployment.
"""

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import yaml

from mesh import documents, resources
from mesh.problems import Ref
from meshloom import errors

CALLS = "demo.meshloom.dev/calls"
"""Annotation of a VirtualDeployment: the URLs that its sample application calls, separated by blanks."""

ADDRESS = "demo.meshloom.dev/address"
"""Annotation of an IngressGateway, or of a VirtualDeployment that nobody calls: the loopback address of its proxy."""

APPLICATION_OFFSET = 100
"""An application listens on its sidecar's address with the last number raised by this."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A sidecar and its application. Both listen on `ports`, each at an address of its own."""

    deployment: Ref
    service: Ref
    workload: str
    application: str
    ports: tuple[int, ...]
    calls: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Gate:
    """The proxy of an IngressGateway."""

    gateway: Ref
    address: str
    ports: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Cast:
    """Everyone who plays, in the order in which they are written."""

    gates: tuple[Gate, ...]
    pairs: tuple[Pair, ...]


def read_resources(*texts: str) -> tuple[resources.Resource, ...]:
    """Return the resources in YAML texts, without those that are faulty. Raises `ValueError` for what is not YAML."""
    try:
        parsed = [documents.parsed(item) for text in texts for item in yaml.safe_load_all(text) if item]
    except yaml.YAMLError as fault:
        raise ValueError(f"not YAML: {fault}") from fault
    return tuple(found.resource for found in parsed if found.resource is not None)


def cast(written: Iterable[resources.Resource]) -> Cast:
    """Return who plays in these resources. Raises `UserError` for an address that is not of this machine."""
    found = tuple(written)
    return Cast(
        gates=tuple(_gate(item) for item in found if isinstance(item, resources.IngressGateway)),
        pairs=tuple(pair for item in found if isinstance(item, resources.VirtualDeployment) for pair in _pairs(item)),
    )


def _gate(gateway: resources.IngressGateway) -> Gate:
    hosts = gateway.spec.hosts if gateway.spec else ()
    ports = sorted({listener.port for host in hosts for listener in host.listeners})
    return Gate(gateway.ref, _loopback(gateway.ref, gateway.metadata.annotations.get(ADDRESS, "")), tuple(ports))


def _pairs(deployment: resources.VirtualDeployment) -> Iterator[Pair]:
    spec, annotations = deployment.spec, deployment.metadata.annotations
    if spec is None or spec.virtual_service.ref is None:
        return
    service, namespace = spec.virtual_service.ref, deployment.metadata.namespace
    discovered = spec.service_discovery.hostname if spec.service_discovery else ""
    workload = _loopback(deployment.ref, annotations.get(ADDRESS) or discovered or "")
    yield Pair(
        deployment=deployment.ref,
        service=Ref("VirtualService", service.namespace or namespace, service.name),
        workload=workload,
        application=str(ipaddress.ip_address(workload) + APPLICATION_OFFSET),
        ports=tuple(sorted(listener.port for listener in spec.listener)),
        calls=tuple(annotations.get(CALLS, "").split()),
    )


def _loopback(subject: Ref, text: str) -> str:
    try:
        if ipaddress.IPv4Address(text).is_loopback:
            return text
    except ValueError:
        pass
    raise errors.UserError(f"{subject}: {text!r} is not a loopback address; the demo needs one, as 127.77.0.10")
