"""What is known of a mesh when a pod comes: labels of namespaces, and which pods the bindings bind to what.

Law: pure; everything is read from what was resolved, so the webhook, files and proofs of identity never disagree.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mesh import identity, resources, workloads
from mesh.problems import Ref
from mesh.resolve import Resolution, rivals
from meshloom import stats_tags
from meshloom.injector import contract
from translator import proxies

_DEPLOYMENT, _SELECTIONS = "spec.virtualDeployment", "selections"


@dataclass(frozen=True, slots=True)
class Binding:
    """A binding of pods with these labels. `fault` says what keeps it from being ready, and is empty if nothing does.

    `resources` are those it asks for, None if it does not; `log_level` is what it says, empty if nothing.
    """

    ref: Ref
    deployment: Ref
    labels: frozenset[tuple[str, str]]
    fault: str = ""
    deployment_id: str = ""
    tags: stats_tags.Tags = ()
    resources: Mapping[str, Any] | None = None
    mounts_pki: bool = False
    log_level: str = ""
    keeps_pods: bool = False
    """Whether its pods are never evicted."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Labels of namespaces by name; bindings by the namespace of their pods, those that win first."""

    namespaces: Mapping[str, Mapping[str, str]]
    bindings: Mapping[str, tuple[Binding, ...]]


def basis(resolution: Resolution) -> tuple[object, ...]:
    """Return the parts of a resolution that the facts are made of: where all are the same objects, so are the facts."""
    kinds = (resources.VirtualDeploymentBinding, workloads.Namespace)
    of = resolution.graph
    seen = (resolution.inventory.of(kind) for kind in kinds)
    return (*seen, resolution.stages[_SELECTIONS].values, of.deployments, of.services, of.meshes)


def facts(resolution: Resolution) -> Facts:
    """Return what a resolution says of pods."""
    found = resolution.inventory.of(workloads.Namespace)
    by_namespace: defaultdict[str, list[Binding]] = defaultdict(list)
    for selection in sorted(_selections(resolution), key=lambda one: (one.age, one.ref)):
        by_namespace[selection.namespace].append(_binding(selection, resolution))
    bindings = {namespace: tuple(several) for namespace, several in by_namespace.items()}
    return Facts({ref.name: one.metadata.labels for ref, one in found.items()}, bindings)


def _selections(resolution: Resolution) -> Iterator[rivals.Selection]:
    yield from (one.value for one in resolution.stages[_SELECTIONS].values.values() if one.value is not None)


def _binding(selected: rivals.Selection, there: Resolution) -> Binding:
    written = there.inventory.of(resources.VirtualDeploymentBinding)[selected.ref]
    deployment = there.targets(selected.ref).get(_DEPLOYMENT)
    if deployment is None:
        return Binding(selected.ref, selected.ref, selected.labels, f"{_named(written)} is not there")
    if deployment not in there.graph.deployments:
        fault = f"{deployment} is not served yet; `meshloom check` says why"
        return Binding(selected.ref, deployment, selected.labels, fault)
    return _ready(selected, written, deployment, there)


def _ready(
    selected: rivals.Selection, written: resources.VirtualDeploymentBinding, deployment: Ref, there: Resolution
) -> Binding:
    spec, proxy = written.spec, proxies.Sidecar(deployment, proxies.Transparent())
    wished = spec.resources if spec else None
    return Binding(
        selected.ref,
        deployment,
        selected.labels,
        "",
        identity.issued_id(there.inventory.of(resources.VirtualDeployment)[deployment]),
        stats_tags.named(proxy, there.graph, _lineage(deployment, there)),
        wished.model_dump(exclude_defaults=True) if wished else None,
        spec.mount_certificate_chain_from_host if spec else False,
        written.metadata.annotations.get(contract.LOG_LEVEL, ""),
        not spec.pod_upgrade_enabled if spec else False,
    )


def _named(written: resources.VirtualDeploymentBinding) -> str:
    """Return the deployment that a binding names."""
    named = written.spec.virtual_deployment if written.spec else resources.RefOrId()
    if named.ref is None:
        return f"VirtualDeployment {named.id}"
    return f"VirtualDeployment {named.ref.namespace or written.metadata.namespace}/{named.ref.name}"


def _lineage(deployment: Ref, there: Resolution) -> Iterator[resources.Resource]:
    """Yield a deployment, its service and its mesh, as they are written."""
    service = there.graph.deployments[deployment].service
    refs = [deployment, service]
    if service in there.graph.services:
        refs.append(there.graph.services[service].mesh)
    yield from (item for ref in refs if (item := there.inventory.get(ref)) is not None)
