"""Who is let in: `envoy.config.rbac.v3.RBAC`, for requests and for connections.

Law: an engine that allows lets in whom one of its policies names and nobody else, with no policies nobody; without an
engine everybody is let in. Shadow rules decide nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.meaning import strings
from tests.meaning.payloads import Certificate
from tests.meaning.understood import NotUnderstoodError


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end of a connection, as far as its handshake has told."""

    is_tls: bool = False
    certificate: Certificate | None = None


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
    for permission in policy["permissions"]:
        if permission != {"any": True}:
            raise NotUnderstoodError(f"the permission {permission}")
    return _is_one_of(policy["principals"], peer)


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
