"""The clusters that callers need: by deployment, and by site those of all deployments behind it.

Law: all, not only those that a route names today: a weight that leaves 0 then changes routes and nothing else.
"""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mesh import graph, layers
from mesh.layers import Stage
from mesh.problems import Ref
from translator import bundles
from translator.bundles import Part

Inputs = dict[Any, tuple[object, ...]]
Behind = Mapping[Any, tuple[Ref, ...]]
"""The deployments behind each site."""


@dataclass(frozen=True, slots=True)
class Upstreams:
    """Clusters by deployment and by site."""

    by_deployment: Stage[Ref, Part]
    by_site: Stage[Any, Part]


def upstreams(
    behind: Behind,
    deployments: Mapping[Ref, graph.Deployment],
    clusters: Callable[[graph.Deployment], Part],
    previous: Upstreams,
) -> Upstreams:
    """Return the clusters of the deployments behind some site, and those behind each site."""
    by_deployment = layers.staged(previous.by_deployment, (behind, deployments), _named, clusters)
    sources = (behind, by_deployment.values)
    return Upstreams(by_deployment, layers.staged(previous.by_site, sources, _each, bundles.merged, (layers.same,)))


def _named(behind: Behind, deployments: Mapping[Ref, graph.Deployment]) -> Inputs:
    return {ref: (deployments[ref],) for ref in dict.fromkeys(itertools.chain.from_iterable(behind.values()))}


def _each(behind: Behind, by_deployment: Mapping[Ref, Part]) -> Inputs:
    return {key: tuple(map(by_deployment.__getitem__, refs)) for key, refs in behind.items()}
