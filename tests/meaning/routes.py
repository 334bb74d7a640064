"""Which route takes a request, and what it makes of it: `envoy.config.route.v3`.

Law: of the virtual hosts one is chosen by its domains, and only its routes are asked, in order; the first that matches
decides.
"""

import dataclasses
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.meaning import strings
from tests.meaning.payloads import Request

Message = Mapping[str, Any]


Table = Mapping[str, Message]
"""The virtual hosts of a route configuration by domain."""
IGNORES_PORTS = ""
"""In place of a domain: the ports of authorities do not count (RouteConfiguration.ignore_port_in_host_matching)."""


def table(configuration: Message) -> Table:
    """Return a route configuration by its domains; Envoy refuses one that stands twice, and a host without any."""
    hosts = configuration.get("virtual_hosts", ())
    pairs = [(domain.lower(), host) for host in hosts for domain in host["domains"]]
    assert len(dict(pairs)) == len(pairs), "a domain stands twice"
    assert all(host["domains"] for host in hosts), "a virtual host is without a domain"
    ports = {IGNORES_PORTS: {}} if configuration.get("ignore_port_in_host_matching") else {}
    return {**dict(pairs), **ports}


def virtual_host(given: Table, authority: str) -> Message | None:
    """Return the virtual host of an authority: exact domains, then `*` and an end, the longest first, then a beginning
    and `*`, the longest first, then `*` (VirtualHost.domains). Case does not count.
    """
    name = re.sub(r":\d+$", "", authority) if IGNORES_PORTS in given else authority
    return next((given[domain] for domain in _domains(name.lower()) if domain in given), None)


def _domains(authority: str) -> Iterator[str]:
    """Yield all domains that an authority belongs to, in order; the star stands for one character at least."""
    yield authority
    yield from (f"*{authority[start:]}" for start in range(1, len(authority)))
    yield from (f"{authority[:end]}*" for end in range(len(authority) - 1, 0, -1))
    yield "*"


def route(host: Message, request: Request) -> Message | None:
    """Return the first route of a virtual host that matches a request."""
    return next((one for one in host.get("routes", ()) if matches(one["match"], request)), None)


def matches(match: Message, request: Request) -> bool:
    """Return whether a RouteMatch holds for a request. One for CONNECT has no path: nothing else matches it."""
    return (
        ("connect_matcher" in match) == (request.method == "CONNECT")
        and ("connect_matcher" in match or _path_matches(match, request.path.partition("#")[0].partition("?")[0]))
        and ("grpc" not in match or _is_grpc(request))
        and all(_header_matches(matcher, request) for matcher in match.get("headers", ()))
    )


def _path_matches(match: Message, path: str) -> bool:
    """Return whether a path without its query is meant."""
    if "path_separated_prefix" in match:
        prefix = match["path_separated_prefix"]
        return path == prefix or path.startswith(f"{prefix}/")
    if "path" in match:
        return bool(path == match["path"])
    return path.startswith(match["prefix"])


def _is_grpc(request: Request) -> bool:
    """Return whether a content type is that of gRPC (RouteMatch.grpc): it, or it and `+` and more."""
    kind = request.header("content-type") or ""
    return kind == "application/grpc" or kind.startswith("application/grpc+")


def _header_matches(matcher: Message, request: Request) -> bool:
    value = request.header(matcher["name"])
    is_found = value is not None and strings.matches(matcher["string_match"], value)
    return is_found != matcher.get("invert_match", False)


def split(action: Message) -> list[tuple[Message, int]]:
    """Return the clusters of a RouteAction or a TcpProxy, each with its weight."""
    if "cluster" in action:
        return [({"name": action["cluster"]}, 1)]
    return [(one, one.get("weight", 0)) for one in action["weighted_clusters"]["clusters"]]


def upgrade(action: Message, kind: str) -> Message | None:
    """Return what a RouteAction says of an upgrade, whose names have no case."""
    return next((one for one in action.get("upgrade_configs", ()) if one["upgrade_type"].lower() == kind), None)


def rewritten(request: Request, chosen: Message, share: Message) -> Request:
    """Return a request as it leaves a route for one of its clusters."""
    action = chosen["route"]
    host = share.get("host_rewrite_literal") or action.get("host_rewrite_literal") or request.authority
    return dataclasses.replace(request, authority=host, path=_path(request.path, chosen["match"], action))


def _path(path: str, match: Message, action: Message) -> str:
    if "regex_rewrite" in action:
        bare, mark, query = path.partition("?")
        rewrite = action["regex_rewrite"]
        return re.sub(rewrite["pattern"]["regex"], rewrite["substitution"], bare, count=1) + mark + query
    if "prefix_rewrite" in action:
        prefix = match.get("path_separated_prefix") or match["prefix"]
        return str(action["prefix_rewrite"]) + path[len(prefix) :]
    return path
