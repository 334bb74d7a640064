"""What is known of a mesh when a pod comes: labels of namespaces, and which pods the bindings bind to what.

Law: pure; everything is read from what was resolved, so the webhook, files and proofs of identity never disagree.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mesh import identity, resources, workloads
from mesh.problems import Ref
from mesh.resolve import Resolution
from meshloom import stats_tags
from meshloom.injector import contract
from translator import proxies

_DEPLOYMENT, _SERVICE = "spec.virtualDeployment", "spec.target.service.ref"


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


@dataclass(frozen=True, slots=True)
class Facts:
    """Labels of namespaces by name; bindings by the namespace of their pods, those that win first."""

    namespaces: Mapping[str, Mapping[str, str]]
    bindings: Mapping[str, tuple[Binding, ...]]


def basis(resolution: Resolution) -> tuple[object, ...]:
    """Return the parts of a resolution that the facts are made of: where all are the same objects, so are the facts."""
    kinds = (resources.VirtualDeploymentBinding, workloads.Service, workloads.Namespace)
    graph = resolution.graph
    return (*(resolution.inventory.of(kind) for kind in kinds), graph.deployments, graph.services, graph.meshes)


def facts(resolution: Resolution) -> Facts:
    """Return what a resolution says of pods."""
    found = resolution.inventory.of(workloads.Namespace)
    return Facts({ref.name: one.metadata.labels for ref, one in found.items()}, _bindings(resolution))


def _bindings(resolution: Resolution) -> Mapping[str, tuple[Binding, ...]]:
    by_namespace: defaultdict[str, list[Binding]] = defaultdict(list)
    written = resolution.inventory.of(resources.VirtualDeploymentBinding).values()
    for one in sorted((one for one in written if not one.is_terminating), key=_age):
        for namespace, binding in _binding(one, resolution):
            by_namespace[namespace].append(binding)
    return {namespace: tuple(several) for namespace, several in by_namespace.items()}


def _age(one: resources.VirtualDeploymentBinding) -> tuple[float, Ref]:
    born = one.metadata.creation_timestamp
    return born.timestamp() if born else 0.0, one.ref


def _binding(one: resources.VirtualDeploymentBinding, there: Resolution) -> Iterator[tuple[str, Binding]]:
    """Yield a binding and the namespace of its pods; nothing if it binds none."""
    service = there.inventory.get(there.targets(one.ref).get(_SERVICE, one.ref))
    if one.spec is None or not isinstance(service, workloads.Service) or not service.spec.selector:
        return
    labels = frozenset((*service.spec.selector.items(), *one.spec.target.service.match_labels.items()))
    yield service.metadata.namespace, _told(one, one.spec, labels, there)


def _told(
    one: resources.VirtualDeploymentBinding,
    spec: resources.VirtualDeploymentBindingSpec,
    labels: frozenset[tuple[str, str]],
    there: Resolution,
) -> Binding:
    deployment = there.targets(one.ref).get(_DEPLOYMENT)
    asked = spec.resources.model_dump(exclude_defaults=True) if spec.resources is not None else None
    level = one.metadata.annotations.get(contract.LOG_LEVEL, "")
    written = there.inventory.get(deployment) if deployment else None
    if deployment is None or written is None:
        fault = f"{_named(one, spec)} is not there, or may not be referred to"
        return Binding(one.ref, one.ref, labels, fault)
    if deployment not in there.graph.deployments:
        return Binding(one.ref, deployment, labels, f"{deployment} is not served yet; `meshloom check` says why")
    proxy = proxies.Sidecar(deployment, proxies.Transparent())
    return Binding(
        one.ref,
        deployment,
        labels,
        "",
        identity.issued_id(written),
        stats_tags.named(proxy, there.graph, _lineage(deployment, there)),
        asked,
        spec.mount_certificate_chain_from_host,
        level,
    )


def _named(one: resources.VirtualDeploymentBinding, spec: resources.VirtualDeploymentBindingSpec) -> str:
    """Return the deployment that a binding names."""
    ref = spec.virtual_deployment.ref
    if ref is None:
        return f"the VirtualDeployment {spec.virtual_deployment.id}"
    return f"VirtualDeployment {ref.namespace or one.metadata.namespace}/{ref.name}"


def _lineage(deployment: Ref, there: Resolution) -> Iterator[resources.Resource]:
    """Yield a deployment, its service and its mesh, as they are written."""
    service = there.graph.deployments[deployment].service
    refs = [deployment, service]
    if service in there.graph.services:
        refs.append(there.graph.services[service].mesh)
    yield from (item for ref in refs if (item := there.inventory.get(ref)) is not None)
