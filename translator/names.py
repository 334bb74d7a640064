"""The names of all Envoy resources, virtual hosts and headers, and the ports that proxies take for themselves.

Law: a name follows from what it stands for alone; what is shared by proxies has one name in all of them; no other
module makes one up.
"""

from collections.abc import Iterable, Mapping

from mesh import graph
from mesh.problems import Ref

OUTBOUND = "outbound"
"""The listener through which an application calls others, and its routes."""

OUTBOUND_PORT = 15000

INBOUND_PORT = 15001
"""Where transparent capture sends the connections that others open to an application."""

INBOUND = "inbound"
"""The listener of all connections that others open to an application, in transparent capture."""

PASSTHROUGH = "inbound/passthrough"
"""The cluster of connections that reach an application as they are, in transparent capture."""

TO_APPLICATION: Mapping[int, str] = {4: "127.0.0.6", 6: "::1"}
"""By version of IP, the address from which a proxy in transparent capture calls its own application: what comes from
there is not captured again.
"""

CONNECT = "outbound/connect"
"""The listener inside of a proxy, and its cluster, where what applications say through CONNECT is read as requests."""

DENIED_BY = "x-meshloom-denied-by"
"""The response header of a denial inside the mesh: the address of the service whose proxy denied."""

STEERING = "x-envoy-"
"""How the request headers begin by which a proxy may be steered."""

INTERNAL = "x-envoy-internal"
"""The request header that Envoy adds where `x-forwarded-for` names a private address, which proves nothing."""

SCHEME = "x-forwarded-proto"
"""The request header by which Envoy says how a request came in; outside of the mesh it is nobody's business."""

IDENTITY = "identity"
"""The secret that holds a proxy's own certificate and key; the same name in all proxies, each gets its own."""

AUTHORITIES = "authorities"
"""The secret that holds the root certificates by which the members of a mesh know each other."""

ALPN = "meshloom"
"""What callers inside the mesh offer first in their handshakes; servers tell by it, and never list it."""

NOBODY = "nobody"
"""The virtual host of requests for what the caller may not reach; the cluster of connections that go nowhere, which is
never there. No service has this name: theirs have slashes.
"""

RUNTIME = "proxy"
"""The runtime of a proxy: what may be switched while everything else stays as it is."""

LOGGING = "meshloom.access_log"
"""The key of the runtime that says of how many in a hundred requests and connections a proxy writes: all or none."""

NO_POLICY, NO_PORT, NO_SHARES, NO_RULE = "no-access-policy", "no-such-port", "no-route", "no-rule"
NO_DESTINATION, NO_HOST, NO_LISTENER = "no-allowed-destination", "no-allowed-host", "no-such-port"
"""How the names end under which connections are counted that are closed at once: why they are. The last three are of
transparent capture: nothing allowed is where one dialled, or has the name one asked for; nothing listens there.
"""

CLIENT = "x-meshloom-client-cert"
"""The request header in which a gateway tells applications whose certificate it has seen."""

MISDIRECTED = "misdirected"
"""The virtual host of requests that came by a connection which is not for their host."""

EGRESS = "egress"
"""How the names of all begin that leads out of the mesh, and who says so when it leads nowhere."""

INSIDE = "egress/inside"
"""The virtual host of what belongs to the mesh, where all that does not would be outside."""

PLAINTEXT = "plaintext"
"""What counts of callers in clear, where a service lets them in, is counted under this name."""


def target(to: graph.Target) -> str:
    """Return the name of the cluster of a target, as `outbound/shop/pets-v1/9080`."""
    return f"outbound/{to.deployment.key}/{to.port}"


def inbound(port: int) -> str:
    """Return the name of the listener of a deployment's port, of its routes and of the cluster of its application."""
    return f"inbound/{port}"


def outbound_at(port: int) -> str:
    """Return the name of the listener of what an application dials at a port, and of its routes, where captured."""
    return f"outbound/{port}"


def outbound_port(service: Ref, port: int) -> str:
    """Return the name under which the TCP connections to a port of a service are counted; port 0 is its only one."""
    return f"outbound/{service.key}/{port or 'tcp'}"


def outbound_tcp(address: str, port: int) -> str:
    """Return the name of the listener through which an application opens TCP connections to one service."""
    return f"outbound/tcp/{f'[{address}]' if ':' in address else address}:{port}"


def gateway(port: int) -> str:
    """Return the name of the listener of a gateway's port, of its routes in clear, and of its filter of TCP."""
    return f"gateway/{port}"


def gateway_host(port: int, hostnames: tuple[str, ...]) -> str:
    """Return the name of what a host of a gateway's port has to itself: `gateway/8443/` and the first of its names,
    which no other host of the port has.
    """
    return f"{gateway(port)}/{hostnames[0]}"


def certificate(secret: Ref) -> str:
    """Return the name under which a gateway asks for the certificate in a Secret, as `gateway/shop/tls`."""
    return f"gateway/{secret.key}"


def roots(secret: Ref) -> str:
    """Return the name under which a gateway asks for the roots of clients' certificates in a Secret."""
    return f"gateway/{secret.key}/{AUTHORITIES}"


def service_port(service: Ref, port: int) -> str:
    """Return the name of the virtual host of a service's port, and of gRPC clients' routes, as `shop/pets/9080`."""
    return f"{service.key}/{port}"


def other_ports(service: Ref) -> str:
    """Return the name of the virtual host of requests for ports that a service does not have."""
    return f"{service.key}/other-ports"


def exit_to(kind: str, what: Iterable[str], port: int) -> str:
    """Return the name of an exit's listener and cluster, as `egress/https/api.example.com:443`; port 0 is every one."""
    return f"{EGRESS}/{kind}/{','.join(what)}{f':{port}' if port else ''}"


def outside(name: str) -> str:
    """Return the name of the virtual host of a name outside of the mesh."""
    return f"{EGRESS}/{name}"


def resolver(digest: str) -> str:
    """Return the name of the cluster that leads wherever names resolve to."""
    return f"{EGRESS}/resolved/{digest}"
