"""One pass: from the inventory of a moment to the snapshot of each proxy that is connected.

Law: pure. A pass that follows another equals a fresh one and shares with it, by identity, all that did not change.
What must not be published never is: the proxy keeps the last snapshot it was given.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from mesh import inventory, layers, problems, resolve
from mesh.problems import Problem, Ref
from meshloom import references, shared_parts
from meshloom.identity import claim
from translator import compile as compiler
from translator import proxies
from translator.bundles import Bundle
from xds import snapshot as snapshots

Snapshots = Mapping[proxies.Proxy, snapshots.Snapshot]
NOTHING: Snapshots = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Task:
    """What is there, where it differs from the task before (None: unknown), and whose configuration is wanted."""

    inventory: inventory.Inventory
    changed: frozenset[Ref] | None
    wanted: frozenset[proxies.Proxy]


@dataclass(frozen=True, slots=True, eq=False)
class Pass:
    """What a pass found. `snapshots` holds what each wanted proxy should have, as far as there is anything to have;
    `published` those of them that were not held before.
    """

    resolution: resolve.Resolution
    compilation: compiler.Compilation
    parts: shared_parts.Parts = field(repr=False)
    made: Snapshots = field(repr=False)
    """The snapshot of each bundle, those that are held back included."""
    snapshots: Snapshots
    published: Snapshots
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
    bundles, before = compilation.bundles, previous.compilation.bundles if previous else {}
    differing = layers.changed(before, bundles)
    shared = shared_parts.parts(previous.parts if previous else {}, before, bundles, differing)
    made = _made(bundles, differing, shared, previous.made if previous else held)
    other = changes(held, made)
    fresh = {proxy: new for proxy, new in other.items() if new != held.get(proxy)}
    dangling = references.dangling(fresh, held)
    missing = wanted.difference(made) if len(made) < len(wanted) else frozenset()
    published = {proxy: new for proxy, new in fresh.items() if proxy not in dangling} if dangling else fresh
    is_whole = not missing and len(published) == len(other)
    settled = made if is_whole else {**{proxy: held[proxy] for proxy in wanted if proxy in held}, **published}
    found = (*_unserved(missing, held), *_faults(dangling))
    return Pass(resolution, compilation, shared, made, settled, published, tuple(sorted({*found})))


def changes(before: Snapshots, after: Snapshots) -> Snapshots:
    """Return those snapshots of `after` that are not the same objects in `before`."""
    return {proxy: after[proxy] for proxy in layers.changed(before, after) if proxy in after}


def _made(
    bundles: shared_parts.Bundles, changed: Iterable[proxies.Proxy], shared: shared_parts.Parts, before: Snapshots
) -> Snapshots:
    """Return the snapshot of each bundle: that of the pass before if its bundle did not change or comes to the same."""
    new = {proxy: _snapshot(bundles[proxy], shared, before.get(proxy)) for proxy in changed if proxy in bundles}
    if [*before] == [*bundles]:
        return layers.patched(before, {proxy: one for proxy, one in new.items() if one is not before[proxy]})
    return {proxy: new[proxy] if proxy in new else before[proxy] for proxy in bundles}


def _snapshot(bundle: Bundle, shared: shared_parts.Parts, before: snapshots.Snapshot | None) -> snapshots.Snapshot:
    given = tuple([shared[id(part)].part for part in bundle])
    new = before.replaced(given) if before is not None else snapshots.Snapshot.of(*given)
    return before if before is not None and new == before else new


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
