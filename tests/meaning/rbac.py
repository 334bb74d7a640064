"""Who is let in: `envoy.config.rbac.v3.RBAC`, for requests and for connections.

Law: an engine that allows lets in whom one of its policies names and nobody else, with no policies nobody; without an
engine everybody is let in. Shadow rules decide nothing.
"""

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.meaning import strings
from tests.meaning.payloads import Certificate, Place
from tests.meaning.understood import NotUnderstoodError, kind_of

UPSTREAM = "envoy.extensions.rbac.matchers.upstream_ip_port.v3.UpstreamIpPortMatcher"


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end of a connection, as far as its handshake has told, and where a request goes, if known."""

    is_tls: bool = False
    certificate: Certificate | None = None
    upstream: Place | None = None


def lets_in(access: Mapping[str, Any], peer: Peer) -> bool:
    """Return whether an RBAC filter's configuration lets a peer in."""
    return "rules" not in access or _allows(access["rules"], peer)


def counts(access: Mapping[str, Any], peer: Peer) -> bool | None:
    """Return whether the shadow rules would let a peer in; None where there are none."""
    return _allows(access["shadow_rules"], peer) if "shadow_rules" in access else None


def _allows(rules: Mapping[str, Any], peer: Peer) -> bool:
    action = rules.get("action", "ALLOW")
    if action != "ALLOW":
        raise NotUnderstoodError(f"the action {action}")
    return any(_holds(policy, peer) for policy in rules.get("policies", {}).values())


def _holds(policy: Mapping[str, Any], peer: Peer) -> bool:
    permitted = any(_permits(permission, peer) for permission in policy["permissions"])
    return permitted and _is_one_of(policy["principals"], peer)


def _permits(permission: Mapping[str, Any], peer: Peer) -> bool:
    match [*permission.items()]:
        case [("any", True)]:
            return True
        case [("and_rules", {"rules": rules})]:
            return all(_permits(one, peer) for one in rules)
        case [("or_rules", {"rules": rules})]:
            return any(_permits(one, peer) for one in rules)
        case [("not_rule", inner)]:
            return not _permits(inner, peer)
        case [("matcher", {"typed_config": config})] if kind_of(config) == UPSTREAM:
            return _goes_to(config, peer.upstream)
        case _:
            raise NotUnderstoodError(f"the permission {permission}")


def _goes_to(matcher: Mapping[str, Any], place: Place | None) -> bool:
    """Return whether a request goes to a network and to a port from `start` up to, and without, `end`."""
    if place is None:
        return False
    network, ports = matcher.get("upstream_ip"), matcher.get("upstream_port_range")
    return (network is None or _is_in(place.address, network)) and (
        ports is None or ports.get("start", 0) <= place.port < ports["end"]
    )


def _is_in(address: str, network: Mapping[str, Any]) -> bool:
    wide = ipaddress.ip_network(f"{network['address_prefix']}/{network.get('prefix_len', 0)}", strict=False)
    return ipaddress.ip_address(address) in wide


def _is_one_of(principals: Iterable[Mapping[str, Any]], peer: Peer) -> bool:
    return any(_is(principal, peer) for principal in principals)


def _is(principal: Mapping[str, Any], peer: Peer) -> bool:
    """`authenticated` without a name is everybody who speaks TLS, by the proto; with one, by URI and then DNS names."""
    match [*principal.items()]:
        case [("any", True)]:
            return True
        case [("not_id", inner)]:
            return not _is(inner, peer)
        case [("authenticated", {"principal_name": matcher})]:
            return any(strings.matches(matcher, name) for name in _names(peer))
        case [("authenticated", {})]:
            return peer.is_tls
        case _:
            raise NotUnderstoodError(f"the principal {principal}")


def _names(peer: Peer) -> tuple[str, ...]:
    return (*peer.certificate.uris, *peer.certificate.names) if peer.certificate else ()
