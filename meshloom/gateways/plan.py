"""What is to be done about the objects of one IngressGatewayDeployment, from what is wanted and what is there.

Law: pure. What somebody else made is never touched, whatever it is called.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from mesh.problems import Ref
from meshloom.gateways import labels

Json = dict[str, Any]


class Kind(NamedTuple):
    """Where objects of a kind are."""

    api_version: str
    plural: str


KINDS: Final[Mapping[str, Kind]] = {
    "Deployment": Kind("apps/v1", "deployments"),
    "HorizontalPodAutoscaler": Kind("autoscaling/v1", "horizontalpodautoscalers"),
    "Service": Kind("v1", "services"),
    "PodDisruptionBudget": Kind("policy/v1", "poddisruptionbudgets"),
}
"""What there may be of a gateway, in the order in which it is applied."""

OWNER: Final = "IngressGatewayDeployment"


@dataclass(frozen=True, slots=True)
class Apply:
    """An object is to be as in `body`; there is none of this name so far, or it is ours."""

    body: Mapping[str, Any]
    found: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Remove:
    """An object of ours is not wanted any more."""

    found: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Leave:
    """Another's object is in the way; `words` say whose."""

    words: str


Step = Apply | Remove | Leave


def places(owner: Ref) -> tuple[Ref, ...]:
    """Return the addresses at which a deployment may have objects."""
    space, name = owner.namespace, owner.name
    return (
        Ref("Deployment", space, labels.deployment_name(name)),
        Ref("HorizontalPodAutoscaler", space, labels.autoscaler_name(name)),
        Ref("Service", space, labels.service_name(name)),
        Ref("PodDisruptionBudget", space, labels.budget_name(name)),
    )


def step(owner_uid: str, wanted: Mapping[str, Any] | None, found: Mapping[str, Any] | None) -> Step | None:
    """Return what is to be done about one object; None: nothing, or nothing until what ends has ended."""
    if found is None:
        return Apply(wanted) if wanted else None
    if controller(found).get("uid") != owner_uid:
        return Leave(_whose(found)) if wanted else None
    if found["metadata"].get("deletionTimestamp"):
        return None
    return Apply(wanted, found) if wanted else Remove(found)


def controller(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the reference to who controls an object, empty if nobody does."""
    owners = found.get("metadata", {}).get("ownerReferences") or ()
    return next((owner for owner in owners if owner.get("controller")), {})


def owner(found: Mapping[str, Any]) -> Ref | None:
    """Return the IngressGatewayDeployment that an object belongs to, or says that it does."""
    held, metadata = controller(found), found.get("metadata", {})
    name = (
        held.get("name") if held.get("kind") == OWNER else (metadata.get("labels") or {}).get(labels.DEPLOYMENT_LABEL)
    )
    return Ref(OWNER, metadata.get("namespace", ""), name) if name else None


def ref(found: Mapping[str, Any]) -> Ref:
    """Return the address of an object."""
    metadata = found["metadata"]
    return Ref(str(found.get("kind", "")), metadata.get("namespace", ""), metadata["name"])


def fingerprint(found: Mapping[str, Any]) -> str:
    """Return what tells whether somebody has changed an object: all but its status, and how many pods there are."""
    metadata = found["metadata"]
    spec = {key: value for key, value in (found.get("spec") or {}).items() if key != "replicas"}
    kept = [metadata.get(key) for key in ("uid", "labels", "annotations", "ownerReferences", "deletionTimestamp")]
    return hashlib.blake2b(json.dumps([kept, spec], sort_keys=True).encode(), digest_size=16).hexdigest()


def _whose(found: Mapping[str, Any]) -> str:
    held, what = controller(found), ref(found)
    if not held:
        return f"{what} is there already and belongs to nobody; rename or delete it, and the gateway's is made"
    whose = f"{held.get('kind')} {held.get('name')}"
    if held.get("kind") == OWNER and what in places(Ref(OWNER, what.namespace, str(held.get("name")))):
        return f"{what} is of a former {whose}, and Kubernetes removes it; then a new one is made"
    return f"{what} is there already and belongs to {whose}; one of the two needs another name"
