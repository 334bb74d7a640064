"""Routes: what becomes of a request whose virtual host is known.

Law: timeouts are always written out, because Envoy's defaults are not ours; a rewritten path never gets `//`.
"""

import datetime
import functools
import re
from collections.abc import Iterable
from typing import Any

from envoy_data_plane.envoy.config.core import v3 as core_v3
from envoy_data_plane.envoy.config.route import v3 as route_v3
from envoy_data_plane.envoy.type.matcher import v3 as matcher_v3

from mesh import graph
from translator import names, replies, wire

Route = route_v3.Route

ROOT = "/"

TUNNEL_IDLE_MS = 3_600_000
"""How long nothing may be sent through a connection out of the mesh that a CONNECT asked for."""

_KEPT = 1024
"""So many messages of each sort are kept: most routes of a mesh differ in nothing but their clusters and weights."""

_ACTION, _CLUSTER, _WEIGHTED_CLUSTERS = 2, 1, 3  # the numbers of the fields, in a route and in its action


def targets(routes: Iterable[graph.HttpRoute], connections: Iterable[graph.TcpPort] = ()) -> tuple[graph.Target, ...]:
    """Return the targets that routes and ports of bytes lead to, in order, each once."""
    forwards = (route.action for route in routes if isinstance(route.action, graph.Forward))
    split = (*(forward.shares for forward in forwards), *(port.shares for port in connections))
    return tuple(sorted({share.target for shares in split for share in shares}))


def is_exhaustive(routes: tuple[graph.HttpRoute, ...]) -> bool:
    """Return whether every request matches one of these routes."""
    return any(route.path == ROOT and not route.is_grpc for route in routes)


def encoded(rule: graph.HttpRoute, is_inside: bool) -> bytes:
    """Return a route, encoded; `is_inside` says whether those who use it are in the mesh and may read reasons.

    What weights do not change is encoded once for all routes that have it.
    """
    match rule.action:
        case graph.Forward(shares, timeout, idle_timeout, rewrite):
            matching, action = _around(rule.path, rule.by_segment, rule.is_grpc, rewrite, timeout, idle_timeout)
            return matching + wire.repeated(_ACTION, [_clusters(shares) + action])
        case graph.Refusal(status, reason):
            matched = _match(rule.path, rule.by_segment, rule.is_grpc)
            return wire.encode(Route(match=matched, direct_response=_answer(status, reason if is_inside else "")))


def everything(status: int, text: str = "") -> route_v3.Route:
    """Return the route that answers every request with this status and text, but for CONNECT."""
    return route_v3.Route(match=route_v3.RouteMatch(prefix=ROOT), direct_response=_answer(status, text))


def every_connect(status: int, text: str = "") -> route_v3.Route:
    """Return the route that answers every CONNECT with this status and text."""
    return route_v3.Route(match=_connect(), direct_response=_answer(status, text))


def by_authority(pattern: str, answer: route_v3.Route) -> route_v3.Route:
    """Return a route as it is for requests whose authority matches a pattern as a whole."""
    matcher = matcher_v3.StringMatcher(safe_regex=matcher_v3.RegexMatcher(regex=pattern))
    header = route_v3.HeaderMatcher(name=":authority", string_match=matcher)
    match = wire.varied(answer.match or _connect(), headers=[header])
    return wire.varied(answer, match=match)


def refusals() -> list[Route]:
    """Return the routes that forbid every CONNECT and every request."""
    return [every_connect(replies.FORBIDDEN), everything(replies.FORBIDDEN)]


def requests_to(cluster: str) -> Route:
    """Return the route of every request to a cluster, without a limit of time."""
    action = route_v3.RouteAction(cluster=cluster, timeout=_duration(graph.NO_TIMEOUT))
    return Route(match=route_v3.RouteMatch(prefix=ROOT), route=action)


def connects_to(cluster: str) -> Route:
    """Return the route of every CONNECT to a cluster, where it ends: silence of an hour ends the connection."""
    return Route(match=_connect(), route=_tunnel(TUNNEL_IDLE_MS, cluster=cluster))


def connects_by(cluster: str) -> Route:
    """Return the route of every CONNECT to a cluster, which gets it as it is."""
    handed_on = route_v3.RouteActionUpgradeConfig(upgrade_type="CONNECT")
    action = wire.varied(_tunnel(TUNNEL_IDLE_MS, cluster=cluster), upgrade_configs=[handed_on])
    return Route(match=_connect(), route=action)


def to_application(listener: graph.Listener) -> route_v3.Route:
    """Return the route of all requests that a listener receives."""
    action = route_v3.RouteAction(
        cluster=names.inbound(listener.port),
        timeout=_duration(listener.request_timeout_ms),
        idle_timeout=_duration(listener.idle_timeout_ms),
    )
    return route_v3.Route(match=route_v3.RouteMatch(prefix=ROOT), route=action)


@functools.cache
def into_requests() -> route_v3.Route:
    """Return the route of a CONNECT through which requests are sent: they are read, and meet these routes themselves.

    How long it may be silent is for those who read it.
    """
    return route_v3.Route(match=_connect(), route=_tunnel(graph.NO_TIMEOUT, cluster=names.CONNECT))


