"""The clusters that callers need: by deployment, and by site those of all deployments behind it.

Law: all, not only those that a route names today: a weight that leaves 0 then changes routes and nothing else. A mode
that changes how a service proves itself changes the clusters of its deployments and no others.
"""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mesh import graph, layers
from mesh.layers import Stage
from mesh.problems import Ref
from translator import bundles, clusters
from translator.bundles import Part
from translator.clusters import Callee

Inputs = dict[Any, tuple[object, ...]]
Behind = Mapping[Any, tuple[Ref, ...]]
"""The deployments behind each site."""


@dataclass(frozen=True, slots=True)
class Upstreams:
    """Services as far as it counts for how they are called; clusters by deployment and by site."""

    callees: Stage[Ref, Callee]
    by_deployment: Stage[Ref, Part]
    by_site: Stage[Any, Part]


def upstreams(
    behind: Behind,
    deployments: Mapping[Ref, graph.Deployment],
    services: Mapping[Ref, graph.Service],
    build: Callable[[graph.Deployment, Callee], Part],
    previous: Upstreams,
) -> Upstreams:
    """Return the clusters of the deployments behind some site, and those behind each site. Routes do not count."""
    callees = layers.staged(previous.callees, (services,), layers.alone, clusters.callee, (layers.same,))
    given = (behind, deployments, callees.values)
    by_deployment = layers.staged(previous.by_deployment, given, _named, build)
    sources = (behind, by_deployment.values)
    by_site = layers.staged(previous.by_site, sources, _each, bundles.merged, (layers.same,))
    return Upstreams(callees, by_deployment, by_site)


def _named(behind: Behind, deployments: Mapping[Ref, graph.Deployment], callees: Mapping[Ref, Callee]) -> Inputs:
    found = (deployments[ref] for ref in dict.fromkeys(itertools.chain.from_iterable(behind.values())))
    return {deployment.ref: (deployment, callees[deployment.service]) for deployment in found}


def _each(behind: Behind, by_deployment: Mapping[Ref, Part]) -> Inputs:
    return {key: tuple(layers.picked(by_deployment, refs)) for key, refs in behind.items()}
