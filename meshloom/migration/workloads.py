"""What runs because of the original: gateways that it deployed, pods that it put its proxy into.

Law: pure. Nothing that serves traffic is ended here; it is said how and when it is replaced.
"""

from collections.abc import Iterator
from typing import Final

from mesh.problems import Ref
from meshloom.gateways import plan
from meshloom.injector import contract
from meshloom.migration import facts
from meshloom.migration.facts import Document, Facts
from meshloom.migration.findings import Finding, known, still_open

_MADE_OF: Final = {"ReplicaSet": "Deployment"}
_RESTARTED: Final = ("Deployment", "StatefulSet", "DaemonSet")


def gateways(of: Facts) -> Iterator[Finding]:
    """Yield the objects of gateways: those of the original are taken over as they are, others are left alone."""
    there = {facts.ref(one): one for one in of.of(*plan.KINDS)}
    for document in of.of(plan.OWNER):
        owner, uid = facts.ref(document), document["metadata"].get("uid")
        found = [there[place] for place in plan.places(owner) if place in there]
        for one in found:
            if facts.controller(one).get("uid") != uid:
                advice = "rename or delete it, or meshloom makes none and says so in the status"
                yield still_open(facts.ref(one), f"has the name of an object of {owner}, but is not its own", advice)
        mine = [str(facts.ref(one)) for one in found if facts.controller(one).get("uid") == uid]
        if mine:
            advice = "meshloom takes them over in place: addresses stay, pods are replaced one after the other"
            yield known(owner, f"has {', '.join(mine)}", advice)
    yield from mounted(of)


def mounted(of: Facts) -> Iterator[Finding]:
    """Yield the Secrets that gateways had as files, which are served to them now."""
    for document in of.of(plan.OWNER):
        secrets = [str(one.get("secretName")) for one in (document.get("spec") or {}).get("secrets") or ()]
        if secrets:
            fact = f"lists {', '.join(secrets)}, which the original mounted at /etc/oci/secrets"
            yield known(facts.ref(document), fact, "meshloom serves them to the gateway; they are not mounted any more")


def pods(of: Facts) -> Iterator[Finding]:
    """Yield who runs pods with the original's proxy, which asks a cloud that does not answer any more."""
    counted: dict[tuple[str, str, str], int] = {}
    for document in of.of("Pod"):
        if any(_is_old_proxy(container) for container in facts.containers(document)):
            who = _maker(document)
            counted[who] = counted.get(who, 0) + 1
    for (namespace, kind, name), number in sorted(counted.items()):
        if (namespace, name) not in _gateway_deployments(of):
            yield _outdated(namespace, kind, name, number)


def _outdated(namespace: str, kind: str, name: str, number: int) -> Finding:
    fact = f"has {number} {'pod' if number == 1 else 'pods'} with the original's proxy"
    if kind in _RESTARTED:
        advice = f"once meshloom runs: kubectl -n {namespace} rollout restart {kind.lower()} {name}"
    else:
        advice = "once meshloom runs, let it be made anew"
    return still_open(Ref(kind, namespace, name), fact, advice)


def _gateway_deployments(of: Facts) -> frozenset[tuple[str, str]]:
    places = (plan.places(facts.ref(one))[0] for one in of.of(plan.OWNER))
    return frozenset((place.namespace, place.name) for place in places)


def _is_old_proxy(container: Document) -> bool:
    names = {str(one.get("name")) for one in container.get("env") or ()}
    return container.get("name") == contract.PROXY and contract.ADS_VARIABLE not in names


def _maker(pod: Document) -> tuple[str, str, str]:
    """Return who made a pod: a ReplicaSet is called after its Deployment, with a hash at the end."""
    metadata, owner = pod["metadata"], facts.controller(pod)
    namespace = str(metadata.get("namespace", ""))
    if not owner:
        return namespace, "Pod", str(metadata["name"])
    kind, name = str(owner.get("kind")), str(owner.get("name"))
    digest = (metadata.get("labels") or {}).get("pod-template-hash", "")
    if kind in _MADE_OF and digest and name.endswith(f"-{digest}"):
        return namespace, _MADE_OF[kind], name.removesuffix(f"-{digest}")
    return namespace, kind, name


def namespaces(of: Facts) -> Iterator[Finding]:
    """Yield the namespaces whose pods get a proxy: their label means the same to meshloom."""
    found = [one["metadata"]["name"] for one in of.of("Namespace") if _label(one) in _MEANT]
    if found:
        fact = f"the label {contract.LABEL} is on {', '.join(found)}"
        yield known("Namespaces", fact, "new pods there get the proxy of meshloom once it runs")


_MEANT: Final = (contract.ENABLED, contract.DISABLED)


def _label(document: Document) -> str:
    return str((document["metadata"].get("labels") or {}).get(contract.LABEL, ""))
