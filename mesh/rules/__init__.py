"""The rules of the nine kinds, each judged once, here: by the resolver, by `check` and at admission.

Law: a rule is a pure function of one object, and the table below is the only list of them. Rules are numbered after the
section of the original's reference that they come from; 2.13 is what the original left unchecked.
"""

import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mesh import problems
from mesh.problems import Problem, Ref, Severity
from mesh.resources import Resource
from mesh.rules import (
    access,
    amounts,
    choices,
    deployments,
    gateway_conflicts,
    gateway_deployments,
    gateway_tls,
    gateways,
    names,
    routes,
    services,
    timeouts,
)
from mesh.rules.transitions import transition_problems

__all__ = [
    "ADVICE",
    "RULES",
    "WEIGHED",
    "Rule",
    "object_problems",
    "refusals",
    "transition_problems",
    "unweighted_problems",
    "weight_problems",
]

Rule = Callable[[Ref, Any], Iterable[Problem]]
"""What is wrong with the spec of the object at this address."""

_COMMON: tuple[Rule, ...] = (names.long_names, choices.reference_problems)

_ROUTES: tuple[Rule, ...] = (
    routes.ambiguous_rules,
    routes.unequal_ports,
    routes.odd_weights,
    routes.repeated_destinations,
    routes.odd_paths,
    routes.useless_path_types,
    routes.useless_rewrites,
    timeouts.endless_timeouts,
)

RULES: Mapping[str, tuple[Rule, ...]] = {
    "Mesh": _COMMON,
    "VirtualService": (*_COMMON, services.unreadable_hosts, services.greedy_hosts),
    "VirtualDeployment": (
        *_COMMON,
        deployments.missing_hostname,
        deployments.needless_hostname,
        deployments.half_described,
        deployments.unreadable_hostname,
        deployments.repeated_ports,
        deployments.reserved_ports,
        deployments.useless_timeouts,
        timeouts.endless_timeouts,
    ),
    "VirtualServiceRouteTable": (*_COMMON, *_ROUTES),
    "VirtualDeploymentBinding": (*_COMMON, amounts.impossible_sidecars),
    "AccessPolicy": (
        *_COMMON,
        access.ambiguous_targets,
        access.external_sources,
        access.gateways_outside,
        access.gateway_destinations,
        access.ambiguous_external_services,
        access.odd_networks,
        access.odd_hostnames,
        access.nameless_tls,
    ),
    "IngressGateway": (
        *_COMMON,
        gateways.nameless_hosts,
        gateways.low_ports,
        gateways.reserved_ports,
        gateways.odd_hostnames,
        gateways.repeated_host_names,
        gateways.unusable_secret_names,
        gateway_tls.missing_certificates,
        gateway_tls.missing_authorities,
        gateway_tls.unchecked_names,
        gateway_tls.literal_names,
        gateway_tls.unused_tls,
        gateway_conflicts.conflicting_listeners,
    ),
    "IngressGatewayDeployment": (
        *_COMMON,
        gateway_deployments.crossed_bounds,
        gateway_deployments.needless_service_ports,
        gateway_deployments.mixed_protocols,
        gateway_deployments.nameless_ports,
        gateway_deployments.repeated_port_names,
        gateway_deployments.repeated_secrets,
        gateway_deployments.long_names,
        gateway_deployments.unusable_service_names,
        gateway_deployments.empty_service,
        gateway_deployments.unusable_ports,
        gateway_deployments.repeated_ports,
        gateway_deployments.odd_protocols,
        gateway_deployments.unusable_port_names,
        gateway_deployments.unusable_secret_names,
        gateway_deployments.unreachable,
        gateway_deployments.unmeasured,
        amounts.impossible_gateways,
    ),
    "IngressGatewayRouteTable": (*_COMMON, *_ROUTES),
}
"""The rules of each kind, in the order in which their problems are told."""


ADVICE: frozenset[Rule] = frozenset(
    {
        access.gateways_outside,
        access.odd_networks,
        access.odd_hostnames,
        access.nameless_tls,
        amounts.impossible_gateways,
        amounts.impossible_sidecars,
        deployments.unreadable_hostname,
        deployments.repeated_ports,
        deployments.reserved_ports,
        deployments.useless_timeouts,
        gateway_conflicts.conflicting_listeners,
        gateway_deployments.unusable_secret_names,
        gateway_tls.unchecked_names,
        gateway_tls.literal_names,
        gateway_tls.unused_tls,
        gateways.odd_hostnames,
        gateways.repeated_host_names,
        gateways.reserved_ports,
        gateways.unusable_secret_names,
        routes.odd_weights,
        routes.repeated_destinations,
        routes.odd_paths,
        routes.useless_path_types,
        routes.useless_rewrites,
        services.unreadable_hosts,
        services.greedy_hosts,
        timeouts.endless_timeouts,
    }
)
"""What the original let in: at admission a warning, even where a part of the object does nothing."""


WEIGHED: frozenset[Rule] = frozenset({routes.odd_weights})
"""The rules that look at weights, which change far more often than all the rest."""

_UNWEIGHTED, _OF_WEIGHTS = (
    {kind: tuple(rule for rule in some if (rule in WEIGHED) is is_weighed) for kind, some in RULES.items()}
    for is_weighed in (False, True)
)


def refusals(resource: Resource) -> tuple[Problem, ...]:
    """Return why admission should refuse an object, judged from itself alone."""
    spec = getattr(resource, "spec", None)
    binding = () if spec is None else (rule for rule in RULES.get(resource.kind, ()) if rule not in ADVICE)
    found = itertools.chain.from_iterable(problems.first_of(rule(resource.ref, spec)) for rule in binding)
    return tuple(problem for problem in found if problem.severity is Severity.ERROR)


def object_problems(resource: Resource) -> tuple[Problem, ...]:
    """Return what is wrong with one object, judged from itself alone; nothing for kinds that are not of the nine.

    Rule 2.3.3: an object has a spec.
    """
    return _problems(resource, RULES)


def unweighted_problems(resource: Resource) -> tuple[Problem, ...]:
    """Return what is wrong with one object whatever its weights are."""
    return _problems(resource, _UNWEIGHTED)


def weight_problems(resource: Resource) -> tuple[Problem, ...]:
    """Return what is wrong with the weights of one object: with those above, all that is wrong with it."""
    return _judged(resource, _OF_WEIGHTS) if getattr(resource, "spec", None) is not None else ()


def _problems(resource: Resource, listed: Mapping[str, tuple[Rule, ...]]) -> tuple[Problem, ...]:
    if resource.kind in listed and getattr(resource, "spec", None) is None:
        missing = problems.error(resource.ref, "spec", "is missing", "add it; without it the object does nothing")
        return (*names.long_names(resource.ref, None), missing)
    return _judged(resource, listed)


def _judged(resource: Resource, listed: Mapping[str, tuple[Rule, ...]]) -> tuple[Problem, ...]:
    subject, spec = resource.ref, getattr(resource, "spec", None)
    found = (problems.first_of(rule(subject, spec)) for rule in listed.get(resource.kind, ()))
    return tuple(itertools.chain.from_iterable(found))
