"""The mesh as it will be once all is done that can be done: references by name, where an id says whose they are.

Law: pure. What is wrong only until then is not worth anybody's time, and what will be referred to is not free to go.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from mesh import documents, inventory, resolve, resources
from mesh.problems import Problem, Ref
from meshloom.migration import facts, leftovers
from meshloom.migration.facts import Document, Facts
from meshloom.migration.findings import Json

_READ: Final = {"Service": "v1", "Secret": "v1", "Namespace": "v1", "EndpointSlice": "discovery.k8s.io/v1"}


@dataclass(frozen=True, slots=True)
class Outlook:
    """What the mesh will mean, and what will be wrong with it."""

    resolution: resolve.Resolution
    problems: tuple[Problem, ...]


def outlook(of: Facts) -> Outlook:
    """Return how the mesh will be."""
    found = [documents.parsed(one) for one in (*named(of), *_beside(of))]
    seen = inventory.inventory_of(one.resource for one in found if one.resource)
    resolution = resolve.resolve(seen, settings=of.settings.model(in_cluster=True))
    return Outlook(resolution, (*(problem for one in found for problem in one.problems), *resolution.problems))


def named(of: Facts) -> Iterator[Document]:
    """Yield the objects of the nine kinds, those of the original's cloud by name."""
    patches: dict[Ref, list[Json]] = {}
    for finding in leftovers.by_id(of):
        for step in finding.steps:
            patches.setdefault(step.ref, []).extend(one for one in step.patch or () if one["op"] == "replace")
    for document in of.written:
        yield _patched(document, patches.get(facts.ref(document), []))


def _patched(document: Document, patch: list[Json]) -> Document:
    made = copy.deepcopy(dict(document)) if patch else document
    for one in patch:
        *way, last = one["path"].removeprefix("/").split("/")
        place: Any = made
        for step in way:
            place = place[int(step) if isinstance(place, list) else step]
        place[int(last) if isinstance(place, list) else last] = one["value"]
    return made


def _beside(of: Facts) -> Iterator[Document]:
    """Yield what there is beside the nine kinds, and documents of their group that are none of them."""
    for document in of.documents:
        is_other = document["kind"] not in resources.KINDS or document["apiVersion"] != resources.API_VERSION
        is_of_group = document["apiVersion"].startswith(f"{resources.GROUP}/")
        if is_other and (is_of_group or _READ.get(document["kind"]) == document["apiVersion"]):
            yield document
