"""What there is to say of every object, whatever proxies say to it: drafts of statuses, kept up to date incrementally.

Law: pure; equal to a fresh run, and drafts of objects about which nothing changed stay the same objects. Kinds come in
the order in which they refer to each other, so that each reads what was said of those before it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from mesh import admission, graph, layers, resources, workloads
from mesh.layers import Stage, alone, same
from mesh.problems import Problem, Ref
from mesh.resolve import Resolution
from meshloom.status import concerns, draft, judgements
from meshloom.status.concerns import Concern
from meshloom.status.draft import Draft, Settled
from meshloom.status.judgements import Facts

Stages = Mapping[str, Stage[Any, Any]]
Inputs = dict[Ref, tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Drafts:
    """The drafts of all objects by kind and address; `held` says which of those that are being deleted have to wait for
    whom, in words, `free` those that need not wait. `members` are the groups of proxies that each owner belongs to.
    """

    kinds: Mapping[str, Mapping[Ref, Draft]] = field(default_factory=dict)
    held: Mapping[Ref, tuple[str, ...]] = field(default_factory=dict)
    free: frozenset[Ref] = frozenset()
    members: Mapping[Ref, Concern] = field(default_factory=dict)
    stages: Stages = field(default_factory=dict, repr=False)

    def get(self, ref: Ref) -> Draft | None:
        """Return the draft of an object, None if there is no such object."""
        return self.kinds.get(ref.kind, {}).get(ref)

    def __iter__(self) -> Iterator[Draft]:
        return (one for kind in self.kinds.values() for one in kind.values())


NOTHING: Final = Drafts()

_TARGETS: Final[Mapping[str, tuple[str, ...]]] = {
    "Mesh": (),
    "VirtualService": ("Mesh",),
    "IngressGateway": ("Mesh",),
    "VirtualDeployment": ("VirtualService",),
    "VirtualServiceRouteTable": ("VirtualService", "VirtualDeployment"),
    "AccessPolicy": ("Mesh", "VirtualService", "IngressGateway"),
    "IngressGatewayRouteTable": ("IngressGateway", "VirtualService"),
    "VirtualDeploymentBinding": ("VirtualDeployment", "Service"),
    "IngressGatewayDeployment": ("IngressGateway",),
}
"""The kinds in the order in which they are judged, and the kinds that each refers to."""


def drafts(of: Resolution, found: tuple[Problem, ...], previous: Drafts = NOTHING) -> Drafts:
    """Return the drafts of all objects; `found` is everything that is wrong, from resolving to publishing."""
    work = _Work(of, previous.stages)
    stages = {**_of_others(work, found), **_of_graph(work)}
    for kind in _TARGETS:
        stages |= _of_kind(work, kind, stages)
    ending = work.grouped("ending", tuple(stages[f"facts {kind}"].values for kind in _TARGETS), _ending)
    waits = work.grouped("waits", (ending.values, *(of.bonds(kind) for kind in _TARGETS)), _waits)
    places = tuple(stages[f"homes {name}"].values for name in ("services", "deployments", "gateways", "deployed"))
    members = work.grouped("members", places, concerns.memberships)
    held = {ref: words for ref, words in waits.values.items() if words}
    free = frozenset(waits.values.keys() - held.keys())
    kept = {**stages, "ending": ending, "waits": waits, "members": members}
    return Drafts({kind: stages[kind].values for kind in _TARGETS}, held, free, members.values, kept)


def changed(before: Drafts, after: Drafts) -> frozenset[Ref]:
    """Return the addresses at which two runs differ, those that only one of them has included."""
    kinds = (layers.changed(before.kinds.get(kind, {}), mine) for kind, mine in after.kinds.items())
    waits = layers.changed(before.held, after.held) if before.held or after.held else []
    return frozenset((*(ref for some in kinds for ref in some), *waits, *(before.free ^ after.free)))


@dataclass(frozen=True, slots=True)
class _Work:
    """What every stage of one run reads."""

    of: Resolution
    before: Stages

    def staged(
        self,
        name: str,
        sources: tuple[Any, ...],
        inputs: Callable[..., Inputs],
        build: Callable[..., Any],
        reads: layers.Reads = (),
    ) -> Stage[Any, Any]:
        return layers.staged(self.before.get(name), sources, inputs, build, reads)

    def grouped(
        self, name: str, sources: tuple[Any, ...], grouping: Callable[..., Mapping[Any, Any]]
    ) -> Stage[Any, Any]:
        return layers.grouped(self.before.get(name), sources, grouping)


def _of_others(work: _Work, found: tuple[Problem, ...]) -> dict[str, Stage[Any, Any]]:
    services = work.of.inventory.of(workloads.Service)
    return {
        "problems": work.grouped("problems", (found,), _by_subject),
        "facts Service": work.staged("facts Service", (services,), alone, _service_facts, (same,)),
    }


def _of_graph(work: _Work) -> dict[str, Stage[Any, Any]]:
    """Return what counts here of the graph: `modes <name>`, `homes <name>` and `callers`; routes do not."""
    of = work.of.graph
    meant = {"meshes": of.meshes, "services": of.services, "deployments": of.deployments, "gateways": of.gateways}
    modes = {
        f"modes {name}": work.staged(f"modes {name}", (one,), alone, _mode, (same,)) for name, one in meant.items()
    }
    owned = {name: meant[name] for name in ("services", "deployments", "gateways")}
    homes = {
        f"homes {name}": work.staged(f"homes {name}", (one,), alone, _home, (same,)) for name, one in owned.items()
    }
    homes["homes deployed"] = work.staged("homes deployed", (of.deployed,), alone, _gate, (same,))
    reach = work.staged("callers", (of.services, of.callers), _call_inputs, concerns.callers, (same, same))
    return {**modes, **homes, "callers": reach}


def _of_kind(work: _Work, kind: str, made: Stages) -> Stages:
    """Return the stages `<kind>`, its drafts, and `facts <kind>`."""
    there = tuple(made[f"facts {target}"].values for target in _TARGETS[kind])
    sources = (
        work.of.inventory.of(resources.KINDS[kind]),
        work.of.bonds(kind),
        made["problems"].values,
        made[f"modes {_MEANT[kind]}"].values,
        made["callers"].values,
        *there,
    )
    drafted = work.staged(kind, sources, _draft_inputs, draft.draft, _READS.get(kind, (same, same, same)))
    facts = work.staged(f"facts {kind}", (drafted.values,), alone, _facts_of, (same,))
    return {kind: drafted, f"facts {kind}": facts}


_MEANT: Final = {
    "Mesh": "meshes",
    "VirtualService": "services",
    "IngressGateway": "gateways",
    "VirtualDeployment": "deployments",
    "VirtualServiceRouteTable": "services",
    "AccessPolicy": "meshes",
    "IngressGatewayRouteTable": "gateways",
    "VirtualDeploymentBinding": "deployments",
    "IngressGatewayDeployment": "gateways",
}
"""Where in the graph an object, or its parent, has its place."""


_READS: Final[Mapping[str, layers.Reads]] = {
    "Mesh": (same, same, same, same),
    "VirtualService": (same, same, same, same, same),
    "VirtualDeployment": (same, same, same, same),
    "IngressGateway": (same, same, same, same),
}
"""Which drafts read a key of each source: where nothing is said, perhaps all of them."""


# ---------------------------------------------------------------------------- what each is made of


def _by_subject(found: tuple[Problem, ...]) -> Mapping[Ref, tuple[Problem, ...]]:
    told: dict[Ref, list[Problem]] = {}
    for problem in found:
        told.setdefault(problem.subject, []).append(problem)
    return {ref: tuple(several) for ref, several in told.items()}


def _service_facts(item: workloads.Service) -> Facts:
    return Facts(is_ending=item.is_terminating)


def _facts_of(of: Draft) -> Facts:
    return of.facts


def _call_inputs(services: Mapping[Ref, graph.Service], callers: Mapping[Ref, graph.Callers]) -> Inputs:
    return {ref: (service, callers[ref]) for ref, service in services.items() if ref in callers}


def _mode(meant: Any) -> Any:
    """Return the mTLS mode of what an object means, True for what has none."""
    return getattr(meant, "mode", None) or getattr(meant, "minimum", None) or True


def _gate(meant: graph.Gateway) -> Ref:
    return meant.ref


def _home(meant: graph.Service | graph.Deployment | graph.Gateway) -> Ref:
    return meant.service if isinstance(meant, graph.Deployment) else meant.mesh


def _draft_inputs(
    written: Mapping[Ref, Any],
    bound: Mapping[Ref, Settled],
    found: Mapping[Ref, tuple[Problem, ...]],
    modes: Mapping[Ref, Any],
    callers: Mapping[Ref, Concern],
    *there: Mapping[Ref, Facts],
) -> Inputs:
    return {
        ref: (
            *(item, (bonds := bound[ref]), found.get(ref, ())),
            *(draft.place(item, bonds, modes), draft.reach(item, bonds, callers)),
            tuple(_known(bonds.value.targets, there)),
        )
        for ref, item in written.items()
    }


def _known(targets: Mapping[str, Ref], there: tuple[Mapping[Ref, Facts], ...]) -> Iterator[tuple[Ref, Facts]]:
    for ref in dict.fromkeys(targets.values()):
        found = next((facts[ref] for facts in there if ref in facts), None)
        if found is not None:
            yield ref, found


# ---------------------------------------------------------------------------- what is being deleted


def _ending(*facts: Mapping[Ref, Facts]) -> Mapping[Ref, None]:
    return {ref: None for some in facts for ref, one in some.items() if one.is_ending}


def _waits(ending: Mapping[Ref, None], *bound: Mapping[Ref, Settled]) -> Mapping[Ref, tuple[str, ...]]:
    """Return for each object that is being deleted why it has to wait; nothing if it need not."""
    if not ending:
        return {}
    referrers = layers.readers(_led_to(bound))
    return {ref: tuple(_holding(ref, referrers.get(ref, ()), ending)) for ref in ending}


def _led_to(
    bound: Iterable[Mapping[Ref, Settled]],
) -> Iterator[tuple[Ref, Iterable[Ref]]]:
    for some in bound:
        for ref, settled in some.items():
            yield ref, dict.fromkeys(settled.value.targets.values())


def _holding(ref: Ref, referrers: Iterable[Ref], ending: Mapping[Ref, None]) -> Iterator[str]:
    living = [one for one in referrers if one not in ending]
    return (judgements.said(problem) for problem in admission.held_by(ref, living))
