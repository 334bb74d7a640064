"""A mesh among whose documents some went wrong, judged and compiled as `meshloom check` and `meshloom compile` do it.

Law: what is found here is compared with the same mesh without the wrong documents; nothing is known beforehand.
"""

import functools
import io
import json
import pathlib
import random
import re
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import rich.console
import yaml

from mesh import graph, identity, inventory, resolve, resources, workloads
from mesh.problems import Ref
from mesh.resolve import references
from mesh.resolve.addresses import OWNER
from mesh.rules import services
from meshloom import passes
from meshloom.commands import check, offline
from meshloom.commands import compile as compiling
from meshloom.identity import claim
from tests.fuzz import mutations
from watchers import sheets

V = TypeVar("V")

ROOT = pathlib.Path(__file__).parents[2]
SLOWEST = 20.0
"""Seconds of processor time for one document, which takes some milliseconds."""
LONGEST_MESSAGE = 2000
BYSTANDER = "bystanders"

EXAMPLES = ("demo/**/*.yaml", "tests/fuzz/*.yaml", "tests/translator/cases/*/mesh.yaml")
BYSTANDERS = """
apiVersion: servicemesh.oci.oracle.com/v1beta1
kind: Mesh
metadata: {name: bystander, namespace: bystanders}
spec: {compartmentId: any, certificateAuthorities: [{id: any}], mtls: {minimum: DISABLED}}
---
apiVersion: servicemesh.oci.oracle.com/v1beta1
kind: VirtualService
metadata: {name: onlooker, namespace: bystanders}
spec: {compartmentId: any, mesh: {ref: {name: bystander}}, hosts: [onlooker], defaultRoutingPolicy: {type: UNIFORM}}
---
apiVersion: servicemesh.oci.oracle.com/v1beta1
kind: VirtualDeployment
metadata: {name: onlooker-v1, namespace: bystanders}
spec:
  compartmentId: any
  virtualService: {ref: {name: onlooker}}
  serviceDiscovery: {type: DNS, hostname: 127.77.250.1}
  listener: [{protocol: HTTP, port: 8080}]
---
apiVersion: servicemesh.oci.oracle.com/v1beta1
kind: AccessPolicy
metadata: {name: onlookers, namespace: bystanders}
spec:
  compartmentId: any
  mesh: {ref: {name: bystander}}
  rules: [{action: ALLOW, source: {allVirtualServices: {}}, destination: {allVirtualServices: {}}}]
---
apiVersion: servicemesh.oci.oracle.com/v1beta1
kind: IngressGateway
metadata: {name: onlookers-door, namespace: bystanders}
spec:
  compartmentId: any
  mesh: {ref: {name: bystander}}
  hosts: [{name: all, hostnames: ["*"], listeners: [{protocol: HTTP, port: 8080}]}]
"""


@dataclass(frozen=True, slots=True)
class World:
    """A mesh that is right: its documents as text, and what they mean, beside a mesh that has nothing to do with it."""

    name: str
    texts: tuple[str, ...]
    sheets: tuple[sheets.Sheet, ...]
    resolution: resolve.Resolution
    compiled: passes.Snapshots


@functools.cache
def worlds() -> tuple[World, ...]:
    """Return the meshes of the demo, of the examples and of the golden cases."""
    paths = (path for pattern in EXAMPLES for path in sorted(ROOT.glob(pattern)))
    found = ((str(path.relative_to(ROOT)), documents(path.read_text())) for path in paths)
    return tuple(_world(name, texts) for name, texts in found if texts)


def documents(text: str) -> tuple[str, ...]:
    """Return the text of each document that is an object of a kind that is read."""
    return tuple(part for part in re.split(r"^---.*$", text, flags=re.MULTILINE) if _is_read(part))


def _is_read(text: str) -> bool:
    document = yaml.safe_load(text)
    return isinstance(document, dict) and document.get("kind") in {*resources.KINDS, *workloads.WORKLOADS}


def _world(name: str, texts: tuple[str, ...]) -> World:
    listed = (
        sheets.sheet("bystanders.yaml", BYSTANDERS),
        *(sheets.sheet(f"{name}-{number}", text) for number, text in enumerate(texts)),
    )
    resolution = resolve.resolve(inventory.inventory_of(sheets.reading(listed).resources))
    return World(name, texts, listed, resolution, _compiled(resolution))


def _compiled(resolution: resolve.Resolution) -> passes.Snapshots:
    wanted = compiling.proxies_of(resolution.graph)[0]
    return passes.compiled(resolution, wanted).snapshots


# ---------------------------------------------------------------------------- one batch


