"""Whose proxies pods are: of the deployment that a binding ties them to, of the gateway for which they were made.

Law: pure, and by what the API server vouches for: labels of a pod, and owners by their uids, never by names alone. A
pod belongs to one binding, the oldest that selects it, whether or not that leads anywhere. What changed is looked at
again, and nothing else.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

from mesh import layers, resolve, resources, workloads
from mesh.layers import NEVER, Stage
from mesh.problems import Ref
from mesh.resolve import references, rivals, services
from mesh.resources import Metadata

Label = tuple[str, str]
Owners = frozenset[Ref]

NOBODY: Owners = frozenset()


class Claim(NamedTuple):
    """What a binding says: of pods with these labels, which deployment their proxies are of; None: of none that is."""

    age: services.Age
    labels: frozenset[Label]
    deployment: Ref | None


class Place(NamedTuple):
    """A namespace, and one label that all pods have that a claim is about."""

    namespace: str
    label: Label


Uid = tuple[str, str]
"""A namespace and the uid of an object in it: whoever may write in another can name the uid, but not this."""


class Made(NamedTuple):
    """A gateway, and the IngressGatewayDeployment for which its pods were made."""

    gateway: Ref
    deployment: Ref


class Owned(NamedTuple):
    """A pod by its uid, whose proxies run in it, and for which IngressGatewayDeployment it was made, if for any."""

    uid: str
    owners: Owners
    deployment: Ref | None = None


@dataclass(frozen=True, slots=True)
class Index:
    """The claims of bindings where pods are looked for, gateways by the uids of what makes their pods, and pods."""

    claims: Stage[Place, tuple[Claim, ...]] = NEVER
    gateways: Stage[Uid, Made] = NEVER
    seen: Mapping[Ref, workloads.Pod] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    pods: Mapping[Ref, Owned] = field(default_factory=lambda: MappingProxyType({}))


def index(of: resolve.Resolution, previous: Index) -> Index:
    """Return whose proxies all pods are."""
    bindings, deployments = (of.stages[f"bonds {kind.__name__}"].values for kind in _REFERRERS)
    claims = layers.grouped(previous.claims, (of.stages["selections"].values, bindings), _claims)
    made = tuple(
        of.inventory.of(kind)
        for kind in (resources.IngressGatewayDeployment, workloads.Deployment, workloads.ReplicaSet)
    )
    gateways = layers.grouped(previous.gateways, (*made, deployments), _gateways)
    seen = of.inventory.of(workloads.Pod)
    if claims.values is previous.claims.values and gateways.values is previous.gateways.values:
        pods = _patched(previous, seen, claims.values, gateways.values)
    else:
        pods = dict(_owned(seen.values(), claims.values, gateways.values))
    return Index(claims, gateways, seen, pods)


_REFERRERS = (resources.VirtualDeploymentBinding, resources.IngressGatewayDeployment)


def lost(before: Index, after: Index) -> tuple[Ref, ...]:
    """Return the pods that are not what they were."""
    if before.pods is after.pods:
        return ()
    return tuple(ref for ref in layers.changed(before.pods, after.pods) if ref in before.pods)


# ---------------------------------------------------------------------------- pods


def _patched(
    previous: Index,
    seen: Mapping[Ref, workloads.Pod],
    claims: Mapping[Place, tuple[Claim, ...]],
    made: Mapping[Uid, Made],
) -> Mapping[Ref, Owned]:
    """Return the pods where bindings and gateways are as before."""
    changed = layers.changed(previous.seen, seen)
    now = dict(_owned((seen[ref] for ref in changed if ref in seen), claims, made))
    other = [ref for ref in changed if previous.pods.get(ref) != now.get(ref)]
    if not other:
        return previous.pods
    kept = {**previous.pods, **{ref: now[ref] for ref in other if ref in now}}
    for ref in other:
        if ref not in now:
            del kept[ref]
    return kept


def _owned(
    pods: Iterable[workloads.Pod], claims: Mapping[Place, tuple[Claim, ...]], made: Mapping[Uid, Made]
) -> Iterator[tuple[Ref, Owned]]:
    """Yield those of the pods in which somebody's proxies run."""
    for pod in pods:
        gateway = _gateway(pod.metadata, made)
        owners = frozenset((*_bound(pod.metadata, claims), *((gateway.gateway,) if gateway else ())))
        if owners:
            yield pod.ref, Owned(pod.metadata.uid, owners, gateway.deployment if gateway else None)


def _bound(pod: Metadata, claims: Mapping[Place, tuple[Claim, ...]]) -> Iterator[Ref]:
    labels = pod.labels.items()
    found = [
        claim for label in labels for claim in claims.get(Place(pod.namespace, label), ()) if claim.labels <= labels
    ]
    deployment = min(found).deployment if found else None
    if deployment is not None:
        yield deployment


def _gateway(pod: Metadata, made: Mapping[Uid, Made]) -> Made | None:
    owners = ((pod.namespace, owner.uid) for owner in pod.owner_references if owner.controller)
    return next((made[owner] for owner in owners if owner in made), None)


# ---------------------------------------------------------------------------- bindings


def _claims(
    selections: Mapping[Ref, references.Settled[rivals.Selection | None]], bonds: Mapping[Ref, Any]
) -> Mapping[Place, tuple[Claim, ...]]:
    """Return the claims, each once, at the label that the fewest others have in common with it."""
    found = [(one.value, bonds[ref].value) for ref, one in selections.items() if one.value]
    common = Counter(Place(one.namespace, label) for one, _ in found for label in one.labels)
    filed: dict[Place, list[Claim]] = {}
    for one, bond in found:
        place = min((Place(one.namespace, label) for label in one.labels), key=lambda place: (common[place], place))
        filed.setdefault(place, []).append(Claim(one.age, one.labels, bond.get("spec.virtualDeployment")))
    return {place: tuple(several) for place, several in filed.items()}


# ---------------------------------------------------------------------------- gateways


def _gateways(
    gateways: Mapping[Ref, resources.IngressGatewayDeployment],
    deployments: Mapping[Ref, workloads.Deployment],
    sets: Mapping[Ref, workloads.ReplicaSet],
    bonds: Mapping[Ref, Any],
) -> Mapping[Uid, Made]:
    """Return by the uid of each ReplicaSet of a gateway's Deployment whose it is."""
    meant = {
        (ref.namespace, item.metadata.uid): Made(gateway, ref)
        for ref, item in gateways.items()
        if item.metadata.uid and (gateway := bonds[ref].value.get("spec.ingressGateway"))
    }
    made = _made("IngressGatewayDeployment", resources.API_VERSION, deployments, meant)
    return _made("Deployment", "apps/v1", sets, made)


def _made(kind: str, version: str, items: Mapping[Ref, Any], owners: Mapping[Uid, Made]) -> dict[Uid, Made]:
    """Return by namespace and uid those of the items that one of these owners, of that kind, has made."""
    return {
        (ref.namespace, item.metadata.uid): owners[ref.namespace, owner.uid]
        for ref, item in items.items()
        for owner in item.metadata.owner_references
        if owner.controller and (owner.kind, owner.api_version) == (kind, version)
        if (ref.namespace, owner.uid) in owners
    }
