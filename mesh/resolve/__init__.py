"""From what people wrote to what it means: `resolve(inventory) -> Resolution(graph, problems)`.

Law: total (a fault becomes a problem, never an exception) and incremental (what is untouched is the same object, and
the result always equals a fresh run).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from mesh import graph, resources
from mesh.inventory import Inventory
from mesh.problems import Problem, Ref
from mesh.resolve import core_stages, edge_stages, references
from mesh.resolve.run import Run, Settings, Stages

__all__ = ["Resolution", "Settings", "resolve"]

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
    if previous is not None and previous.settings == settings and _is_untouched(inventory, previous, changed):
        return Resolution(previous.graph, previous.problems, inventory, settings, previous.stages)
    run = Run(inventory, settings, previous.stages if previous and previous.settings == settings else {})
    return _resolution(run, previous)


def _is_untouched(inventory: Inventory, previous: Resolution, changed: Collection[Ref] | None) -> bool:
    kinds = {*references.READ_KINDS} if changed is None else {ref.kind for ref in changed} & {*references.READ_KINDS}
    return all(inventory.kinds.get(kind) is previous.inventory.kinds.get(kind) for kind in kinds)


def _resolution(run: Run, previous: Resolution | None) -> Resolution:
    stages = _stages(run)
    listed = (stages[name].values.values() for name in (*_JUDGED, *_WITH_PROBLEMS))
    found = tuple(sorted({problem for values in listed for one in values for problem in one.problems}))
    made = _graph(stages, previous.graph if previous else graph.Graph())
    return Resolution(made, found, run.inventory, run.settings, stages)


_JUDGED = tuple(f"{stage} {kind}" for stage in ("judged", "bonds") for kind in resources.KINDS)
_WITH_PROBLEMS = (
    "shells",
    "claims",
    "deployment faults",
    "conflicts",
    "tables",
    "rules",
    "gateway tables",
    "gateways",
    "gateway deployments",
)


def _stages(run: Run) -> Stages:
    base = core_stages.reference_stages(run)
    core = core_stages.service_stages(run, base)
    allowed = edge_stages.access_stages(run, base, core)
    return {**base, **core, **allowed, **edge_stages.gateway_stages(run, base, core, allowed)}


# ---------------------------------------------------------------------------- the graph


def _graph(stages: Stages, before: graph.Graph) -> graph.Graph:
    made = graph.Graph(
        meshes=_present(stages["meshes"].values, before.meshes),
        services=_present(stages["services"].values, before.services),
        deployments=_present(stages["deployments"].values, before.deployments),
        gateways=_present({ref: one.value for ref, one in stages["gateways"].values.items()}, before.gateways),
        scopes=_present(stages["scopes"].values, before.scopes),
        callers=_present(stages["callers"].values, before.callers),
    )
    return before if made == before else made


def _present(values: Mapping[Ref, V | None], before: Mapping[Ref, V]) -> Mapping[Ref, V]:
    made = {ref: value for ref in sorted(values) if (value := values[ref]) is not None}
    return before if made == before else made