def into_bytes(port: graph.TcpPort) -> route_v3.Route:
    """Return the route of a CONNECT to a port of bytes, which has shares: a change of weights is for new ones."""
    cluster, weighted = split(port.shares)
    action = _tunnel(port.idle_timeout_ms, cluster=cluster, weighted_clusters=weighted)
    return route_v3.Route(match=_connect(), route=action)


@functools.cache
def _connect() -> route_v3.RouteMatch:
    return route_v3.RouteMatch(connect_matcher=route_v3.RouteMatchConnectMatcher())


def _tunnel(idle_timeout_ms: int, **clusters: Any) -> route_v3.RouteAction:
    """Return the action that ends a CONNECT here and sends on what is inside of it."""
    connect = route_v3.RouteActionUpgradeConfig(
        upgrade_type="CONNECT", connect_config=route_v3.RouteActionUpgradeConfigConnectConfig()
    )
    timeout, idle = _duration(graph.NO_TIMEOUT), _duration(idle_timeout_ms)
    return route_v3.RouteAction(timeout=timeout, idle_timeout=idle, upgrade_configs=[connect], **clusters)


def _answer(status: int, text: str) -> route_v3.DirectResponseAction:
    body = core_v3.DataSource(inline_string=f"{text}\n") if text else None
    return route_v3.DirectResponseAction(status=status, body=body)


@functools.lru_cache(_KEPT)
def _match(path: str, by_segment: bool, is_grpc: bool) -> route_v3.RouteMatch:
    grpc = route_v3.RouteMatchGrpcRouteMatchOptions() if is_grpc else None
    if by_segment and path != ROOT:
        return route_v3.RouteMatch(path_separated_prefix=path, grpc=grpc)
    return route_v3.RouteMatch(prefix=path, grpc=grpc)


@functools.lru_cache(_KEPT)
def _around(
    path: str, by_segment: bool, is_grpc: bool, rewrite: str, timeout_ms: int, idle_timeout_ms: int
) -> tuple[bytes, bytes]:
    """Return the encodings of what a route has before its action, and of what this says besides its clusters."""
    prefix_rewrite, regex_rewrite = _rewrite(path, rewrite)
    action = route_v3.RouteAction(
        prefix_rewrite=prefix_rewrite,
        regex_rewrite=regex_rewrite,
        timeout=_duration(timeout_ms),
        idle_timeout=_duration(idle_timeout_ms),
    )
    return wire.encode(Route(match=_match(path, by_segment, is_grpc))), wire.encode(action)


def _clusters(shares: tuple[graph.Share, ...]) -> bytes:
    """Return the encoding of the clusters of an action, which come first in it."""
    cluster, weighted = split(shares)
    if weighted is None:
        return wire.repeated(_CLUSTER, [(cluster or "").encode()])
    return wire.repeated(_WEIGHTED_CLUSTERS, [wire.encode(weighted)])


def split(shares: tuple[graph.Share, ...]) -> tuple[str | None, route_v3.WeightedCluster | None]:
    """Return the only cluster, or all of them with their weights and the hosts they are called by."""
    if len(shares) == 1 and not shares[0].host_rewrite:
        return names.target(shares[0].target), None
    return None, wire.varied(_nowhere(), clusters=[_weighted(share) for share in shares])


@functools.cache
def _nowhere() -> route_v3.WeightedCluster:
    return route_v3.WeightedCluster()


def _weighted(share: graph.Share) -> route_v3.WeightedClusterClusterWeight:
    host = share.host_rewrite or None
    return wire.varied(_unweighted(), name=names.target(share.target), weight=share.weight, host_rewrite_literal=host)


@functools.cache
def _unweighted() -> route_v3.WeightedClusterClusterWeight:
    return route_v3.WeightedClusterClusterWeight()


def segments(path: str) -> matcher_v3.RegexMatcher:
    """Return the pattern of paths that begin with the segments of this one."""
    return matcher_v3.RegexMatcher(regex=f"{re.escape(path)}(/.*)?")


def _rewrite(path: str, to: str) -> tuple[str, matcher_v3.RegexMatchAndSubstitute | None]:
    """Return a rewrite of the matched prefix that keeps exactly one slash between it and the rest.

    What follows a prefix that ends with a slash does not begin with one, and the other way round. Only `/foo` -> `/`
    is beyond a prefix rewrite: `/foo` becomes `/`, and `/foo/bar` becomes `/bar`.
    """
    bare = to.rstrip(ROOT)
    if not to or (path == ROOT and not bare):
        return "", None
    if path.endswith(ROOT):
        return f"{bare}/", None
    if bare:
        return bare, None
    pattern = matcher_v3.RegexMatcher(regex=f"^{re.escape(path)}/*")
    return "", matcher_v3.RegexMatchAndSubstitute(pattern=pattern, substitution=ROOT)


def _duration(milliseconds: int) -> datetime.timedelta:
    return datetime.timedelta(milliseconds=milliseconds)
