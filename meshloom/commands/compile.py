"""`meshloom compile`: the Envoy resources of proxies, decoded from the bytes that the server would send.

Law: one path: what is printed went through the same pass as what is served.
"""

import ipaddress
import pathlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import typer

from mesh import graph
from mesh.problems import Problem, error
from meshloom import choices, decoding, errors, passes
from meshloom import settings as settings_model
from meshloom.commands import documents, offline, whereabouts
from meshloom.identity import claim
from translator import proxies, traffic
from translator import resources as resource_types
from translator.traffic import Traffic
from xds import snapshot as snapshots

_TYPES = {
    "clusters": resource_types.CLUSTER,
    "endpoints": resource_types.ENDPOINTS,
    "listeners": resource_types.LISTENER,
    "routes": resource_types.ROUTES,
    "filters": resource_types.FILTER,
    "runtimes": resource_types.RUNTIME,
}


@dataclass(frozen=True, slots=True)
class Capture:
    """Where sidecars and applications would listen; an empty workload address: what the deployment's hostname says."""

    workload_address: str = ""
    application_address: str = "127.0.0.1"
    application_ports: Mapping[int, int] = field(default_factory=dict)
    is_proxyless: bool = False
    """Whether the applications are gRPC programs without sidecars."""
    is_transparent: bool = False
    """Whether the kernel would lead the connections of applications to their sidecars."""


_ANYWHERE = Capture()


def captured(workload: str, application: str, mapped: Sequence[str], *, grpc: bool, transparent: bool) -> Capture:
    """Return the capture that the options describe. Raises errors.UserError."""
    return Capture(
        whereabouts.ip("--workload-address", workload) if workload else "",
        whereabouts.ip("--application-address", application),
        whereabouts.ports(mapped),
        grpc,
        transparent,
    )


def run(
    paths: Sequence[str], proxy: str | None, form: choices.Form, wanted: Capture, settings: pathlib.Path | None
) -> int:
    """Print what was compiled, and the problems on standard error; return the exit code. Raises errors.UserError."""
    loaded = settings_model.loaded(settings)
    found = offline.read(paths, loaded)
    for problem in found.problems:
        typer.echo(f"{problem.severity.value}: {problem}", err=True)
    chosen, impossible = proxies_of(found.resolution.graph, proxy, wanted)
    made = compiled(found, chosen, loaded.traffic.kept())
    if proxy and not made:
        unknown = f"no VirtualDeployment or IngressGateway {proxy} can be compiled from this; `meshloom check` says why"
        raise errors.UserError(str(impossible[0]) if impossible else unknown)
    for problem in impossible:
        typer.echo(f"{problem.severity.value}: {problem}", err=True)
    typer.echo(documents.text(made, form), nl=False)
    return 1 if found.has_errors or impossible else 0


def compiled(
    found: offline.Offline, chosen: frozenset[proxies.Proxy], kept: Traffic = traffic.DEFAULT
) -> list[dict[str, Any]]:
    """Return one document a proxy, in order."""
    made = passes.compiled(found.resolution, chosen, kept=kept).snapshots
    return [_document(proxy, made[proxy]) for proxy in sorted(made, key=claim.node_id)]


def proxies_of(
    of: graph.Graph, wanted: str | None = None, at: Capture = _ANYWHERE
) -> tuple[frozenset[proxies.Proxy], tuple[Problem, ...]]:
    """Return the proxies of all deployments and gateways, or of those named `wanted`, and why some cannot be.

    Where applications are gRPC programs there are no gateways.
    """
    named = [item for ref, item in of.deployments.items() if wanted in (None, ref.key)]
    if at.is_proxyless:
        return frozenset(claim.proxyless(item.ref.key) for item in named), ()
    sidecars = [_sidecar(deployment, at) for deployment in named]
    gateways = [
        claim.gateway(ref.key, at.workload_address or proxies.ANYWHERE[0])
        for ref in of.gateways
        if wanted in (None, ref.key)
    ]
    problems = tuple(one for one in sidecars if isinstance(one, Problem))
    return frozenset((*gateways, *(one for one in sidecars if not isinstance(one, Problem)))), problems


def _sidecar(deployment: graph.Deployment, at: Capture) -> proxies.Sidecar | Problem:
    if at.is_transparent:
        return claim.captured(deployment.ref.key, (), is_ipv4_only=False)
    workload = at.workload_address or _literal(deployment) or "127.0.0.2"
    try:
        return claim.sidecar(deployment.ref.key, workload, at.application_address, at.application_ports)
    except ValueError as fault:
        words, _, remedy = str(fault).partition("; ")
        return error(deployment.ref, "spec.serviceDiscovery.hostname", words, remedy)


def _literal(deployment: graph.Deployment) -> str:
    """Return the address that the hostname of a deployment is, empty if it is a name."""
    try:
        return str(ipaddress.ip_address(deployment.hostname))
    except ValueError:
        return ""


def _document(proxy: proxies.Proxy, snapshot: snapshots.Snapshot) -> dict[str, Any]:
    kinds = {
        kind: [_decoded(entry) for entry in sorted(snapshot.entries(url), key=lambda entry: entry.name)]
        for kind, url in _TYPES.items()
    }
    return {"proxy": claim.node_id(proxy), **{kind: found for kind, found in kinds.items() if found}}


def _decoded(entry: snapshots.Entry) -> dict[str, Any]:
    """Return a resource as Envoy's JSON form, with its version in front."""
    return {"version": entry.version, "resource": decoding.resource(entry)}
