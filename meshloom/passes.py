"""One pass: from the inventory of a moment to the snapshot of each proxy that is connected.

Law: pure. A pass that follows another equals a fresh one and shares with it, by identity, all that did not change.
What must not be published never is: the proxy keeps the last snapshot it was given.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from mesh import inventory, layers, problems, resolve
from mesh.layers import Layer, Stage
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
    made: Stage[proxies.Proxy, snapshots.Snapshot] = field(repr=False)
    """The snapshot of each bundle, those that are held back included."""
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
    parts = _parts(compilation.bundles, previous.parts if previous else {})
    made = _made(compilation.bundles, parts, previous.made if previous else _published(held))
    differing = changes(held, made.values)
    fresh = {proxy: new for proxy, new in differing.items() if new != held.get(proxy)}
    dangling = references.dangling(fresh)
    missing = wanted.difference(made.values)
    if missing or dangling or len(fresh) < len(differing):
        kept = {proxy: held[proxy] for proxy in wanted if proxy in held}
        settled = {**kept, **{proxy: new for proxy, new in fresh.items() if proxy not in dangling}}
    else:
        settled = {**made.values}
    found = (*_unserved(missing, held), *_faults(dangling))
    return Pass(resolution, compilation, parts, made, settled, tuple(sorted({*found})))


def changes(before: Snapshots, after: Snapshots) -> Snapshots:
    """Return those snapshots of `after` that are not the same objects in `before`."""
    keys = layers.differing(before, after)
    return {proxy: after[proxy] for proxy in (after if keys is None else keys) if after[proxy] is not before.get(proxy)}


def _parts(several: Mapping[proxies.Proxy, bundles.Bundle], before: _Parts) -> _Parts:
    """Return for the compiler's parts those of the protocol, made once and kept as long as the compiler's is."""
    everything = [*itertools.chain.from_iterable(several.values())]
    keys = [*map(id, everything)]
    used = set(keys)
    new = used.difference(before)
    arriving = dict(itertools.compress(zip(keys, everything, strict=True), map(new.__contains__, keys)))
    kept = _without(before, itertools.filterfalse(used.__contains__, before))
    return {**kept, **{key: (part, snapshots.Part.of(part)) for key, part in arriving.items()}}


def _without(before: _Parts, gone: Iterable[int]) -> _Parts:
    left = {**before}
    for key in gone:
        del left[key]
    return left


def _made(
    several: Mapping[proxies.Proxy, bundles.Bundle], parts: _Parts, previous: Stage[proxies.Proxy, snapshots.Snapshot]
) -> Stage[proxies.Proxy, snapshots.Snapshot]:
    def snapshot(*bundle: bundles.Part) -> snapshots.Snapshot:
        return snapshots.Snapshot.of(*(parts[id(part)][1] for part in bundle))

    return layers.staged(previous, (several,), dict, snapshot, (layers.same,))


def _published(held: Snapshots) -> Stage[proxies.Proxy, snapshots.Snapshot]:
    """Return a stage of which nothing is known but its values."""
    return Stage((), Layer(dict.fromkeys(held, ()), held))


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
