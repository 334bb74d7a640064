"""The secrets of each proxy beside what is compiled for it: its own certificate, and the roots its mesh trusts; and for
gateways what their listeners show to strangers.

Law: a proxy gets the secrets of its own identity and of nobody else, a gateway those that its own listeners name; all
replicas share one encoding. Pure: whoever makes keys has made them before.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from mesh import graph, identity, layers, workloads
from mesh.layers import NEVER, Stage, same
from mesh.problems import Ref
from meshloom import edge_secrets
from translator import proxies, secrets
from translator.bundles import Bundle, Part

Bundles = Mapping[proxies.Proxy, Bundle]
Identities = Mapping[Ref, identity.Identity]
Inputs = dict[Any, tuple[Any, ...]]


class Key(Protocol):
    """A private key."""

    @property
    def pem(self) -> bytes:
        """The key itself."""


class Leaf(Protocol):
    """A certificate and its key."""

    @property
    def chain(self) -> bytes:
        """Certificates in PEM: its own first, then those between it and a root."""

    @property
    def key(self) -> Key:
        """The private key."""


class Roots(Protocol):
    """What is trusted."""

    @property
    def pem(self) -> bytes:
        """Certificates, one after the other."""


class Credentials(Protocol):
    """What there is at one moment: leaves by identity, roots by trust domain. Unchanged values are the same objects."""

    @property
    def leaves(self) -> Mapping[identity.Identity, Leaf]:
        """The leaf of each identity that was asked for, as far as one could be issued."""

    @property
    def roots(self) -> Mapping[str, Roots]:
        """What the members of each trust domain trust."""


class Edge(NamedTuple):
    """What gateways are, by themselves and as deployments give them, and the Secrets that their listeners name."""

    gateways: Mapping[Ref, graph.Gateway]
    deployed: Mapping[Ref, graph.Gateway]
    secrets: Mapping[Ref, workloads.Secret]


@dataclass(frozen=True, slots=True)
class Members:
    """The identity of each service, gateway and wanted proxy that has a place in the graph; all those identities."""

    services: Stage[Ref, identity.Identity]
    gateways: Stage[Ref, identity.Identity]
    proxies: Stage[proxies.Proxy, identity.Identity]
    identities: frozenset[identity.Identity]


@dataclass(frozen=True, slots=True)
class Secured:
    """All secrets encoded, and bundles with their secrets; `shown` are those of each gateway's listeners, by what gives
    the gateway: `edges` has them all; `own` those of each proxy that can be served.
    """

    leaves: Stage[identity.Identity, Part]
    roots: Stage[str, Part]
    edges: Stage[Ref, graph.Gateway]
    shown: Stage[Ref, Part]
    own: Stage[proxies.Proxy, tuple[Part, ...]]
    bundles: Stage[proxies.Proxy, Bundle]


NOBODY = Members(NEVER, NEVER, NEVER, frozenset())
NOTHING = Secured(*[NEVER] * 6)


def members(of: graph.Graph, wanted: frozenset[proxies.Proxy], previous: Members) -> Members:
    """Return who these proxies are; a change that moves nobody costs a few looks."""
    services = layers.staged(previous.services, (of.services,), layers.alone, _identity_of, (same,))
    gateways = layers.staged(previous.gateways, (of.gateways,), layers.alone, _identity_of, (same,))
    places = (wanted, of.deployments, services.values, gateways.values)
    found = layers.grouped(previous.proxies, places, _members)
    is_same = found.values is previous.proxies.values
    return Members(services, gateways, found, previous.identities if is_same else frozenset(found.values.values()))


def secured(of: Members, compiled: Bundles, given: Credentials, edge: Edge, previous: Secured) -> Secured:
    """Return the bundles of these proxies with their secrets; those for whom there are none are left out."""
    leaves = layers.staged(previous.leaves, (given.leaves,), layers.alone, _leaf, (same,))
    roots = layers.staged(previous.roots, (given.roots,), layers.alone, _roots, (same,))
    edges = layers.united(previous.edges, edge.gateways, edge.deployed)
    shown = layers.staged(previous.shown, (edges.values, edge.secrets), edge_secrets.named, edge_secrets.part, (same,))
    places = (of.proxies.values, leaves.values, roots.values, shown.values)
    own = layers.staged(previous.own, places, _secrets, layers.as_given, (same,))
    bundles = layers.staged(previous.bundles, (compiled, own.values), _parts, _together, (same, same))
    return Secured(leaves, roots, edges, shown, own, bundles)


def _identity_of(owner: graph.Service | graph.Gateway) -> identity.Identity:
    return owner.identity


def _members(
    wanted: frozenset[proxies.Proxy],
    deployments: Mapping[Ref, graph.Deployment],
    services: Identities,
    gateways: Identities,
) -> dict[proxies.Proxy, identity.Identity]:
    found = ((proxy, _identity(proxy, deployments, services, gateways)) for proxy in wanted)
    return {proxy: one for proxy, one in found if one is not None}


def _identity(
    proxy: proxies.Proxy, deployments: Mapping[Ref, graph.Deployment], services: Identities, gateways: Identities
) -> identity.Identity | None:
    if isinstance(proxy, proxies.Gateway):
        return gateways.get(proxy.gateway)
    deployment = deployments.get(proxy.deployment)
    return services.get(deployment.service) if deployment is not None else None


def _leaf(leaf: Leaf) -> Part:
    return (secrets.identity_secret(leaf.chain, leaf.key.pem),)


def _roots(roots: Roots) -> Part:
    return (secrets.authorities_secret(roots.pem),)


def _parts(compiled: Bundles, own: Mapping[proxies.Proxy, tuple[Part, ...]]) -> Inputs:
    """Leave out who must not be served without secrets and has none; gRPC programs ask for none."""
    return {
        proxy: (bundle, own.get(proxy, ()))
        for proxy, bundle in compiled.items()
        if proxy in own or isinstance(proxy, proxies.Proxyless)
    }


def _secrets(
    members: Mapping[proxies.Proxy, identity.Identity],
    leaves: Mapping[identity.Identity, Part],
    roots: Mapping[str, Part],
    shown: Mapping[Ref, Part],
) -> Inputs:
    found = ((proxy, leaves.get(of), roots.get(of.trust_domain)) for proxy, of in members.items())
    return {
        proxy: ((leaf, trusted, *_shown(proxy, shown)),)
        for proxy, leaf, trusted in found
        if leaf is not None and trusted is not None and not isinstance(proxy, proxies.Proxyless)
    }


def _shown(proxy: proxies.Proxy, shown: Mapping[Ref, Part]) -> tuple[Part, ...]:
    return tuple(filter(None, [shown.get(proxy.given_by, ())])) if isinstance(proxy, proxies.Gateway) else ()


def _together(bundle: Bundle, given: tuple[Part, ...]) -> Bundle:
    return (*bundle, *given)
