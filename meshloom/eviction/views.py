"""What is to be done about pods, as a pass has them: whom to evict, by who makes them anew, and whom to mark.

Law: pure; a view that is made after another equals one that is made afresh. A pod is looked at again only where it, or
what decides about it, is something else.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from mesh import layers, workloads
from mesh.problems import Ref
from mesh.resolve import Resolution
from meshloom.eviction import bindings, makers, needs
from meshloom.injector import contract, decision, facts
from meshloom.injector.terms import Terms


class Rules(NamedTuple):
    """`apart` are namespaces that are left alone; `is_on`: pods may be evicted at all."""

    apart: frozenset[str]
    is_on: bool = True


class Candidate(NamedTuple):
    """A pod to be evicted; it was created at this time."""

    pod: Ref
    uid: str
    created: float
    need: needs.Need


class Mark(NamedTuple):
    """Whether a pod, by its uid, is to be marked as outdated, or no more."""

    uid: str
    is_outdated: bool


class Looked(NamedTuple):
    """What was found of a pod."""

    pod: workloads.Pod
    maker: Ref | None
    need: needs.Need | None


@dataclass(frozen=True, slots=True)
class View:
    """`due` are pods to be evicted, oldest first, by who makes them; `alive` counts all that these have made.

    `kept` counts pods that need to be made anew and are not evicted, by the reason.
    """

    due: Mapping[Ref, tuple[Candidate, ...]]
    marks: Mapping[Ref, Mark]
    alive: Mapping[Ref, int]
    kept: Mapping[needs.Reason, int]
    facts: facts.Facts
    basis: tuple[object, ...] = field(repr=False, default=())
    looked: Mapping[Ref, Looked] = field(repr=False, default_factory=dict)


def view(resolution: Resolution, terms: Terms, rules: Rules, before: View | None = None) -> View:
    """Return what is to be done; `before` is how it was."""
    sets = resolution.inventory.of(workloads.ReplicaSet)
    basis = (*facts.basis(resolution), sets, terms, rules)
    is_same = before is not None and layers.are_same(basis, before.basis)
    known = before.facts if before is not None and is_same else facts.facts(resolution)
    looked = before.looked if before is not None and is_same else {}
    found = dict(_looked(resolution, known, terms, rules, looked))
    return _view(found, known, basis)


def _looked(
    resolution: Resolution, known: facts.Facts, terms: Terms, rules: Rules, before: Mapping[Ref, Looked]
) -> Iterator[tuple[Ref, Looked]]:
    """Yield what is found of the pods of namespaces that say something of proxies."""
    sets = resolution.inventory.of(workloads.ReplicaSet)
    spoken = {name: labels[contract.LABEL] for name, labels in known.namespaces.items() if contract.LABEL in labels}
    filed = {name: bindings.filed(known.bindings.get(name, ())) for name in spoken if name not in rules.apart}
    for ref, pod in resolution.inventory.of(workloads.Pod).items():
        if ref.namespace not in filed or pod.is_terminating:
            continue
        last = before.get(ref)
        if last is not None and last.pod is pod:
            yield ref, last
            continue
        maker = makers.maker(pod, sets)
        found = _need(pod, spoken[ref.namespace], filed[ref.namespace], terms)
        may_be = rules.is_on and maker is not None
        yield ref, Looked(pod, maker, found if found is None or may_be else found._replace(is_evictable=False))


def _need(pod: workloads.Pod, of_namespace: str, filed: bindings.Bindings, terms: Terms) -> needs.Need | None:
    labels = pod.metadata.labels
    is_wanted = decision.is_wanted(of_namespace, labels.get(contract.LABEL))
    if not is_wanted and contract.BINDING not in pod.metadata.annotations:
        return None
    return needs.need(pod, bindings.bound(filed, labels), terms, is_wanted=is_wanted)


def _view(looked: Mapping[Ref, Looked], known: facts.Facts, basis: tuple[object, ...]) -> View:
    due: defaultdict[Ref, list[Candidate]] = defaultdict(list)
    kept: Counter[needs.Reason] = Counter()
    for ref, one in looked.items():
        if one.need is not None and one.need.is_evictable and one.maker is not None:
            due[one.maker].append(Candidate(ref, one.pod.metadata.uid, _created(one.pod), one.need))
        elif one.need is not None:
            kept[one.need.reason] += 1
    ordered = {maker: tuple(sorted(several, key=lambda one: (one.created, one.pod))) for maker, several in due.items()}
    alive = Counter(one.maker for one in looked.values() if one.maker is not None and one.maker in ordered)
    marks = {ref: mark for ref, one in looked.items() if (mark := _mark(one)) is not None}
    return View(ordered, marks, alive, kept, known, basis, looked)


def _mark(one: Looked) -> Mark | None:
    """Return what is to be written at a pod, None if that is there."""
    has_proxy = contract.BINDING in one.pod.metadata.annotations
    is_outdated = has_proxy and one.need is not None and not one.need.is_evictable
    is_marked = one.pod.metadata.annotations.get(contract.OUTDATED) == "true"
    return None if is_outdated == is_marked else Mark(one.pod.metadata.uid, is_outdated)


def _created(pod: workloads.Pod) -> float:
    created = pod.metadata.creation_timestamp
    return created.timestamp() if created is not None else 0.0
