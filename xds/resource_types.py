"""The resource types a stream carries: type URLs, what each type allows, and the order of pushes.

Law: order is a table. What the state machines do differently per type is written here and nowhere else.
"""

from collections.abc import Mapping
from typing import Final

TYPE_PREFIX: Final = "type.googleapis.com/"
CLUSTER: Final = TYPE_PREFIX + "envoy.config.cluster.v3.Cluster"
ENDPOINTS: Final = TYPE_PREFIX + "envoy.config.endpoint.v3.ClusterLoadAssignment"
LISTENER: Final = TYPE_PREFIX + "envoy.config.listener.v3.Listener"
ROUTES: Final = TYPE_PREFIX + "envoy.config.route.v3.RouteConfiguration"
FILTER: Final = TYPE_PREFIX + "envoy.config.core.v3.TypedExtensionConfig"
RUNTIME: Final = TYPE_PREFIX + "envoy.service.runtime.v3.Runtime"
SECRET: Final = TYPE_PREFIX + "envoy.extensions.transport_sockets.tls.v3.Secret"

PUSH_ORDER: Final = (
    RUNTIME,  # before all else: a proxy asks for nothing more until it has it, and it needs nothing
    CLUSTER,  # C10: first, nothing may name a cluster the proxy does not have
    ENDPOINTS,  # C11: a new or changed cluster warms until its endpoints come
    SECRET,  # C11: its TLS context warms until its secrets come; C10: and before the listeners that need them
    LISTENER,  # C10: after the clusters it forwards to
    SECRET,  # C11: a listener just sent warms until its own secrets come
    ROUTES,  # C11, C12: the listener just sent warms until its routes come; clusters are in place. VHDS is not used
    FILTER,  # C11, C12: as routes, for filters of a listener that are resources of their own (ECDS)
)
"""Rule C10: what is sent when several types changed at once."""

REMOVAL_ORDER: Final = (LISTENER, ROUTES, FILTER, CLUSTER, ENDPOINTS, SECRET, RUNTIME)
"""Rule C10, removals come last, users before what they use."""

USED_BY: Final[Mapping[str, tuple[str, ...]]] = {
    LISTENER: (ROUTES,),  # that lead to one inside of the proxy
    ROUTES: (LISTENER,),
    FILTER: (LISTENER,),
    CLUSTER: (LISTENER, ROUTES, FILTER),
    ENDPOINTS: (CLUSTER,),
    SECRET: (CLUSTER, LISTENER),
    RUNTIME: (),  # nothing names it
}
"""Rule C10: whose references keep a withdrawn resource of a type in place."""

GATED: Final = frozenset({LISTENER, ROUTES, FILTER})
"""Rules C10, C12: held back while a cluster that they name, themselves or by their parts, is in question."""

PARTS: Final = frozenset({ROUTES, FILTER})
"""Rules C12, S6: parts of listeners, which lead to clusters; they come after their listener, and go with the last."""

WARMED_BY: Final[Mapping[str, tuple[str, ...]]] = {
    CLUSTER: (ENDPOINTS, SECRET),
    LISTENER: (ROUTES, FILTER, SECRET),
}
"""Rule C11: what a resource of this type waits for whenever it is sent, changed or not."""

SUPPORTED: Final = frozenset(PUSH_ORDER)
"""Rule C2: the types a request may name."""

WILDCARD_TYPES: Final = frozenset({CLUSTER, LISTENER})
"""Rules S9, D6: a first request without names means all. In the state of the world always the full set (S5)."""

SUBSET_TYPES: Final = SUPPORTED - WILDCARD_TYPES
"""Rule S6: a response in the state of the world may hold any part of the subscription."""

ONE_PER_RESPONSE: Final = frozenset({ROUTES, FILTER, SECRET})
"""Sent one resource a response, so that the nonce of a NACK names the culprit."""

KEPT_UNTIL_UNUSED: Final = frozenset({CLUSTER})
"""Rules C10, S5: in the state of the world a withdrawn one stays in the set until routes and listeners are updated."""
