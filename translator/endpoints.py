"""Endpoints: where deployments that are bound receive, apart from the clusters that use them.

Law: an endpoint that comes or goes is one resource for each listener of its deployment, and changes nothing else: no
cluster, no route. All endpoints of a deployment are used alike, wherever they are.
"""

import functools
import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from envoy_data_plane.envoy.config.core import v3 as core_v3
from envoy_data_plane.envoy.config.endpoint import v3 as endpoint_v3

from mesh import graph, layers
from mesh.layers import NEVER, LookedUp, Stage, same
from mesh.problems import Ref
from translator import names, resources, wire
from translator.bundles import Part
from translator.resources import EncodedResource

K = TypeVar("K")
Behind = Mapping[Any, tuple[Ref, ...]]
"""The deployments behind each site."""

_GROUPS, _MEMBERS = 2, 2
"""The numbers of the fields that are spliced: the localities of an assignment, the endpoints of a locality."""


def assignments(deployment: Ref, ports: tuple[int, ...], endpoints: tuple[graph.Endpoint, ...]) -> Part:
    """Return the endpoints of each listener of a deployment, by the names of its clusters."""
    return tuple(_assignment(graph.Target(deployment, port), endpoints) for port in ports)


def _assignment(target: graph.Target, endpoints: tuple[graph.Endpoint, ...]) -> EncodedResource:
    """Return the endpoints of a target, which are in order of their zones."""
    name = names.target(target)
    zones = itertools.groupby(endpoints, lambda one: one.zone)
    groups = [_group(zone, [_member(one.address, target.port) for one in found]) for zone, found in zones]
    message = endpoint_v3.ClusterLoadAssignment(cluster_name=name)
    return resources.encoded(resources.ENDPOINTS, name, wire.spliced(message, _GROUPS, groups))


def _group(zone: str, members: list[bytes]) -> bytes:
    """Return the endpoints of a zone. The weight is for gRPC, which goes by it; Envoy takes all endpoints alike."""
    message = endpoint_v3.LocalityLbEndpoints(locality=core_v3.Locality(zone=zone), load_balancing_weight=len(members))
    return wire.spliced(message, _MEMBERS, members)


@functools.lru_cache(maxsize=1 << 15)
def _member(address: str, port: int) -> bytes:
    socket = core_v3.SocketAddress(address=address, port_value=port)
    endpoint = endpoint_v3.Endpoint(address=core_v3.Address(socket_address=socket))
    return wire.encode(endpoint_v3.LbEndpoint(endpoint=endpoint))


# ---------------------------------------------------------------------------- of whom they are needed


@dataclass(frozen=True, slots=True)
class Loads:
    """The deployments behind some site, and the endpoints of those among them that are bound."""

    needed: Stage[Ref, None]
    by_deployment: Stage[Ref, Part]


NOTHING = Loads(NEVER, NEVER)
"""What there is of nobody."""


def loads(behind: Behind, of: graph.Graph, previous: Loads) -> Loads:
    """Return the endpoints of the deployments behind some site."""
    needed = layers.grouped(previous.needed, (behind,), _needed)
    given = (needed.values, of.deployments, of.endpoints)
    made = layers.staged(previous.by_deployment, given, _inputs, assignments, (same, same, LookedUp(same)))
    return Loads(needed, made)


def _needed(behind: Behind) -> dict[Ref, None]:
    return dict.fromkeys(itertools.chain.from_iterable(behind.values()))


def _inputs(
    needed: Mapping[Ref, None],
    deployments: Mapping[Ref, graph.Deployment],
    endpoints: Mapping[Ref, tuple[graph.Endpoint, ...]],
) -> dict[Ref, tuple[Any, ...]]:
    return {
        ref: (ref, tuple(one.port for one in deployments[ref].listeners), endpoints.get(ref, ()))
        for ref in needed
        if isinstance(deployments[ref].discovery, graph.Bound)
    }


@dataclass(frozen=True, slots=True)
class Shared(Generic[K]):
    """The deployments that some clients have in common, who has each of them, and their endpoints as one part."""

    within: Stage[K, tuple[Ref, ...]]
    holders: Stage[Ref, tuple[K, ...]]
    parts: Stage[K, Part]


NOBODYS: Shared[Any] = Shared(NEVER, NEVER, NEVER)
"""What nobody has in common."""


def shared(
    sources: layers.Inputs,
    within: Callable[..., Mapping[K, tuple[Ref, ...]]],
    by_deployment: Mapping[Ref, Part],
    previous: Shared[K],
) -> Shared[K]:
    """Return the endpoints of the deployments `within(*sources)`, no deployment twice."""
    found = layers.grouped(previous.within, sources, within)
    holders = layers.grouped(previous.holders, (found.values,), _holders)
    reads = (same, LookedUp(layers.among(holders.values)))
    return Shared(found, holders, layers.staged(previous.parts, (found.values, by_deployment), _each, _joined, reads))


def _holders(within: Mapping[K, tuple[Ref, ...]]) -> dict[Ref, tuple[K, ...]]:
    return layers.readers(within.items())


def _each(within: Mapping[K, tuple[Ref, ...]], by_deployment: Mapping[Ref, Part]) -> dict[K, tuple[Part, ...]]:
    return {
        key: tuple(filter(None, map(layers.at_hand(by_deployment, len(refs)).get, refs)))
        for key, refs in within.items()
    }


def _joined(*parts: Part) -> Part:
    return tuple(itertools.chain.from_iterable(parts))


def behind_each(sites: Mapping[K, Iterable[Any]], behind: Behind) -> dict[K, tuple[Ref, ...]]:
    """Return the deployments behind the sites of each key, each once."""
    return {
        key: tuple(dict.fromkeys(itertools.chain.from_iterable(map(behind.__getitem__, several))))
        for key, several in sites.items()
    }
