"""From what people wrote to what it means: `resolve(inventory) -> Resolution(graph, problems)`.

Law: total (a fault becomes a problem, never an exception) and incremental (what is untouched is the same object, and
the result always equals a fresh run).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from mesh import graph, resources
from mesh.certificates import Standing, Use
from mesh.inventory import Inventory
from mesh.layers import as_given, differing, same
from mesh.problems import Problem, Ref
from mesh.resolve import access_stages, core_stages, gateway_stages, references, rival_stages, shapes
from mesh.resolve.crossings import Crossings, CrossNamespace, Permit
from mesh.resolve.run import Run, Settings, Stages

__all__ = ["CrossNamespace", "Crossings", "Permit", "Resolution", "Settings", "resolve"]

V = TypeVar("V")

_DEFAULTS = Settings()


@dataclass(frozen=True, slots=True)
class Resolution:
    """A graph, everything that is wrong (sorted), and what the next run reuses."""

    graph: graph.Graph
    problems: tuple[Problem, ...]
    inventory: Inventory = field(repr=False)
    settings: Settings
    stages: Stages = field(repr=False)

    def bonds(self, kind: str) -> Mapping[Ref, references.Settled[references.Bonds]]:
        """Return where the references of all objects of one of the nine kinds lead, and what is wrong with them."""
        return self.stages[f"bonds {kind}"].values

    def targets(self, ref: Ref) -> Mapping[str, Ref]:
        """Return what an object of the nine kinds refers to, by field, as far as it is there."""
        bonds = self.stages[f"bonds {ref.kind}"].values.get(ref)
        return bonds.value.targets if bonds else {}

    def refused(self, ref: Ref) -> Mapping[str, Problem]:
        """Return the references of an object of the nine kinds that the settings do not permit, by field."""
        bonds = self.stages[f"bonds {ref.kind}"].values.get(ref)
        return bonds.value.refused if bonds else {}

    @property
    def gateway_secrets(self) -> Mapping[tuple[Ref, Use], Standing]:
        """What there is to say of each Secret that some listener of a gateway names, whether it is there or not."""
        return self.stages[gateway_stages.SECRETS].values

    def unused_secrets(self, at_home: Collection[Ref]) -> frozenset[tuple[Ref, Use]]:
        """Return those that no proxy needs, if of the gateways that are deployed only these have other proxies, too."""
        elsewhere = self.stages[gateway_stages.ELSEWHERE].values
        if not elsewhere:
            return frozenset()
        wanted, listed = (self.stages[name].values for name in (gateway_stages.WANTED, gateway_stages.LISTED))
        beside = (one for ref, some in wanted.items() if ref not in elsewhere or ref in at_home for one in some)
        return frozenset(self.gateway_secrets) - {*beside, *(one for some in listed.values() for one in some)}

    def missed_at_home(self, gateway: Ref) -> tuple[Problem, ...]:
        """Return what is wrong with the Secrets beside a gateway that is not among the problems: where it is deployed,
        and its deployments have their own.
        """
        is_told = gateway not in self.stages[gateway_stages.ELSEWHERE].values
        found = self.stages[gateway_stages.AT_HOME].values.get(gateway)
        return () if is_told or found is None else found.named

    def referrers(self, ref: Ref) -> tuple[Ref, ...]:
        """Return the objects that refer to this one, in order of their addresses."""
        bonds = (self.stages[f"bonds {kind}"].values for kind in resources.KINDS)
        return tuple(
            sorted(one for some in bonds for one, settled in some.items() if ref in settled.value.targets.values())
        )


def resolve(
    inventory: Inventory,
    previous: Resolution | None = None,
    changed: Collection[Ref] | None = None,
    settings: Settings = _DEFAULTS,
) -> Resolution:
    """Return what an inventory means.

    `previous` is the result for an earlier inventory, whose parts are reused; `changed`, if known, must hold the
    address of every object that differs since then, and saves looking for them.
    """
    if previous is None or previous.settings != settings:
        return _resolution(Run(inventory, settings, {}), previous)
    if _is_untouched(inventory, previous, changed):
        return Resolution(previous.graph, previous.problems, inventory, previous.settings, previous.stages)
    return _resolution(Run(inventory, previous.settings, previous.stages), previous)


_READ = frozenset((*references.READ_KINDS, "EndpointSlice", "Pod", "Secret"))


def _is_untouched(inventory: Inventory, previous: Resolution, changed: Collection[Ref] | None) -> bool:
    kinds = _READ if changed is None else {ref.kind for ref in changed} & _READ
    return all(inventory.kinds.get(kind) is previous.inventory.kinds.get(kind) for kind in kinds)


def _resolution(run: Run, previous: Resolution | None) -> Resolution:
    made = _stages(run)
    stages = {**made, **_problem_stages(run, made), **_graph_stages(run, made)}
    meant = _graph(stages, previous.graph if previous else graph.Graph())
    return Resolution(meant, _problems(stages, previous), run.inventory, run.settings, stages)


def _problems(stages: Stages, previous: Resolution | None) -> tuple[Problem, ...]:
    found = stages["problems"].values
    is_same = previous is not None and previous.stages["problems"].values is found
    return previous.problems if previous is not None and is_same else tuple(found)


def _problem_stages(run: Run, made: Stages) -> Stages:
    """Return the stage `problems`, sorted, and before it those of each stage that finds some."""
    found: Stages = {name: stage for group in _PROBLEM_GROUPS for name, stage in _found(run, made, group).items()}
    sources = tuple(found[mine].values for mine in _PROBLEMS.values())
    return {**found, "problems": run.grouping("problems", sources, _sorted)}


def _found(run: Run, made: Stages, group: tuple[str, ...]) -> Stages:
    def stages(run: Run) -> Stages:
        pairs = ((_PROBLEMS[name], made[name].values) for name in group)
        return {mine: run.stage(mine, (given,), _faults, as_given, (same,)) for mine, given in pairs}

    return run.together(f"problems from {group[0]} on", tuple(made[name].values for name in group), stages)


def _faults(settled: Mapping[Ref, references.Settled[Any]]) -> dict[Ref, tuple[tuple[Problem, ...]]]:
    return {ref: (one.problems,) for ref, one in settled.items()}


def _sorted(*found: Mapping[Ref, tuple[Problem, ...]]) -> Mapping[Problem, None]:
    return dict.fromkeys(sorted({problem for some in found for one in some.values() for problem in one}))


_JUDGED = (
    *(f"{stage} {kind}" for stage in ("judged", "bonds") for kind in resources.KINDS),
    *(f"weighed {kind}" for kind in shapes.KINDS),
)
_WITH_PROBLEMS = (
    "drafts",
    "trust domains",
    "shells",
    "claims",
    "addresses",
    "deployment faults",
    "conflicts",
    "host ports",
    "tables",
    "rules",
    "ways outside",
    "gateway tables",
    "outlines",
    "gateway faults",
    "gateway deployments",
    *rival_stages.PROBLEMS,
)
_PROBLEMS = {name: f"problems of {name}" for name in (*_JUDGED, *_WITH_PROBLEMS)}
"""By each stage that finds problems: the stage of what it found."""
_PROBLEM_GROUPS = (_JUDGED, ("tables",), tuple(name for name in _WITH_PROBLEMS if name != "tables"))
"""Those that mostly stay as they are together."""


def _stages(run: Run) -> Stages:
    base = core_stages.reference_stages(run)
    core = core_stages.service_stages(run, base)
    allowed = access_stages.access_stages(run, base, core)
    gates = gateway_stages.gateway_stages(run, base, core, allowed)
    return {**base, **core, **allowed, **gates, **rival_stages.rival_stages(run, base, core)}


# ---------------------------------------------------------------------------- the graph


_MEANT = ("meshes", "services", "deployments", "gateways", "scopes", "callers", "endpoints", "deployed")
"""The stages whose values the graph is made of."""
_MEANT_GROUPS = (("services",), ("endpoints",), tuple(name for name in _MEANT if name not in ("services", "endpoints")))
"""Those that mostly stay as they are together."""


def _graph_stages(run: Run, made: Stages) -> Stages:
    """Return the stages `graph <name>`: the values that there are, in order of their keys."""
    return {name: stage for group in _MEANT_GROUPS for name, stage in _meant(run, made, group).items()}


def _meant(run: Run, made: Stages, group: tuple[str, ...]) -> Stages:
    def stages(run: Run) -> Stages:
        pairs = ((f"graph {name}", made[name].values) for name in group)
        return {name: run.stage(name, (given,), _present, as_given, (same,)) for name, given in pairs}

    return run.together(f"graph from {group[0]} on", tuple(made[name].values for name in group), stages)


def _present(values: Mapping[Ref, V | None]) -> dict[Ref, tuple[V]]:
    return {ref: (value,) for ref in sorted(values) if (value := values[ref]) is not None}


def _graph(stages: Stages, before: graph.Graph) -> graph.Graph:
    made = graph.Graph(**{name: _kept(stages[f"graph {name}"].values, getattr(before, name)) for name in _MEANT})
    return before if all(getattr(made, name) is getattr(before, name) for name in _MEANT) else made


def _kept(new: Mapping[Ref, V], old: Mapping[Ref, V]) -> Mapping[Ref, V]:
    others = differing(old, new)
    is_same = new == old if others is None else all(new[ref] == old[ref] for ref in others)
    return old if is_same else new
