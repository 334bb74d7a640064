"""The stages of single objects: what is wrong with one, what it refers to, and the id it has.

Law: each looks at one object alone, and a change of weights is looked at by the one stage that asks for them.
"""

from collections.abc import Callable, Mapping
from typing import Any

from mesh import identity, resources, rules
from mesh.layers import alone, as_given, same
from mesh.problems import Ref
from mesh.resolve import references, shapes
from mesh.resolve.references import Settled
from mesh.resolve.run import Run, Stages

_GROUPS = (
    *((kind,) for kind in shapes.KINDS),
    tuple(kind for kind in references.READ_KINDS if kind not in shapes.KINDS),
)
"""Kinds that mostly stay as they are together."""


def single_stages(run: Run) -> Stages:
    """Return the stages `judged <kind>`, `links <kind>`, `ids <kind>` and `refs <kind>`, and those of weights."""
    return {name: stage for kinds in _GROUPS for name, stage in _of_kinds(run, kinds).items()}


def _of_kinds(run: Run, kinds: tuple[str, ...]) -> Stages:
    def stages(run: Run) -> Stages:
        return {name: stage for kind in kinds for name, stage in _single(run, kind).items()}

    sources = tuple(run.of(references.READ_KINDS[kind]) for kind in kinds)
    return run.together(f"alone: {', '.join(kinds)}", sources, stages)


def _single(run: Run, kind: str) -> Stages:
    written: Mapping[Ref, Any] = run.of(references.READ_KINDS[kind])
    if kind not in shapes.KINDS:
        return _unweighted(run, kind, written)
    shaped = shapes.shape_stages(run, kind, written)
    given = shapes.unweighted(run, shaped, kind)
    others = run.together(f"alone but for weights: {kind}", (given,), lambda run: _unweighted(run, kind, given))
    return {**shaped, **others, f"weighed {kind}": run.stage(f"weighed {kind}", (written,), alone, _weighed, (same,))}


def _unweighted(run: Run, kind: str, given: Mapping[Ref, Any]) -> Stages:
    """Return the stages in which no weight has a part."""
    builds: dict[str, Callable[[Any], Any]] = {
        **({f"judged {kind}": _judged, f"links {kind}": references.links} if kind in resources.KINDS else {}),
        **({f"ids {kind}": identity.issued_id} if kind in identity.TOKENS else {}),
    }
    made = {name: run.stage(name, (given,), alone, build, (same,)) for name, build in builds.items()}
    return {**made, f"refs {kind}": run.stage(f"refs {kind}", (given,), _refs, as_given, (same,))}


def _judged(item: resources.Resource) -> Settled[None]:
    return Settled(None, rules.unweighted_problems(item))


def _weighed(item: resources.Resource) -> Settled[None]:
    return Settled(None, rules.weight_problems(item))


def _refs(written: Mapping[Ref, Any]) -> dict[Ref, tuple[Ref]]:
    return {ref: (ref,) for ref in written}
