"""HTTP connection managers: from a request to the route that takes it, or to an answer.

Law: as `HttpConnectionManager` and its filters say: headers are mutated first, the path is normalised, the route is
chosen, each filter meets the request in order with what the route says to it, the router is last.
"""

import dataclasses
import ipaddress
import posixpath
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.meaning import rbac, replies, routes, strings
from tests.meaning.payloads import Answered, Place, Request
from tests.meaning.understood import NotUnderstoodError, kind_of

Message = Mapping[str, Any]
ROUTER, RBAC = "envoy.extensions.filters.http.router.v3.Router", "envoy.extensions.filters.http.rbac.v3.RBAC"
RESOLVER = "envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig"
MUTATION = "envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation"


@dataclasses.dataclass(frozen=True, slots=True)
class Forwarded:
    """A request on its way, the route that takes it, and where it goes, if that is known by then."""

    request: Request
    route: Message
    upstream: Place | None = None


def speaks(manager: Message, version: int, protocol: str) -> bool:
    """Return whether a manager reads this version of HTTP from a client that has agreed upon this protocol by ALPN."""
    codec = manager.get("codec_type", "AUTO")
    if codec == "AUTO":
        return version == 2 if protocol == "h2" else True
    return bool(codec == f"HTTP{version}")


Resolve = Callable[[str], Sequence[str]]
"""The addresses of a name."""


def forwarded(
    manager: Message, table: routes.Table, request: Request, peer: rbac.Peer, resolve: Resolve
) -> Forwarded | Answered:
    """Return what a manager with these routes makes of a request."""
    seen = _seen(manager, request)
    if isinstance(seen, Answered):
        return replies.reply(manager, seen, request, peer)
    found = _routed(manager, table, seen, peer, resolve)
    return replies.reply(manager, found, seen, peer) if isinstance(found, Answered) else found


# ---------------------------------------------------------------------------- what a request is taken for


def _seen(manager: Message, request: Request) -> Request | Answered:
    """Return a request as routes see it."""
    underscores = manager.get("common_http_protocol_options", {}).get("headers_with_underscores_action")
    if underscores == "REJECT_REQUEST" and any("_" in name for name, _ in request.headers):
        return Answered(400, "http1.unexpected_underscore" if request.version == 1 else "http2.unexpected_underscore")
    path = _path(manager, request.path) if request.path else ""
    if path is None:
        return Answered(307, "path_normalization_redirect")
    return dataclasses.replace(
        request, authority=_authority(manager, request.authority), path=path, headers=_headers(manager, request)
    )


def _headers(manager: Message, request: Request) -> tuple[tuple[str, str], ...]:
    left = request.headers
    for extension in manager.get("early_header_mutation_extensions", ()):
        config = extension["typed_config"]
        if kind_of(config) != MUTATION:
            raise NotUnderstoodError(kind_of(config))
        for mutation in config["mutations"]:
            matcher = mutation["remove_on_match"]["key_matcher"]
            left = tuple(pair for pair in left if not strings.matches(matcher, pair[0]))
    return left


def _authority(manager: Message, authority: str) -> str:
    if manager.get("strip_any_host_port"):
        authority = re.sub(r":\d+$", "", authority)
    if manager.get("strip_trailing_host_dot"):
        authority = re.sub(r"\.(:\d+)?$", r"\1", authority)
    return authority


def _path(manager: Message, path: str) -> str | None:
    """Return a path in the form that is asked for; None where the client is sent to that form itself."""
    bare, mark, query = path.partition("?")
    escaped = manager.get("path_with_escaped_slashes_action", "KEEP_UNCHANGED")
    if re.search("%2f|%5c", bare, re.IGNORECASE) and escaped == "UNESCAPE_AND_REDIRECT":
        return None
    if manager.get("normalize_path"):
        ending = "/" if bare.endswith(("/", "/.", "/..")) else ""
        bare = posixpath.normpath(bare).rstrip("/") + ending if bare.strip("/") else bare
    if manager.get("merge_slashes"):
        bare = re.sub("/+", "/", bare)
    return bare + mark + query


# ---------------------------------------------------------------------------- what becomes of it


def _routed(
    manager: Message, table: routes.Table, request: Request, peer: rbac.Peer, resolve: Resolve
) -> Forwarded | Answered:
    host = routes.virtual_host(table, request.authority)
    route = routes.route(host, request) if host is not None else None
    if not _is_upgrade_allowed(manager, route, request):
        return Answered(403, "upgrade_failed")
    for item in manager["http_filters"]:
        match kind_of(item["typed_config"]):
            case k if k == RBAC:
                access = _own(route, host, item["name"]) or item["typed_config"]
                if not rbac.lets_in(access, peer):
                    return Answered(403, "rbac_access_denied_matched_policy[none]", "RBAC: access denied")
            case k if k == RESOLVER:
                place = _resolved(request.authority, resolve)
                if place is None:
                    return Answered(503, "dns_resolution_failure", "DNS resolution failure")
                peer = dataclasses.replace(peer, upstream=place)
            case k if k == ROUTER:
                return _taken(route, request, peer.upstream)
            case other:
                raise NotUnderstoodError(other)
    raise NotUnderstoodError("a manager without a router")


def _resolved(authority: str, resolve: Resolve) -> Place | None:
    """Return where the dynamic forward proxy finds a host: at its first address, at port 80 unless it names one."""
    name, _, port = authority.rpartition(":") if re.search(r":\d+$", authority) else (authority, "", "80")
    bare = name.strip("[]")
    try:
        return Place(str(ipaddress.ip_address(bare)), int(port))
    except ValueError:
        return next((Place(address, int(port)) for address in resolve(bare.lower())), None)


def _is_upgrade_allowed(manager: Message, route: Message | None, request: Request) -> bool:
    """Return whether a request is none for an upgrade, or for one that its route or else the manager allows."""
    kind = "connect" if request.method == "CONNECT" else (request.header("upgrade") or "").lower()
    given = (route or {}).get("route", {}), manager
    return not kind or any(routes.upgrade(each, kind) is not None for each in given)


def _own(route: Message | None, host: Message | None, name: str) -> Message | None:
    """Return what a route, or else its virtual host, says to the access filter of this name."""
    for level in (route, host):
        found = (level or {}).get("typed_per_filter_config", {}).get(name)
        if found is not None:
            return found.get("rbac", {})  # without one the filter is switched off
    return None


def _taken(route: Message | None, request: Request, upstream: Place | None) -> Forwarded | Answered:
    if route is None:
        return Answered(404, "route_not_found")
    if "direct_response" in route:
        said = route["direct_response"]
        return Answered(said["status"], "direct_response", said.get("body", {}).get("inline_string", ""))
    return Forwarded(request, route, upstream)
