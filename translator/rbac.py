"""Access at the target: which proven identities may call a service.

Law: nobody is let in but those named. The rules of requests travel in routes, which reach open connections at once, and
never in listeners, where a connection would keep its access until it ends; TCP connections are judged by their
handshake (`tls`) and only counted here. In audit everybody is let in, and who would not be is counted
(`shadow_denied`).
"""

import functools
from collections.abc import Iterable

from envoy_data_plane.envoy.config.core import v3 as core_v3
from envoy_data_plane.envoy.config.rbac import v3 as rbac_v3
from envoy_data_plane.envoy.extensions.filters.http.rbac import v3 as rbac_filter_v3
from envoy_data_plane.envoy.extensions.filters.network.rbac import v3 as network_v3
from envoy_data_plane.envoy.extensions.rbac.matchers.upstream_ip_port import v3 as upstream_v3
from envoy_data_plane.envoy.type.matcher import v3 as matcher_v3
from envoy_data_plane.google import protobuf

from mesh import graph, identity, mtls
from translator import filters, names, wire

IDENTITIES = "identities"
ALL_SERVICES = "all-services"
PLAINTEXT = names.PLAINTEXT
OUTSIDE = "outside"
"""The names of the policies; Envoy counts what each of them lets in."""


def is_guarded(mode: mtls.Mode) -> bool:
    """Return whether a service of this mode judges its callers; in clear there is nothing to judge by."""
    return mode is not mtls.Mode.DISABLED


def access(callers: graph.Callers, mode: mtls.Mode) -> dict[str, protobuf.Any]:
    """Return what a virtual host says to the access filter, by the filter's name; nothing where there is no filter."""
    if not is_guarded(mode):
        return {}
    return {filters.RBAC: wire.packed(rbac_filter_v3.RbacPerRoute(rbac=_judgement(callers, mode)))}


def _judgement(callers: graph.Callers, mode: mtls.Mode) -> rbac_filter_v3.Rbac:
    rules = _rules(callers, mode)
    match callers.enforcement:
        case graph.Enforcement.ENFORCE:
            return rbac_filter_v3.Rbac(rules=rules, track_per_rule_stats=True)
        case graph.Enforcement.AUDIT:
            return rbac_filter_v3.Rbac(shadow_rules=rules, track_per_rule_stats=True)


def watch(callers: graph.Callers, stat_prefix: str) -> network_v3.Rbac:
    """Return the filter that counts the TCP connections of proven callers by whether a policy allows them."""
    rules = _rules(callers, mtls.Mode.STRICT)
    return network_v3.Rbac(shadow_rules=rules, stat_prefix=f"{stat_prefix}.")


def _rules(callers: graph.Callers, mode: mtls.Mode) -> rbac_v3.Rbac:
    return rbac_v3.Rbac(action=rbac_v3.RbacAction.ALLOW, policies=_policies(callers, mode))


def _policies(callers: graph.Callers, mode: mtls.Mode) -> dict[str, rbac_v3.Policy]:
    principals = {
        IDENTITIES: [_one(caller) for caller in callers.identities],
        ALL_SERVICES: [_every_service(callers.trust_domain)] if callers.all_services else [],
        PLAINTEXT: [_without_tls()] if mode is mtls.Mode.PERMISSIVE else [],
    }
    anything = [rbac_v3.Permission(any=True)]
    return {name: rbac_v3.Policy(permissions=anything, principals=those) for name, those in principals.items() if those}


@functools.lru_cache(maxsize=1 << 14)
def _one(caller: identity.Identity) -> rbac_v3.Principal:
    return _authenticated(matcher_v3.StringMatcher(exact=caller.uri))


@functools.lru_cache(maxsize=1 << 10)
def _every_service(trust_domain: str) -> rbac_v3.Principal:
    pattern = matcher_v3.RegexMatcher(regex=identity.services_pattern(trust_domain))
    return _authenticated(matcher_v3.StringMatcher(safe_regex=pattern))


@functools.cache
def _without_tls() -> rbac_v3.Principal:
    """Return the principal of connections in clear: those of which Envoy does not say that they are authenticated."""
    return rbac_v3.Principal(not_id=rbac_v3.Principal(authenticated=rbac_v3.PrincipalAuthenticated()))


def _authenticated(name: matcher_v3.StringMatcher) -> rbac_v3.Principal:
    return rbac_v3.Principal(authenticated=rbac_v3.PrincipalAuthenticated(principal_name=name))


# ---------------------------------------------------------------------------- where a call goes


def outside(networks: tuple[str, ...], refused: tuple[str, ...]) -> rbac_filter_v3.Rbac:
    """Return the filter of calls out of the mesh: to these networks (without any: everywhere), but not to the refused.

    It goes by the address that the filter before it found. Where none was found nothing goes.
    """
    open_to = networks or ("0.0.0.0/0", "::/0")
    permission = _all_of(
        [_one_of(open_to), rbac_v3.Permission(not_rule=_one_of(refused))] if refused else [_one_of(open_to)]
    )
    policy = rbac_v3.Policy(permissions=[permission], principals=[rbac_v3.Principal(any=True)])
    return rbac_filter_v3.Rbac(rules=rbac_v3.Rbac(action=rbac_v3.RbacAction.ALLOW, policies={OUTSIDE: policy}))


def _all_of(permissions: list[rbac_v3.Permission]) -> rbac_v3.Permission:
    return rbac_v3.Permission(and_rules=rbac_v3.PermissionSet(rules=permissions))


def _one_of(networks: Iterable[str]) -> rbac_v3.Permission:
    return rbac_v3.Permission(or_rules=rbac_v3.PermissionSet(rules=[_to(network) for network in networks]))


@functools.lru_cache(maxsize=1 << 10)
def _to(network: str) -> rbac_v3.Permission:
    address, _, length = network.partition("/")
    range_ = core_v3.CidrRange(address_prefix=address, prefix_len=int(length))
    matcher = upstream_v3.UpstreamIpPortMatcher(upstream_ip=range_)
    name = "envoy.rbac.matchers.upstream_ip_port"
    return rbac_v3.Permission(matcher=core_v3.TypedExtensionConfig(name=name, typed_config=wire.packed(matcher)))
