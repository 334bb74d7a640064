"""HTTP filters: which there are and in which order a request meets them.

Law: the order is one table, here; whoever builds a chain says only which of them it has.
"""

import functools
from collections.abc import Mapping

import betterproto2
from envoy_data_plane.envoy.config.rbac import v3 as rbac_v3
from envoy_data_plane.envoy.extensions.filters.http.rbac import v3 as rbac_filter_v3
from envoy_data_plane.envoy.extensions.filters.http.router import v3 as router_v3
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager import v3 as hcm_v3

from translator import wire

RBAC = "envoy.filters.http.rbac"
RESOLVER = "envoy.filters.http.dynamic_forward_proxy"
ADDRESSES = "addresses"
"""The name of a second RBAC: it looks at where a call goes."""
ROUTER = "envoy.filters.http.router"

ORDER = (
    RBAC,  # who may call: first, so that nothing is done for a stranger
    RESOLVER,  # finds out where a name leads outside of the mesh
    ADDRESSES,  # whether a call may go there: behind who finds out
    ROUTER,  # sends the request on; Envoy wants it last
)


def chain(configs: Mapping[str, betterproto2.Message]) -> list[hcm_v3.HttpFilter]:
    """Return these filters, by name, in order."""
    return [hcm_v3.HttpFilter(name=name, typed_config=wire.packed(configs[name])) for name in ORDER if name in configs]


@functools.cache
def router() -> router_v3.Router:
    """Return the router: it tells neither callers nor applications about itself."""
    return router_v3.Router(suppress_envoy_headers=True)


@functools.cache
def closed_door() -> rbac_filter_v3.Rbac:
    """Return an access filter that lets nobody in: who may come in is said by the routes (`rbac.access`)."""
    return rbac_filter_v3.Rbac(rules=rbac_v3.Rbac(action=rbac_v3.RbacAction.ALLOW))
