"""Route tables as far as their weights do not count, which change far more often than all the rest.

Law: whatever is made of an unweighted table is what is made of each table that has its shape, but for weights.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mesh import resources
from mesh.layers import alone, same
from mesh.problems import Ref
from mesh.resolve.run import Run, Stages

KINDS = ("VirtualServiceRouteTable", "IngressGatewayRouteTable")
"""The kinds of objects that have weights."""

Table = resources.VirtualServiceRouteTable | resources.IngressGatewayRouteTable


@dataclass(frozen=True, slots=True)
class Shape:
    """What a table says besides weights; equal to that of each table that differs in nothing else of a meaning here."""

    content: tuple[object, ...]
    written: Table = field(compare=False, repr=False)


def shape(written: Table) -> Shape:
    """Return the shape of a table. Of the metadata it has what tells one object from another, and their age."""
    metadata = written.metadata
    return Shape((written.ref, metadata.uid, metadata.creation_timestamp, _unweighted(written.spec)), written)


def _unweighted(value: Any) -> object:
    if isinstance(value, tuple):
        return tuple([_unweighted(item) for item in value])
    if isinstance(value, resources.Model):
        return {name: _unweighted(item) for name, item in value.__dict__.items() if name != "weight"}
    return value


def shape_stages(run: Run, kind: str, written: Mapping[Ref, Table]) -> Stages:
    """Return the stages `shapes <kind>` and `unweighted <kind>`: each table without what is no part of its shape.

    Weights change neither the mapping of these nor what is made of it.
    """
    shapes = run.stage(f"shapes {kind}", (written,), alone, shape, (same,))
    bare = run.stage(f"unweighted {kind}", (shapes.values,), alone, _bare, (same,))
    return {f"shapes {kind}": shapes, f"unweighted {kind}": bare}


def unweighted(run: Run, base: Stages, kind: str) -> Mapping[Ref, Any]:
    """Return the objects of a kind for whoever does not ask for weights."""
    return base[f"unweighted {kind}"].values if kind in KINDS else run.of(resources.KINDS[kind])


def _bare(shape: Shape) -> Table:
    """Return the table of a shape: the same for all that are equal."""
    written, of = shape.written, shape.written.metadata
    metadata = resources.Metadata(
        name=of.name, namespace=of.namespace, uid=of.uid, creation_timestamp=of.creation_timestamp
    )
    return written.model_copy(update={"metadata": metadata, "status": {}, "spec": _weightless(written.spec)})


def _weightless(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple([_weightless(item) for item in value])
    if not isinstance(value, resources.Model):
        return value
    items = value.__dict__.items()
    return value.model_copy(update={name: 0 if name == "weight" else _weightless(item) for name, item in items})
