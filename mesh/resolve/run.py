"""One run of the resolution: its inputs, the stages of the run before, and how both are read.

Law: a stage is a layer, a value for each object; one whose sources are the same objects as before is not looked at.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from mesh import external, layers, resources
from mesh.inventory import Inventory
from mesh.layers import Stage, same
from mesh.problems import Ref
from mesh.resolve import tables
from mesh.resolve.crossings import Crossings
from mesh.resolve.references import Bonds, Settled

K = TypeVar("K")
V = TypeVar("V")
R = TypeVar("R", bound=resources.Resource)


@dataclass(frozen=True, slots=True)
class Settings:
    """How the open points of the original API are read.

    `paths_by_segment`: `/foo` matches `/foo/bar` but not `/foobar`; otherwise a path is a plain string prefix.
    `crossings`: which references into other namespaces count. `gateway_secrets`: the Secret that an id of a certificate
    or a CA bundle stands for in a gateway's listener. `in_cluster`: the proxies of an IngressGatewayDeployment
    get those Secrets of its own namespace that it lists; elsewhere a gateway's are beside it, whoever deploys it.
    `refused`: the networks that are never outside of a mesh.
    """

    paths_by_segment: bool = True
    crossings: Crossings = field(default_factory=Crossings)
    gateway_secrets: Mapping[str, Ref] = field(default_factory=dict)
    refused: tuple[str, ...] = field(default_factory=external.refused)
    in_cluster: bool = False


Stages = Mapping[str, Stage[Any, Any]]
"""The stages of a run by name."""


@dataclass(frozen=True, slots=True)
class Run:
    """What every stage of one run reads."""

    inventory: Inventory
    settings: Settings
    before: Stages

    def stage(
        self,
        name: str,
        sources: tuple[Any, ...],
        inputs: Callable[..., Mapping[K, tuple[Any, ...]]],
        build: Callable[..., V],
        reads: layers.Reads = (),
    ) -> Stage[K, V]:
        """Return the stage with `build(*given)` for each key of `inputs(*sources)`, sharing all it can."""
        return layers.staged(self.before.get(name), sources, inputs, build, reads)

    def grouping(self, name: str, sources: tuple[Any, ...], grouped: Callable[..., Mapping[K, V]]) -> Stage[K, V]:
        """Return the stage with the values of `grouped(*sources)`: those of the run before if they are equal."""
        return layers.grouped(self.before.get(name), sources, grouped)

    def together(self, name: str, sources: tuple[Any, ...], made: Callable[["Run"], Stages]) -> Stages:
        """Return the stages `made(run)`, which read these sources and nothing else, and one of this name that holds
        them: where the sources are the same objects as before, they are those of the run before.
        """
        before = self.before.get(name)
        if before is None or not layers.are_same(before.sources, sources):
            before = Stage(sources, made(self))
        return {**before.values, name: before}

    def of(self, kind: type[R]) -> Mapping[Ref, R]:
        """Return the objects of one kind by address."""
        return self.inventory.of(kind)


Bound = Mapping[Ref, Settled[Bonds]]
"""Where the references of each object of one kind lead."""


def target(bound: Bound, ref: Ref, name: str) -> Ref | None:
    """Return what an object's reference in one field leads to, or None."""
    return bound[ref].value.get(name)


def tuples(pairs: Iterable[tuple[Ref, V]]) -> dict[Ref, tuple[V, ...]]:
    """Return the values of each key, in the order in which they come."""
    groups: dict[Ref, list[V]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return {key: tuple(members) for key, members in groups.items()}


# ---------------------------------------------------------------------------- route tables by owner


def owned_stages(
    run: Run, name: str, written: Mapping[Ref, Any], bound: Bound, field: str, listed: Mapping[Ref, Settled[Any]]
) -> Stages:
    """Return the stage of this name: the settled route tables of each owner, the one that counts first in front.

    `field` refers to the owner. The stages before it keep the order for as long as no table is ranked anew.
    """

    def rank_inputs(written: Mapping[Ref, Any], bound: Bound) -> dict[Ref, tuple[Any, ...]]:
        return {ref: (item, target(bound, ref, field)) for ref, item in written.items()}

    ranked = run.stage(f"{name}, ranks", (written, bound), rank_inputs, _rank, (same, same))
    order = run.grouping(f"{name}, order", (ranked.values,), _in_order)

    def owner(ref: Ref) -> tuple[Ref, ...]:
        found = ranked.values[ref][0]
        return (found,) if found is not None else ()

    made = run.stage(name, (order.values, listed), _listed, _together, (same, owner))
    return {f"{name}, ranks": ranked, f"{name}, order": order, name: made}


def _rank(written: Any, owner: Ref | None) -> tuple[Ref | None, tuple[object, ...]]:
    return owner, tables.precedence(written)


def _in_order(ranked: Mapping[Ref, tuple[Ref | None, tuple[Any, ...]]]) -> Mapping[Ref, tuple[Ref, ...]]:
    first_in_front = sorted(ranked, key=lambda ref: ranked[ref][1])
    return tuples((owner, ref) for ref in first_in_front if (owner := ranked[ref][0]) is not None)


def _listed(order: Mapping[Ref, tuple[Ref, ...]], listed: Mapping[Ref, Settled[Any]]) -> dict[Ref, tuple[Any, ...]]:
    return {owner: tuple(listed[ref].value for ref in refs) for owner, refs in order.items()}


def _together(*settled: V) -> tuple[V, ...]:
    return settled