def faults(world: World, texts: tuple[str, ...], is_table_wanted: bool = False) -> list[str]:
    """Return what is wrong with meshloom, shown by these documents in front of those of a mesh; [] is hoped for.

    An exception is not caught: it says more than any text.
    """
    listed = [_timed(functools.partial(sheets.sheet, f"odd-{number}.yaml", text)) for number, text in enumerate(texts)]
    slow = [f"document {number} took {taken:.1f} s" for number, (_, taken) in enumerate(listed) if taken > SLOWEST]
    odd = tuple(sheet for sheet, _ in listed)
    reading = sheets.reading((*odd, *world.sheets))
    resolution, taken = _timed(lambda: resolve.resolve(inventory.inventory_of(reading.resources)))
    found = offline.Offline(reading, resolution, (*reading.problems, *resolution.problems))
    return [
        *slow,
        *([f"resolving took {taken:.1f} s"] if taken > SLOWEST else []),
        *_unclear(found),
        *_untold(odd, found),
        *_unlisted(found, is_table_wanted),
        *_disturbed(world, resolution),
        *(fault for item in _first_at_each_address(odd) for fault in _entangled(world, item)),
    ]


def _timed(work: Callable[[], V]) -> tuple[V, float]:
    begun = time.process_time()
    return work(), time.process_time() - begun


# ---------------------------------------------------------------------------- what people are told


def _unclear(found: offline.Offline) -> Iterator[str]:
    """Yield the problems that do not say in one readable line what is wrong and what to do."""
    for problem in found.problems:
        said = str(problem)
        if not (problem.fault and problem.remedy and said.isprintable() and len(said) <= LONGEST_MESSAGE):
            yield f"unclear: {said[:300]!r} ({len(said)} characters)"


def _untold(odd: tuple[sheets.Sheet, ...], found: offline.Offline) -> Iterator[str]:
    """Yield the documents that are not used and of which nothing is said."""
    for sheet in odd:
        if sheet.faulty and not sheet.problems:
            yield f"nothing is said about {sheet.path}"
    if any(sheet.uncertain for sheet in odd) and not found.has_errors:
        yield "a document that cannot be read is no error"


def _unlisted(found: offline.Offline, is_table_wanted: bool) -> Iterator[str]:
    """Yield the problems that `meshloom check` leaves out."""
    told = json.loads(check.as_json(found))
    if len(told["problems"]) != len(found.problems):
        yield "the list lacks problems"
    if is_table_wanted:
        console = rich.console.Console(file=io.StringIO(), width=check.WIDTH)
        check.as_table(found, console)


# ---------------------------------------------------------------------------- what others suffer


def _disturbed(world: World, resolution: resolve.Resolution) -> Iterator[str]:
    """Yield the proxies that get something else than before although all that they depend on is as it was."""
    before, after = world.resolution.graph, resolution.graph
    now = _compiled(resolution)
    for proxy, snapshot in world.compiled.items():
        owner = claim.owner(proxy)
        is_apart = owner.namespace == BYSTANDER or _depends_on(before, owner) == _depends_on(after, owner)
        if is_apart and now.get(proxy) != snapshot:
            yield f"{claim.node_id(proxy)} gets something else"


def _depends_on(meant: graph.Graph, owner: Ref) -> tuple[object, ...]:
    """Return all parts of a graph that the configuration of a deployment or gateway is made from."""
    own = meant.deployments.get(owner) or meant.gateways.get(owner)
    home = own.service if isinstance(own, graph.Deployment) else owner
    scope = meant.scopes.get(home)
    reached = [meant.services.get(ref) for ref in (*(scope.services if scope else ()), home)]
    there = (meant.deployments, meant.endpoints)
    behind = [[each.get(ref) for each in there for ref in item.deployments] for item in reached if item]
    mesh = [meant.meshes.get(item.mesh) for item in reached if item]
    return own, meant.services.get(home), scope, meant.callers.get(home), reached, behind, mesh


def _first_at_each_address(odd: tuple[sheets.Sheet, ...]) -> tuple[resources.Resource, ...]:
    return tuple(entry.resource for sheet in odd for entry in sheets.first_entries([sheet]).values())


