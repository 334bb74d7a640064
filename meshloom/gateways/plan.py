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
    """Something is in the way, another's object or one that is ending; `words` say what."""

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
    """Return what is to be done about one object; None: nothing."""
    if found is None:
        return Apply(wanted) if wanted else None
    is_ours, is_ending = controller(found).get("uid") == owner_uid, "deletionTimestamp" in found["metadata"]
    if not wanted:
        return Remove(found) if is_ours and not is_ending else None
    if is_ours and is_ending:
        return Leave(f"{ref(found)} is being deleted; then it is made anew")
    return Apply(wanted, found) if is_ours else Leave(_whose(found))


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


def fingerprint(found: Mapping[str, Any], body: Mapping[str, Any]) -> str:
    """Return what tells whether somebody has changed what we applied as `body`: not its status, not how many pods there
    are, not what others noted on it.
    """
    metadata = found["metadata"]
    noted = [_part(metadata.get(key), body["metadata"].get(key)) for key in ("labels", "annotations")]
    spec = {key: value for key, value in (found.get("spec") or {}).items() if key != "replicas"}
    kept = [metadata.get("uid"), metadata.get("ownerReferences"), "deletionTimestamp" in metadata, noted, spec]
    return hashlib.blake2b(json.dumps(kept, sort_keys=True).encode(), digest_size=16).hexdigest()


def is_older(one: Mapping[str, Any], other: Mapping[str, Any] | None) -> bool:
    """Return whether one state of an object was there before another, as far as versions can be compared."""
    versions = [str((each or {}).get("metadata", {}).get("resourceVersion", "")) for each in (one, other)]
    return all(version.isdecimal() for version in versions) and int(versions[0]) < int(versions[1])


def _part(noted: Mapping[str, Any] | None, wanted: Mapping[str, Any] | None) -> Mapping[str, Any]:
    return {key: (noted or {}).get(key) for key in wanted or {}}


def _whose(found: Mapping[str, Any]) -> str:
    held, what = controller(found), ref(found)
    if not held:
        return f"{what} is there already and belongs to nobody; rename or delete it, and the gateway's is made"
    whose = f"{held.get('kind')} {held.get('name')}"
    if held.get("kind") == OWNER and what in places(Ref(OWNER, what.namespace, str(held.get("name")))):
        return f"{what} is of a former {whose}, and Kubernetes removes it; then a new one is made"
    return f"{what} is there already and belongs to {whose}; one of the two needs another name"
