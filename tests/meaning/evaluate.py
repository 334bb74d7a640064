"""What becomes of a connection: from a listener through chains, filters, routes and clusters to the next one.

Law: what Envoy's documentation says a proxy does with its configuration, and nothing of what meshloom means by it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from dataclasses import replace as replaced
from types import MappingProxyType
from typing import Any

from tests.meaning import chains, managers, rbac, routes, tls
from tests.meaning.payloads import (
    Answered,
    Arrived,
    Bytes,
    Chances,
    Closed,
    Hello,
    Outcome,
    Payload,
    Place,
    Request,
    changed,
    mixed,
    surely,
)
from tests.meaning.understood import NotUnderstoodError, kind_of

Message = Mapping[str, Any]
INSPECTOR = "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"
DOWNSTREAM = "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"
UPSTREAM = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
MANAGER = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
DYNAMIC = "envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig"
TCP_PROXY, RBAC = (
    "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
    "envoy.extensions.filters.network.rbac.v3.RBAC",
)


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy: its resources by kind and name, routes by their domains, and what it shows and trusts."""

    name: str
    listeners: Mapping[str, Message]
    routes: Mapping[str, routes.Table]
    clusters: Mapping[str, Message]
    filters: Mapping[str, Message]
    secrets: tls.Secrets
    endpoints: Mapping[str, Message] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Network:
    """Who listens where: proxies with their listeners, applications by name; and the addresses of names."""

    bound: Mapping[Place, tuple[Proxy, Message]]
    applications: Mapping[Place, str]
    names: Mapping[str, tuple[str, ...]]

    def places(self, place: Place) -> Iterator[Place]:
        """Yield the places that one with a name stands for."""
        for address in self.names.get(place.address, (place.address,)):
            yield Place(address, place.port)


def network(
    proxies: Iterable[Proxy],
    applications: Mapping[Place, str] = MappingProxyType({}),
    names: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
) -> Network:
    """Return the network of these proxies and applications."""
    listeners = (
        (proxy, one) for proxy in proxies for one in proxy.listeners.values() if "internal_listener" not in one
    )
    bound = {_place(one["address"]): (proxy, one) for proxy, one in listeners}
    return Network(bound, applications, names)


NOWHERE = Place("0.0.0.0", 0)
"""Where a connection inside of a proxy is going to."""


def _place(address: Message) -> Place:
    socket = address["socket_address"]
    return Place(socket["address"], socket["port_value"])


def sent(network: Network, to: Place, payload: Payload) -> Chances:
    """Return what becomes of a connection to a place; of several addresses of a name each is taken as often."""
    return mixed((1, _sent(network, place, payload)) for place in network.places(to))


def _sent(network: Network, to: Place, payload: Payload) -> Chances:
    if to in network.applications:
        return surely(Arrived(network.applications[to], to.port, payload))
    found = network.bound.get(to)
    if found is None:
        return surely(Closed("nobody listens"))
    return _received(network, *found, to, payload)


# ---------------------------------------------------------------------------- listeners and chains


def _received(network: Network, proxy: Proxy, listener: Message, to: Place, payload: Payload) -> Chances:
    met = _met(listener, to, payload)
    if isinstance(met, Closed):
        return surely(met)
    if listener.get("use_original_dst"):
        raise NotUnderstoodError("a listener that hands connections over by where they were going to")
    chain = chains.chosen(listener.get("filter_chains", ()), met) or listener.get("default_filter_chain")
    if chain is None:
        return surely(Closed("no filter chain"))
    return _through(network, proxy, chain, payload)


def _met(listener: Message, to: Place, payload: Payload) -> chains.Met | Closed:
    """Return what listener filters find out. They wait for the first bytes; who says nothing is closed, or goes on."""
    filters = [kind_of(one["typed_config"]) for one in listener.get("listener_filters", ())]
    if any(kind != INSPECTOR for kind in filters):
        raise NotUnderstoodError(f"listener filters {filters}")
    met = chains.Met(to.address, to.port)
    if not filters:
        return met
    match payload:
        case Hello(sni=sni, alpn=alpn):
            return replaced(met, sni=sni, transport=chains.TLS, protocols=alpn)
        case Bytes(is_first=False) if not listener.get("continue_on_listener_filters_timeout"):
            return Closed("listener filters time out")
        case _:
            return met


def _through(network: Network, proxy: Proxy, chain: Message, payload: Payload) -> Chances:
    """Return what becomes of a connection that a chain takes: the handshake first, if there is one."""
    if "transport_socket" not in chain:
        return _filtered(network, proxy, chain["filters"], payload, rbac.Peer(), "")
    context = _typed(chain["transport_socket"], DOWNSTREAM)
    if not isinstance(payload, Hello):
        return surely(Closed("no handshake"))
    why = tls.refusal(context, payload, proxy.secrets)
    if why:
        return surely(Closed(why))
    peer, protocol = rbac.Peer(True, payload.certificate), tls.negotiated(context, payload)
    return _filtered(network, proxy, chain["filters"], payload.inside, peer, protocol)


def _typed(extension: Message, kind: str) -> Message:
    config: Message = extension["typed_config"]
    if kind_of(config) != kind:
        raise NotUnderstoodError(kind_of(config))
    return config


