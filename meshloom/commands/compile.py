"""`meshloom compile`: the Envoy resources of proxies, decoded from the bytes that the server would send.

Law: one path: what is printed went through the same pass as what is served.
"""

import ipaddress
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import typer

from mesh import graph
from meshloom import choices, decoding, errors, passes
from meshloom import settings as settings_model
from meshloom.commands import capture, documents, offline
from meshloom.identity import claim
from translator import proxies
from translator import resources as resource_types
from xds import snapshot as snapshots

_TYPES = {
    "clusters": resource_types.CLUSTER,
    "endpoints": resource_types.ENDPOINTS,
    "listeners": resource_types.LISTENER,
    "routes": resource_types.ROUTES,
}


EVERYWHERE = "0.0.0.0"  # noqa: S104 - a gateway is there to be reached from everywhere


@dataclass(frozen=True, slots=True)
class Capture:
    """Where sidecars and applications would listen; an empty workload address: what the deployment's hostname says."""

    workload_address: str = ""
    application_address: str = "127.0.0.1"
    application_ports: Mapping[int, int] = field(default_factory=dict)


def captured(workload: str, application: str, mapped: Sequence[str]) -> Capture:
    """Return the capture that the options describe. Raises errors.UserError."""
    return Capture(
        capture.ip("--workload-address", workload) if workload else "",
        capture.ip("--application-address", application),
        capture.ports(mapped),
    )


def run(
    paths: Sequence[str], proxy: str | None, form: choices.Form, wanted: Capture, settings: pathlib.Path | None
) -> int:
    """Print what was compiled, and the problems on standard error; return the exit code. Raises errors.UserError."""
    found = offline.read(paths, settings_model.loaded(settings))
    for problem in found.problems:
        typer.echo(f"{problem.severity.value}: {problem}", err=True)
    made = compiled(found, proxy, wanted)
    typer.echo(documents.text(made, form), nl=False)
    return 1 if found.has_errors else 0


def compiled(found: offline.Offline, wanted: str | None, at: Capture) -> list[dict[str, Any]]:
    """Return one document a proxy, in order; `wanted` is `namespace/name` of one. Raises errors.UserError."""
    chosen = frozenset(_proxies(found.resolution.graph, wanted, at))
    if wanted and not chosen:
        raise errors.UserError(
            f"no VirtualDeployment or IngressGateway {wanted} can be compiled from this; `meshloom check` says why"
        )
    made = passes.compiled(found.resolution, chosen).snapshots
    return [_document(proxy, made[proxy]) for proxy in sorted(made, key=claim.node_id)]


def _proxies(of: graph.Graph, wanted: str | None, at: Capture) -> Iterator[proxies.Proxy]:
    """Yield the proxies of all deployments and gateways, or of those named `wanted`."""
    try:
        for ref, deployment in of.deployments.items():
            if wanted in (None, ref.key):
                workload = at.workload_address or _literal(deployment) or "127.0.0.2"
                yield claim.sidecar(ref.key, workload, at.application_address, at.application_ports)
    except ValueError as fault:
        raise errors.UserError(str(fault)) from None
    for ref in of.gateways:
        if wanted in (None, ref.key):
            yield claim.gateway(ref.key, at.workload_address or EVERYWHERE)


def _literal(deployment: graph.Deployment) -> str:
    """Return the address that the hostname of a deployment is, empty if it is a name."""
    match deployment.discovery:
        case graph.Dns(hostname):
            try:
                return str(ipaddress.ip_address(hostname))
            except ValueError:
                return ""
        case graph.Undiscovered():
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
