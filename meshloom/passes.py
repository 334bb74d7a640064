"""One pass: from the inventory of a moment to the snapshot of each proxy that is connected.

Law: pure. A pass that follows another equals a fresh one and shares with it, by identity, all that did not change.
What must not be published never is: the proxy keeps the last snapshot it was given.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from mesh import inventory, problems, resolve
from mesh.problems import Problem, Ref
from meshloom import references
from meshloom.identity import claim
from translator import bundles, proxies
from translator import compile as compiler
from xds import snapshot as snapshots

Snapshots = Mapping[proxies.Proxy, snapshots.Snapshot]
NOTHING: Snapshots = MappingProxyType({})

_Parts = Mapping[int, tuple[bundles.Part, snapshots.Part]]
"""The compiler's parts and the protocol's, by the identity of the former."""


@dataclass(frozen=True, slots=True)
class Task:
    """What is there, where it differs from the task before (None: unknown), and whose configuration is wanted."""

    inventory: inventory.Inventory
    changed: frozenset[Ref] | None
    wanted: frozenset[proxies.Proxy]


@dataclass(frozen=True, slots=True, eq=False)
class Pass:
    """What a pass found. `snapshots` holds what each wanted proxy should have, as far as there is anything to have."""

    resolution: resolve.Resolution
    compilation: compiler.Compilation
    parts: _Parts = field(repr=False)
    snapshots: Snapshots
    problems: tuple[Problem, ...]


def passed(task: Task, previous: Pass | None, held: Snapshots, settings: resolve.Settings) -> Pass:
    """Return the pass for a task. `held` are the snapshots that were published last, also if `previous` was lost."""
    return compiled(resolved(task, previous, settings), task.wanted, previous, held)


def resolved(task: Task, previous: Pass | None, settings: resolve.Settings) -> resolve.Resolution:
    """Return the first half of a pass: what that which is there means."""
    return resolve.resolve(task.inventory, previous.resolution if previous else None, task.changed, settings)


def compiled(
    resolution: resolve.Resolution,
    wanted: frozenset[proxies.Proxy],
    previous: Pass | None = None,
    held: Snapshots = NOTHING,
) -> Pass:
    """Return the second half of a pass: what these proxies should have of what was resolved."""
    compilation = compiler.compiled(resolution.graph, wanted, previous.compilation if previous else None)
    parts = _parts(compilation, previous.parts if previous else {})
    fresh = {
        proxy: _shared(snapshots.Snapshot.of(*(parts[id(part)][1] for part in bundle)), held.get(proxy))
        for proxy, bundle in compilation.bundles.items()
    }
    dangling = references.dangling({proxy: new for proxy, new in fresh.items() if new is not held.get(proxy)})
    publishable = {proxy: snapshot for proxy, snapshot in fresh.items() if proxy not in dangling}
    kept = {proxy: held[proxy] for proxy in wanted if proxy in held}
    found = (*_unserved(wanted - fresh.keys(), held), *_faults(dangling))
    return Pass(resolution, compilation, parts, {**kept, **publishable}, tuple(sorted({*found})))


def changes(before: Snapshots, after: Snapshots) -> Snapshots:
    """Return those snapshots of `after` that are not the same objects in `before`."""
    return {proxy: snapshot for proxy, snapshot in after.items() if snapshot is not before.get(proxy)}


def _parts(compilation: compiler.Compilation, before: _Parts) -> _Parts:
    """Return for the compiler's parts those of the protocol, made once and kept as long as the compiler's is."""
    distinct = {id(part): part for bundle in compilation.bundles.values() for part in bundle}
    return {key: before.get(key) or (part, snapshots.Part.of(part)) for key, part in distinct.items()}


def _shared(new: snapshots.Snapshot, old: snapshots.Snapshot | None) -> snapshots.Snapshot:
    return old if old is not None and new == old else new


def _unserved(missing: Iterable[proxies.Proxy], held: Snapshots) -> Iterator[Problem]:
    for proxy in missing:
        owner = claim.owner(proxy)
        meanwhile = "keeps its last configuration" if proxy in held else "gets no configuration"
        fault = f"does not exist or cannot be used, but proxy {claim.node_id(proxy)} is connected; it {meanwhile}"
        yield problems.warning(owner, "", fault, f"bring {owner.kind} {owner.key} back, or stop the proxy")


def _faults(dangling: Mapping[proxies.Proxy, tuple[snapshots.ResourceName, ...]]) -> Iterator[Problem]:
    for proxy, missing in dangling.items():
        names = ", ".join(f"{type_url.rpartition('.')[2]} {name}" for type_url, name in missing[:3])
        fault = f"its configuration for {claim.node_id(proxy)} names what it lacks ({names}) and is held back"
        yield problems.error(claim.owner(proxy), "", fault, "this is a fault of meshloom, please report it")
