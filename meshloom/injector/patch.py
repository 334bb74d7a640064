"""A pod in, what becomes of it out: with its proxy, as it was, or refused.

Law: pure: the same pod, facts and terms give the same outcome; the webhook, `meshloom inject` and the tests ask here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mesh import problems
from mesh.problems import Problem
from meshloom.injector import containers, contract, decision, differences, environment, probes, targets, volumes
from meshloom.injector.decision import Chosen, Left, Reason
from meshloom.injector.facts import Binding, Facts
from meshloom.injector.pods import Json, Pod, objects
from meshloom.injector.terms import Terms


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of a pod. `problem` is why it gets no proxy; `document` is the pod with it, None without."""

    reason: Reason
    problem: Problem | None = None
    document: Json | None = field(default=None, repr=False)
    patch: tuple[differences.Operation, ...] = ()
    warnings: tuple[Problem, ...] = ()
    binding: Binding | None = None

    @property
    def is_refused(self) -> bool:
        """Whether the pod is not to be let in."""
        return self.reason in decision.REFUSED

    @property
    def is_missed(self) -> bool:
        """Whether the pod goes without the proxy that its labels ask for."""
        return self.reason in decision.MISSED


def patch(pod: Pod, facts: Facts, terms: Terms) -> Outcome:
    """Return what becomes of a pod."""
    decided = decision.decided(pod, facts)
    if isinstance(decided, Left):
        return Outcome(decided.reason, decided.problem)
    made = injected(pod, decided, terms)
    warnings = (*decided.warnings, *probes.doubts(pod), *_endless(pod, terms))
    operations = tuple(differences.differences(pod.document, made))
    return Outcome(Reason.INJECTED, None, made, operations, warnings, decided.binding)


def injected(pod: Pod, chosen: Chosen, terms: Terms) -> Json:
    """Return the pod with its proxy."""
    taken = frozenset(one["name"] for one in objects(pod.spec.get("volumes")))
    mounted = volumes.apart(volumes.of_proxy(with_pki=chosen.binding.mounts_pki), taken)
    spec = {
        **pod.spec,
        **_containers(pod, chosen, terms, [mount for _, mount in mounted]),
        "volumes": [*objects(pod.spec.get("volumes")), *(volume for volume, _ in mounted)],
    }
    annotations = {**pod.annotations, **_annotations(pod, chosen, terms)}
    return {**pod.document, "metadata": {**pod.metadata, "annotations": annotations}, "spec": spec}


def _containers(pod: Pod, chosen: Chosen, terms: Terms, mounts: list[Json]) -> Json:
    resources = chosen.binding.resources if chosen.binding.resources is not None else containers.RESOURCES
    asked = targets.written(target for _, one in pod.all_containers() for target in probes.recorded(one))
    env = environment.of_proxy(chosen, terms, asked, pod.grace_seconds, resources)
    proxy = containers.proxy(terms, env, mounts, resources)
    capturing = containers.capturing(_init_name(pod), terms, resources)
    before, beside = (list(map(probes.rewritten, some)) for some in (pod.init_containers, pod.containers))
    if terms.is_native:
        return {"initContainers": [capturing, containers.native(proxy), *before], "containers": beside}
    return {"initContainers": [*before, capturing], "containers": [containers.classic(proxy), *beside]}


def _init_name(pod: Pod) -> str:
    taken = frozenset(one["name"] for _, one in pod.all_containers())
    return volumes.free(contract.INIT, taken)


def _annotations(pod: Pod, chosen: Chosen, terms: Terms) -> Mapping[str, str]:
    told = {
        contract.BINDING: chosen.binding.ref.key,
        contract.DEPLOYMENT_ID: chosen.binding.deployment_id,
        contract.IMAGE: terms.image,
    }
    if terms.is_native or contract.DEFAULT_CONTAINER in pod.annotations:
        return told
    return {**told, contract.DEFAULT_CONTAINER: _first(pod)}


def _first(pod: Pod) -> str:
    """Return the container that `kubectl logs` is to mean, as it would without the proxy in front of it."""
    found: Any = next(iter(pod.containers), {}).get("name", "")
    return str(found)


def _endless(pod: Pod, terms: Terms) -> Iterator[Problem]:
    """Yield that a pod which ends by itself does not with a classic proxy, which outlasts all others."""
    if not terms.is_native and pod.spec.get("restartPolicy") in ("Never", "OnFailure"):
        fault = "lets the pod end by itself, which it does not while its proxy runs"
        remedy = "use native sidecars (Kubernetes 1.29), or label the pod disabled"
        yield problems.warning(pod.ref, "spec.restartPolicy", fault, remedy)
