"""One pass: from the inventory of a moment to the snapshot of each proxy that is connected.

Law: pure. A pass that follows another equals a fresh one and shares with it, by identity, all that did not change.
What must not be published never is: the proxy keeps the last snapshot it was given.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from mesh import inventory, layers, problems, resolve, workloads
from mesh.problems import Problem, Ref
from meshloom import edge_secrets, references, shared_parts
from meshloom import secured as secrets
from meshloom.identity import claim
from translator import compile as compiler
from translator import proxies, resources, traffic
from translator.traffic import Traffic
from xds import snapshot as snapshots

Snapshots = Mapping[proxies.Proxy, snapshots.Snapshot]
NOTHING: Snapshots = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Task:
    """What is there, where it differs from the task before (None: unknown), and whose configuration is wanted."""

    inventory: inventory.Inventory
    changed: frozenset[Ref] | None
    wanted: frozenset[proxies.Proxy]


class Given(NamedTuple):
    """Who the wanted proxies are, and what there is for them."""

    members: secrets.Members
    credentials: secrets.Credentials


@dataclass(frozen=True, slots=True, eq=False)
class Pass:
    """What a pass found. `snapshots` holds what each wanted proxy should have, as far as there is anything to have;
    `published` those of them that were not held before.
    """

    resolution: resolve.Resolution
    compilation: compiler.Compilation
    members: secrets.Members = field(repr=False)
    secured: secrets.Secured = field(repr=False)
    bundles: shared_parts.Bundles = field(repr=False)
    """What was compiled, with the secrets of each proxy where there are any."""
    parts: shared_parts.Parts = field(repr=False)
    """Those of all passes that follow one another."""
    made: Snapshots = field(repr=False)
    """The snapshot of each bundle, those that are held back included."""
    snapshots: Snapshots
    published: Snapshots
    problems: tuple[Problem, ...]


def passed(
    task: Task,
    previous: Pass | None,
    held: Snapshots,
    settings: resolve.Settings,
    credentials: secrets.Credentials | None = None,
) -> Pass:
    """Return the pass for a task. `held` are the snapshots that were published last, also if `previous` was lost."""
    resolution = resolved(task, previous, settings)
    given = Given(members(resolution, task.wanted, previous), credentials) if credentials is not None else None
    return compiled(resolution, task.wanted, previous, held, given)


def resolved(task: Task, previous: Pass | None, settings: resolve.Settings) -> resolve.Resolution:
    """Return the first half of a pass: what that which is there means."""
    if previous is None:
        return resolve.resolve(task.inventory, None, task.changed, settings)
    there = edge_secrets.with_last_good(task.inventory, previous.resolution)
    return resolve.resolve(there, previous.resolution, task.changed, settings)


def members(
    resolution: resolve.Resolution, wanted: frozenset[proxies.Proxy], previous: Pass | None = None
) -> secrets.Members:
    """Return who the wanted proxies are: those for whose identities credentials are needed."""
    return secrets.members(resolution.graph, wanted, previous.members if previous else secrets.NOBODY)


def compiled(
    resolution: resolve.Resolution,
    wanted: frozenset[proxies.Proxy],
    previous: Pass | None = None,
    held: Snapshots = NOTHING,
    given: Given | None = None,
    kept: Traffic = traffic.DEFAULT,
) -> Pass:
    """Return the second half of a pass: what these proxies should have of what was resolved.

    Without credentials no secrets are joined and none are missed: configuration to be looked at, not served.
    """
    compilation = compiler.compiled(resolution.graph, wanted, previous.compilation if previous else None, kept)
    secured = _secured(compilation.bundles, resolution, given, previous)
    bundles = secured.bundles.values if given is not None else compilation.bundles
    parts = previous.parts if previous else shared_parts.Parts()
    made = _followed(previous, bundles) if previous else _made(bundles, parts, held)
    other = changes(held, made)
    is_made = previous is not None and previous.made is held  # then what is another object is another snapshot
    fresh = other if is_made else {proxy: new for proxy, new in other.items() if new != held.get(proxy)}
    dangling = _dangling(fresh, held, is_whole=given is not None)
    missing = frozenset(proxy for proxy in wanted if proxy not in made) if len(made) < len(wanted) else frozenset()
    published = {proxy: new for proxy, new in fresh.items() if proxy not in dangling} if dangling else fresh
    is_whole = not missing and len(published) == len(other)
    settled = made if is_whole else {**{proxy: held[proxy] for proxy in wanted if proxy in held}, **published}
    unknown = frozenset(proxy for proxy in missing if proxy not in compilation.bundles)
    beside = (fault for ref in at_home(compilation) for fault in resolution.missed_at_home(ref))
    found = (*_unserved(unknown, held), *_uncertified(missing - unknown, held), *_faults(dangling), *beside)
    people = given.members if given is not None else secrets.NOBODY
    problems_found = tuple(sorted({*found}))
    return Pass(resolution, compilation, people, secured, bundles, parts, made, settled, published, problems_found)


def at_home(of: compiler.Compilation) -> frozenset[Ref]:
    """Return the gateways of which a proxy is connected that runs for no deployment: its Secrets are beside them."""
    return frozenset(one.gateway for one in of.asked.gateways.values if one.deployment is None)


def _secured(
    compiled: shared_parts.Bundles, of: resolve.Resolution, given: Given | None, previous: Pass | None
) -> secrets.Secured:
    before = previous.secured if previous is not None else secrets.NOTHING
    edge = secrets.Edge(of.graph.gateways, of.graph.deployed, of.inventory.of(workloads.Secret))
    return secrets.secured(given.members, compiled, given.credentials, edge, before) if given is not None else before


def changes(before: Snapshots, after: Snapshots) -> Snapshots:
    """Return those snapshots of `after` that are not the same objects in `before`."""
    return {proxy: after[proxy] for proxy in layers.changed(before, after) if proxy in after}


def _made(bundles: shared_parts.Bundles, parts: shared_parts.Parts, held: Snapshots) -> Snapshots:
    """Return the snapshot of each bundle: that which is held, if it comes to the same."""
    fresh = {proxy: parts.snapshot(bundle) for proxy, bundle in bundles.items()}
    return {proxy: held[proxy] if new == held.get(proxy) else new for proxy, new in fresh.items()}


def _followed(previous: Pass, bundles: shared_parts.Bundles) -> Snapshots:
    """Return the snapshot of each bundle: that of the pass before if its bundle did not change or comes to the same."""
    before, made = previous.bundles, previous.made
    new = {
        proxy: previous.parts.followed(made[proxy], bundle) if proxy in made else previous.parts.snapshot(bundle)
        for proxy in layers.changed(before, bundles)
        if (bundle := bundles.get(proxy)) is not None
    }
    if layers.differing(before, bundles) is not None:  # nobody came or went
        return layers.patched(made, {proxy: one for proxy, one in new.items() if one is not made[proxy]})
    return {proxy: new[proxy] if proxy in new else made[proxy] for proxy in bundles}


Dangling = Mapping[proxies.Proxy, tuple[snapshots.ResourceName, ...]]


def _dangling(fresh: Snapshots, held: Snapshots, *, is_whole: bool) -> Dangling:
    found = references.dangling(fresh, held)
    if is_whole:
        return found
    others = {proxy: tuple(name for name in names if name[0] != resources.SECRET) for proxy, names in found.items()}
    return {proxy: names for proxy, names in others.items() if names}


def _unserved(missing: Iterable[proxies.Proxy], held: Snapshots) -> Iterator[Problem]:
    for proxy in missing:
        owner = claim.owner(proxy)
        meanwhile = "keeps its last configuration" if proxy in held else "gets no configuration"
        fault = f"does not exist or cannot be used, but proxy {claim.node_id(proxy)} is connected; it {meanwhile}"
        yield problems.warning(owner, "", fault, f"bring {owner.kind} {owner.key} back, or stop the proxy")


def _uncertified(missing: Iterable[proxies.Proxy], held: Snapshots) -> Iterator[Problem]:
    for proxy in missing:
        owner = claim.owner(proxy)
        meanwhile = "keeps its last configuration" if proxy in held else "gets no configuration"
        fault = f"there is no certificate for {claim.node_id(proxy)}, which {meanwhile}"
        yield problems.error(owner, "", fault, "mend what is said of the certificate authority of its Mesh")


def _faults(dangling: Dangling) -> Iterator[Problem]:
    for proxy, missing in dangling.items():
        names = ", ".join(f"{type_url.rpartition('.')[2]} {name}" for type_url, name in missing[:3])
        fault = f"its configuration for {claim.node_id(proxy)} names what it lacks ({names}) and is held back"
        yield problems.error(claim.owner(proxy), "", fault, "this is a fault of meshloom, please report it")
