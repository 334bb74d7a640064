"""The original operator itself: whether it runs, its webhooks, its definitions, its settings.

Law: pure; each function finds one sort of thing. What may belong to other services of that operator is left alone.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from meshloom.migration import facts
from meshloom.migration.facts import Document, Facts
from meshloom.migration.findings import Finding, Step, blocking, doable, known, still_open, tested

_WEBHOOKS: Final = (".servicemesh.oci.oracle.com", ".servicemesh.oci.oracle.cloud.com")
"""How the names of the original's webhooks end."""
_WITHOUT_MESH: Final = re.compile(r":v?[2-9]\d*(\.|$|-)")
"""The tag of a release of the operator that has no mesh any more."""


def running(of: Facts) -> Iterator[Finding]:
    """Yield the operator while it runs: two controllers of the same objects would undo each other's work."""
    for document in of.of("Deployment"):
        image = next((one for one in _images(document) if facts.OPERATOR in one), "")
        if not image and not document["metadata"]["name"].startswith(f"{facts.OPERATOR}-"):
            continue
        if _WITHOUT_MESH.search(image):
            yield known(facts.ref(document), f"runs {image}, a release without a mesh", "leave it as it is")
        elif (document.get("spec") or {}).get("replicas", 1):
            yield blocking(facts.ref(document), "is the original operator, and it runs", _stop(document))
        else:
            yield known(
                facts.ref(document), "is the original operator, and it is stopped", "remove it when all is done"
            )


def _stop(document: Document) -> str:
    """Return how it is stopped: one that OLM installed would be started again."""
    metadata = document["metadata"]
    at, owner = f"kubectl -n {metadata.get('namespace')}", (metadata.get("labels") or {}).get(_OLM)
    if owner is None:
        return f"stop it ({at} scale deployment {metadata['name']} --replicas=0) or upgrade it"
    removed = f"delete its Subscription ({at} get subscriptions), then {at} delete clusterserviceversion {owner}"
    warning = "that leaves the definitions, which `operator-sdk cleanup` would delete with all objects"
    return f"OLM installed it and would start it again: {removed}; {warning}; or upgrade it"


_OLM: Final = "olm.owner"
"""The label of what the Operator Lifecycle Manager has made: for which ClusterServiceVersion."""


def webhooks(of: Facts) -> Iterator[Finding]:
    """Yield the webhooks of the original: while nobody answers them, nothing of the mesh can be written."""
    for document in of.of(*facts.WEBHOOK_KINDS):
        there = [str(one.get("name", "")) for one in document.get("webhooks") or ()]
        theirs = [name for name in there if name.endswith(_WEBHOOKS)]
        if not theirs:
            continue
        ref, uid = facts.ref(document), document["metadata"].get("uid", "")
        if _OLM in (document["metadata"].get("labels") or {}):
            advice = "remove the operator's subscription and ClusterServiceVersion first, or OLM makes it again"
            yield still_open(ref, "is of the original operator, kept by OLM", advice)
        elif len(theirs) == len(there):
            step = Step(ref, f"removed {ref}")
            yield doable(ref, "sends changes to the original operator, which is gone", "it is removed", step)
        else:
            rest = [one for one in document["webhooks"] if one["name"] not in theirs]
            patch = (tested("/metadata/uid", uid), {"op": "replace", "path": "/webhooks", "value": rest})
            step = Step(ref, f"took {len(theirs)} webhooks of the mesh out of {ref}", patch)
            yield doable(ref, f"has {len(theirs)} webhooks of the mesh among others", "they are taken out", step)


def definitions(of: Facts) -> Iterator[Finding]:
    """Yield the definitions of the nine kinds: they stay, and with them all objects."""
    found = [one for one in of.of("CustomResourceDefinition") if (one.get("spec") or {}).get("group") == _GROUP]
    for document in found:
        if document["metadata"].get("deletionTimestamp"):
            fact = "is being deleted, and with it all objects of this kind"
            yield blocking(facts.ref(document), fact, "save the objects (kubectl get -o yaml) before anything else")
    if found and not of.has_our_definitions:
        fact = f"{len(found)} are those of the original"
        yield known("CustomResourceDefinitions", fact, "meshloom install replaces them in place; all objects stay")


_GROUP: Final = "servicemesh.oci.oracle.com"


def settings(of: Facts) -> Iterator[Finding]:
    """Yield the original's settings, and where they are now."""
    for document in of.of("ConfigMap"):
        if document["metadata"]["name"] == facts.CONFIG_MAP:
            data: Mapping[str, Any] = document.get("data") or {}
            yield from (_setting(document, key, data[key]) for key in _SETTINGS if data.get(key))


_SETTINGS: Final[Mapping[str, str]] = {
    "SIDECAR_IMAGE": "proxies run the image of kubernetes.injection.image; this ConfigMap counts only in the namespace "
    "of meshloom, and the original's image cannot ask meshloom for anything",
    "AUTO_UPDATE_PROXY_VERSION": "this ConfigMap counts only in the namespace of meshloom; with false running pods "
    "keep their proxies when meshloom is upgraded",
    "MDS_ENDPOINT": "proxies of meshloom do not need it; kubernetes.injection.mds_endpoint hands it on all the same",
    "CP_ENDPOINT": "it has no meaning any more: there is no cloud behind meshloom",
}


def _setting(document: Document, key: str, value: Any) -> Finding:
    return known(facts.ref(document), f"says {key}: {str(value)[:100]}", _SETTINGS[key])


def _images(document: Document) -> Iterator[str]:
    return (str(container.get("image", "")) for container in facts.containers(document))


def unread(of: Facts) -> Iterator[Finding]:
    """Yield what could not be looked at."""
    for what in of.unread:
        yield still_open(what, "could not be looked at", "ask as somebody who may, or this report is not complete")
