"""Finalizers: what others refer to is not gone before they are.

Law: only kinds that others refer to get a finalizer of ours; both of the original's are taken away as soon as nobody
who stays refers to an object that is being deleted. Finalizers of others are never touched.
"""

from collections.abc import Iterable
from typing import Any, Final

from mesh import resources
from mesh.problems import Ref
from meshloom.cluster import status_writer, writes
from meshloom.status.drafts import Drafts
from watchers import api_server

COMMON: Final = "finalizers.oci.oracle.com/oci-resources"
"""The second finalizer that the original put on every object; we put it on none."""

GUARDED: Final = frozenset({"Mesh", "VirtualService", "VirtualDeployment", "IngressGateway"})
"""The kinds that wait for those which refer to them (rules 3.6.1 to 3.6.4)."""


def own(kind: str) -> str:
    """Return the finalizer of a kind, as `finalizers.servicemesh.oci.oracle.com/mesh-resources`."""
    return f"finalizers.{resources.GROUP}/{kind.lower()}-resources"


def settled(kind: str, there: Iterable[str], *, is_ending: bool, is_free: bool) -> tuple[str, ...]:
    """Return the finalizers that an object should have; `is_free` says that nobody who stays refers to it."""
    listed = tuple(there)
    if is_ending:
        return tuple(one for one in listed if one not in (own(kind), COMMON)) if is_free else listed
    return (*listed, own(kind)) if kind in GUARDED and own(kind) not in listed else listed


def unsettled(refs: Iterable[Ref], drafts: Drafts) -> tuple[Ref, ...]:
    """Return those of these objects whose finalizers are not as they should be."""
    found = ((ref, drafts.get(ref)) for ref in refs)
    return tuple(
        ref
        for ref, draft in found
        if draft is not None and _should(ref, draft.finalizers, draft.facts.is_ending, drafts) != draft.finalizers
    )


def _should(ref: Ref, there: tuple[str, ...], is_ending: bool, drafts: Drafts) -> tuple[str, ...]:
    return settled(ref.kind, there, is_ending=is_ending, is_free=ref in drafts.free)


class Finalizers:
    """Puts finalizers on objects, and takes them away."""

    def __init__(self, api: api_server.ApiServer, due: writes.Writes) -> None:
        self._api, self._due = api, due

    def put(self, ref: Ref, *, is_free: bool) -> None:
        """Have the finalizers of an object settled."""
        self._due.put(ref, lambda: self._write(ref, is_free))

    async def _write(self, ref: Ref, is_free: bool) -> None:
        path = status_writer.path(ref)
        metadata = (await self._api.request("GET", path, within=status_writer.WITHIN))["metadata"]
        should = _settled_now(ref, metadata, is_free)
        if should != metadata.get("finalizers", []):
            changed = {"metadata": {"resourceVersion": metadata["resourceVersion"], "finalizers": should}}
            await self._api.request(
                "PATCH", path, body=changed, content_type=api_server.MERGE_PATCH, within=status_writer.WITHIN
            )


def _settled_now(ref: Ref, metadata: dict[str, Any], is_free: bool) -> list[str]:
    """What it was free of while it was not being deleted says nothing of now."""
    is_ending = "deletionTimestamp" in metadata
    return list(settled(ref.kind, metadata.get("finalizers", []), is_ending=is_ending, is_free=is_free))