def _filtered(
    network: Network, proxy: Proxy, filters: Sequence[Message], payload: Payload, peer: rbac.Peer, protocol: str
) -> Chances:
    """Return what network filters make of a connection, in order; the last one sends it on."""
    for item in filters:
        config = proxy.filters[item["name"]]["typed_config"] if "config_discovery" in item else item["typed_config"]
        match kind_of(config):
            case k if k == RBAC:
                if not _is_waiting(payload) and not rbac.lets_in(config, peer):
                    return surely(Closed("rbac_access_denied"))
            case k if k == TCP_PROXY:
                return _split(network, proxy, config, payload)
            case k if k == MANAGER:
                return _managed(network, proxy, config, payload, peer, protocol)
            case other:
                raise NotUnderstoodError(other)
    raise NotUnderstoodError("a chain without an end")


def _is_waiting(payload: Payload) -> bool:
    """Return whether a client waits to be spoken to: the filter for access looks at its first byte."""
    return isinstance(payload, Bytes) and not payload.is_first


def _split(network: Network, proxy: Proxy, config: Message, payload: Payload) -> Chances:
    return mixed((weight, upstream(network, proxy, share["name"], payload)) for share, weight in routes.split(config))


# ---------------------------------------------------------------------------- requests


def _managed(
    network: Network, proxy: Proxy, manager: Message, payload: Payload, peer: rbac.Peer, protocol: str
) -> Chances:
    if not isinstance(payload, Request) or not managers.speaks(manager, payload.version, protocol):
        return surely(Closed("not the HTTP that is spoken here"))
    own = manager.get("route_config")
    table = routes.table(own) if own else proxy.routes[manager["rds"]["route_config_name"]]
    found = managers.forwarded(manager, table, payload, peer, lambda name: network.names.get(name, ()))
    if isinstance(found, Answered):
        return surely(found)
    shares = routes.split(found.route["route"])
    return mixed((weight, _requested(network, proxy, found, share)) for share, weight in shares)


def _requested(network: Network, proxy: Proxy, found: managers.Forwarded, share: Message) -> Chances:
    """Return what becomes of a request that one cluster gets; a connection that fails is 503 to the caller."""
    end = routes.upgrade(found.route["route"], "connect") if found.request.inside else None
    if end is not None and "connect_config" in end:
        return changed(upstream(network, proxy, share["name"], found.request.inside, found.upstream), _unopened)
    rewritten = routes.rewritten(found.request, found.route, share)
    request = replaced(rewritten, version=_version(proxy.clusters.get(share["name"], {}), rewritten.version))
    chances = upstream(network, proxy, share["name"], request, found.upstream)
    return changed(chances, _unopened if request.inside else _told)


UNOPENED = ("cluster_not_found", "no_healthy_upstream", "nobody listens", "server certificate is not trusted")
"""Why a connection never comes about; all other ends it meets when it is open."""


def _unopened(outcome: Outcome) -> Outcome:
    """Return what becomes of a tunnel: it is answered when its connection is open, or cannot be opened."""
    return _told(outcome) if isinstance(outcome, Closed) and outcome.why in UNOPENED else outcome


def _told(outcome: Outcome) -> Outcome:
    return Answered(503, outcome.why) if isinstance(outcome, Closed) else outcome


def _version(cluster: Message, spoken: int) -> int:
    """Return the version of HTTP of a cluster: that of the caller where it says so, else 1 unless it says 2."""
    options = cluster.get("typed_extension_protocol_options", {}).get(HTTP_OPTIONS, {})
    if "use_downstream_protocol_config" in options:
        return spoken
    return 2 if "http2_protocol_options" in options.get("explicit_http_config", {}) else 1


# ---------------------------------------------------------------------------- clusters


def upstream(network: Network, proxy: Proxy, name: str, payload: Payload, resolved: Place | None = None) -> Chances:
    """Return what becomes of what a proxy sends to one of its clusters; a dynamic one goes where a filter has found."""
    cluster = proxy.clusters.get(name)
    if cluster is None:
        return surely(Closed("cluster_not_found"))
    if cluster.get("type", "STATIC") not in ("STATIC", "EDS"):
        raise NotUnderstoodError(f"a cluster of type {cluster['type']}")
    if kind_of(cluster.get("cluster_type", {}).get("typed_config", {"@type": ""})) == DYNAMIC:
        return sent(network, resolved, payload) if resolved else surely(Closed("no_healthy_upstream"))
    groups = _assignment(proxy, name, cluster).get("endpoints", ())
    endpoints = [one["endpoint"]["address"] for group in groups for one in group["lb_endpoints"]]
    if not endpoints:
        return surely(Closed("no_healthy_upstream"))
    if "transport_socket" in cluster:
        payload = tls.greeting(_typed(cluster["transport_socket"], UPSTREAM), payload, proxy.secrets)
    return mixed((1, _dialled(network, proxy, endpoint, payload)) for endpoint in endpoints)


def _assignment(proxy: Proxy, name: str, cluster: Message) -> Message:
    """Return the endpoints of a cluster: its own, or those that came beside it."""
    if cluster.get("type") != "EDS":
        return cluster.get("load_assignment", {})
    return proxy.endpoints[cluster["eds_cluster_config"].get("service_name", name)]


def _dialled(network: Network, proxy: Proxy, address: Message, payload: Payload) -> Chances:
    """Return what becomes of a connection to an endpoint, which may be a listener inside of the same proxy."""
    if "envoy_internal_address" not in address:
        return sent(network, _place(address), payload)
    listener = proxy.listeners[address["envoy_internal_address"]["server_listener_name"]]
    return _received(network, proxy, listener, NOWHERE, payload)