def _entangled(world: World, odd: resources.Resource) -> Iterator[str]:
    """Yield what a single odd object changes although neither refers to the other."""
    base = world.resolution
    after = resolve.resolve(base.inventory.with_changes([odd]), base, {odd.ref})
    if after != resolve.resolve(after.inventory):
        yield f"{odd.ref} means something else in a running program than in a fresh one"
    near = _near(base.inventory, after.inventory, odd.ref) | _named_by_host(after.inventory, odd)
    near |= {ref for item in (base.inventory.get(odd.ref), odd) for ref in _bound_to(after.inventory, item)}
    for name in ("meshes", "services", "deployments", "gateways"):
        old, new = getattr(base.graph, name), getattr(after.graph, name)
        for ref in old.keys() | new.keys():
            if old.get(ref) != new.get(ref) and ref not in near:
                yield f"{odd.ref} changes {ref}"


def _near(before: inventory.Inventory, after: inventory.Inventory, ref: Ref) -> frozenset[Ref]:
    """Return what an object may change: itself, what it refers to, what refers to that, and rivals for its hosts."""
    bonds = {*_bonds(before), *_bonds(after)}
    owners = {target for source, target in bonds if source == ref}
    near = {ref, *owners}
    for _ in range(5):
        near |= {source for source, target in bonds if target in near and source.kind != "AccessPolicy"}
        near |= {target for source, target in bonds if source in near and source.kind.endswith("RouteTable")}
    hosts = {host for item in (before.get(ref), after.get(ref)) for host in _hosts(item)}
    rivals = {item.ref for item in after if item.kind == "VirtualService" and hosts & {*_hosts(item)}}
    return frozenset(near | rivals) if ref.kind != "Mesh" else frozenset({*near, *(item.ref for item in after)})


def _named_by_host(there: inventory.Inventory, odd: resources.Resource) -> frozenset[Ref]:
    """Return the VirtualServices whose hosts name a Kubernetes Service, which lends them its addresses."""
    name = odd.metadata.labels.get(OWNER, "") if isinstance(odd, workloads.EndpointSlice) else odd.metadata.name
    short = f"{name}.{odd.metadata.namespace}"
    hosts = {name, short, f"{short}.svc", f"{short}.svc.cluster.local"}
    found = (item.ref for item in there if hosts & {*_hosts(item)})
    return frozenset(found if isinstance(odd, workloads.Service | workloads.EndpointSlice) else ())


def _bound_to(there: inventory.Inventory, item: resources.Resource | None) -> frozenset[Ref]:
    """Return what is bound to the Service that a slice lists: it has endpoints because it is listed."""
    if not isinstance(item, workloads.EndpointSlice):
        return frozenset()
    service = Ref("Service", item.metadata.namespace, item.metadata.labels.get(OWNER, ""))
    bonds = [*_bonds(there)]
    bindings = {source for source, target in bonds if target == service}
    return frozenset(target for source, target in bonds if source in bindings)


def _bonds(there: inventory.Inventory) -> Iterator[tuple[Ref, Ref]]:
    ids = {identity.issued_id(item): item.ref for item in there if item.kind in identity.TOKENS}
    for item in there:
        for link in references.links(item):
            target = link.ref or ids.get(link.id or "")
            if target:
                yield item.ref, target


def _hosts(item: object) -> tuple[str, ...]:
    if not isinstance(item, resources.VirtualService) or item.spec is None:
        return ()
    return tuple(host.name for host in services.claimed_hosts(item.spec))


# ---------------------------------------------------------------------------- drawing and blaming


def drawn(draw: random.Random, size: int) -> tuple[World, tuple[str, ...]]:
    """Return a mesh and that many odd documents, made from its own."""
    everything = worlds()
    world = draw.choice(everything[:2] if draw.random() < 0.5 else everything)
    return world, tuple(mutations.mutated(draw, draw.choice(world.texts), world.texts) for _ in range(size))


def outcome(text: str) -> str:
    """Return what becomes of a text: `used`, `refused`, `unreadable`, or `foreign` where it is none of our business."""
    sheet = sheets.sheet("odd.yaml", text)
    if sheet.entries:
        return "used"
    return "unreadable" if sheet.uncertain else "refused" if sheet.faulty else "foreign"


def culprits(world: World, texts: tuple[str, ...]) -> list[str]:
    """Return what is wrong with meshloom, with as few of the documents as show it; [] is hoped for."""
    found = _attempt(world, texts)
    if not found:
        return []
    for size in (len(texts) // 2, len(texts) // 4, 1):
        for first in range(0, len(texts), size or 1):
            fewer = texts[:first] + texts[first + (size or 1) :]
            if _attempt(world, fewer):
                return culprits(world, fewer)
    return [f"in {world.name}", *found, *texts]


def _attempt(world: World, texts: tuple[str, ...]) -> list[str]:
    """Return the faults that documents show; an exception is one."""
    try:
        return faults(world, texts)
    except Exception:
        return [traceback.format_exc()]
