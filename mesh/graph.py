"""What the resources mean: services, deployments, routes, gateways, access; nothing absent, nothing unresolved.

Law: every value here is settled: defaults applied, references found, priorities sorted, ports made concrete. Values
refer to each other by `Ref`, so that a change in one leaves the others the same objects.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from mesh import identity, mtls
from mesh.external import NOTHING, External
from mesh.hosts import Host
from mesh.problems import Ref
from mesh.resources import Protocol

NO_TIMEOUT = 0


class Family(enum.Enum):
    """Which kind of route carries a protocol."""

    HTTP = "HTTP"
    TCP = "TCP"
    TLS_PASSTHROUGH = "TLS_PASSTHROUGH"


FAMILIES: Mapping[Protocol, Family] = {
    Protocol.HTTP: Family.HTTP,
    Protocol.HTTP2: Family.HTTP,
    Protocol.GRPC: Family.HTTP,
    Protocol.TCP: Family.TCP,
    Protocol.TLS_PASSTHROUGH: Family.TLS_PASSTHROUGH,
}


class Enforcement(enum.Enum):
    """What becomes of a call that no access policy allows: it is refused, or let through and counted."""

    ENFORCE = "enforce"
    AUDIT = "audit"


@dataclass(frozen=True, slots=True)
class Mesh:
    """A mesh: its display name, minimum mode and trust domain. `authority` is the id of its certificate authority."""

    ref: Ref
    name: str
    minimum: mtls.Mode
    trust_domain: str
    authority: str = ""
    enforcement: Enforcement = Enforcement.ENFORCE


# ---------------------------------------------------------------------------- deployments


@dataclass(frozen=True, slots=True)
class Listener:
    """A port on which a deployment's application receives. Timeouts in milliseconds, 0 = none."""

    port: int
    protocol: Protocol
    request_timeout_ms: int
    idle_timeout_ms: int

    @property
    def family(self) -> Family:
        """Which kind of route carries it."""
        return FAMILIES[self.protocol]


@dataclass(frozen=True, slots=True)
class Dns:
    """Endpoints are the addresses of a host name."""

    hostname: str


@dataclass(frozen=True, slots=True)
class Bound:
    """Endpoints are those of the Kubernetes Services that the deployment is bound to: `Graph.endpoints`.

    `hostname` is that of discovery by DNS, empty where there is none; nobody looks it up.
    """

    hostname: str = ""


@dataclass(frozen=True, slots=True)
class Undiscovered:
    """There are no endpoints: the deployment only calls others."""


Discovery = Dns | Bound | Undiscovered


@dataclass(frozen=True, slots=True)
class Deployment:
    """A VirtualDeployment: one version of a service. Listeners are in port order, one a port."""

    ref: Ref
    name: str
    service: Ref
    discovery: Discovery
    listeners: tuple[Listener, ...]
    access_log: bool

    @property
    def hostname(self) -> str:
        """Return the name or address that discovery goes by, or would; empty where there is none."""
        return "" if isinstance(self.discovery, Undiscovered) else self.discovery.hostname

    def listener(self, port: int) -> Listener | None:
        """Return the listener of a port, or None."""
        return next((listener for listener in self.listeners if listener.port == port), None)


@dataclass(frozen=True, slots=True, order=True)
class Endpoint:
    """Where a deployment that is bound receives, on the ports of its listeners: its zone, empty where that is unknown,
    and its address in short form.
    """

    zone: str
    address: str


# ---------------------------------------------------------------------------- routes


@dataclass(frozen=True, slots=True, order=True)
class Target:
    """Where bytes go: a listener port of a VirtualDeployment. One Envoy cluster each."""

    deployment: Ref
    port: int


@dataclass(frozen=True, slots=True)
class Share:
    """A target and its part of the traffic; weights count relative to their sum, which is above 0.

    `host_rewrite` is the Host header that this target gets, empty where it is left alone.
    """

    target: Target
    weight: int
    host_rewrite: str = ""


@dataclass(frozen=True, slots=True)
class Forward:
    """Send the request on. `prefix_rewrite` replaces the matched prefix; empty leaves the path alone.

    Timeouts in milliseconds, 0 = none.
    """

    shares: tuple[Share, ...]
    timeout_ms: int
    idle_timeout_ms: int
    prefix_rewrite: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Answer the request here. `reason` is for callers inside the mesh; strangers get the status alone."""

    status: int
    reason: str


@dataclass(frozen=True, slots=True)
class HttpRoute:
    """A rule: the first whose path and content type match decides.

    `path` starts with a slash and has none at its end, but for `/`, which matches everything. By segments `/foo`
    matches `/foo`, `/foo/`, `/foo/bar`, `/foo?x` and not `/foobar`; otherwise it is a plain string prefix. Case counts.
    """

    path: str
    by_segment: bool
    is_grpc: bool
    action: Forward | Refusal


@dataclass(frozen=True, slots=True)
class HttpPort:
    """A port of a service that HTTP, HTTP2 or GRPC requests use. A request that no route matches gets 404."""

    port: int
    routes: tuple[HttpRoute, ...]


@dataclass(frozen=True, slots=True)
class TcpPort:
    """A port of a service that connections use as they are: each goes to one of the shares; without any it is closed.

    The timeout in milliseconds is that of a connection on which nothing is sent, 0 = none.
    """

    port: int
    shares: tuple[Share, ...]
    idle_timeout_ms: int


# ---------------------------------------------------------------------------- services and gateways


@dataclass(frozen=True, slots=True)
class Service:
    """A VirtualService: how it is called and where calls go.

    `hosts` are those that callers anywhere in the mesh use; what a single caller uses is said in its `Scope`.
    `http` are its ports of the HTTP family, `tcp` those of TCP and `tls` those of TLS_PASSTHROUGH, which are reached by
    the names in their handshakes; each in port order. `deployments` are in name order. `addresses` are where callers
    dial it, as far as that is known, each perhaps for one port alone.
    """

    ref: Ref
    name: str
    mesh: Ref
    identity: identity.Identity
    mode: mtls.Mode
    hosts: tuple[Host, ...]
    deployments: tuple[Ref, ...]
    http: tuple[HttpPort, ...]
    tcp: tuple[TcpPort, ...] = ()
    tls: tuple[TcpPort, ...] = ()
    addresses: tuple[Host, ...] = ()

    def ports(self) -> tuple[int, ...]:
        """Return all ports: of the HTTP family first, each once."""
        connections = (*self.tcp, *self.tls)
        return tuple(dict.fromkeys((*(port.port for port in self.http), *(port.port for port in connections))))

    def default_http_port(self) -> int:
        """Return the port of a request that names none: 80 if it is served, else the only one, else 0."""
        ports = [port.port for port in self.http]
        return 80 if 80 in ports else ports[0] if len(ports) == 1 else 0


@dataclass(frozen=True, slots=True)
class GatewayTls:
    """How a gateway ends TLS: the Secret with the certificate that it shows, and whom it lets in.

    `authorities` is the Secret with the roots of clients' certificates, None where clients need none. Of `names`, if
    there are any, one stands in the client's certificate, as DNS name, URI, e-mail or address.
    """

    certificate: Ref
    authorities: Ref | None = None
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GatewayHost:
    """A host of a gateway port: its names (exact, or `*.suffix`, or `*`) and routes; no route matches: 404.

    It is reached in clear, by TLS, or by both.
    """

    name: str
    hostnames: tuple[str, ...]
    routes: tuple[HttpRoute, ...]
    tls: GatewayTls | None = None
    in_clear: bool = True


@dataclass(frozen=True, slots=True)
class Conduit:
    """Where connections go that a gateway hands on unread: each to one of the shares.

    Without shares they are closed, and counted by `reason`. The timeout is as that of a `TcpPort`.
    """

    shares: tuple[Share, ...] = ()
    idle_timeout_ms: int = NO_TIMEOUT
    reason: str = ""


@dataclass(frozen=True, slots=True)
class GatewayPassage:
    """What becomes of TLS connections that are not opened: those for one of these names go through the conduit."""

    hostnames: tuple[str, ...]
    conduit: Conduit


@dataclass(frozen=True, slots=True)
class GatewayTcp:
    """What becomes of all connections of a port, in clear, by TLS that ends here, or by both."""

    conduit: Conduit
    tls: GatewayTls | None = None
    in_clear: bool = True


@dataclass(frozen=True, slots=True)
class GatewayPort:
    """A port of a gateway: of TCP alone, or of hosts told by name, no name twice.

    `withheld` are names that belong to hosts which cannot be served; no other host gets their requests.
    """

    port: int
    hosts: tuple[GatewayHost, ...] = ()
    passages: tuple[GatewayPassage, ...] = ()
    tcp: GatewayTcp | None = None
    withheld: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Gateway:
    """An IngressGateway, its route tables combined with those of the services they lead to."""

    ref: Ref
    name: str
    mesh: Ref
    identity: identity.Identity
    access_log: bool
    ports: tuple[GatewayPort, ...]


# ---------------------------------------------------------------------------- access


@dataclass(frozen=True, slots=True)
class Scope:
    """What one caller may reach: services in order of their address, and what is `external` to the mesh.

    `hosts` says by which hosts this caller reaches a service where they differ from `Service.hosts`: a host of a
    single label belongs, for callers of one namespace, to the service of that namespace.
    """

    services: tuple[Ref, ...]
    hosts: tuple[tuple[Ref, tuple[Host, ...]], ...] = ()
    external: External = NOTHING


@dataclass(frozen=True, slots=True)
class Callers:
    """Who may call one service: perhaps every VirtualService of the mesh, and these identities, in order.

    Where the mesh is in audit everybody else of the mesh is let through and counted.
    """

    trust_domain: str
    all_services: bool
    identities: tuple[identity.Identity, ...]
    enforcement: Enforcement = Enforcement.ENFORCE


@dataclass(frozen=True, slots=True)
class Graph:
    """The meaning of an inventory. Each mapping is in order of its keys.

    `scopes` has one entry for each VirtualService and IngressGateway, `callers` one for each VirtualService,
    `endpoints` one for each deployment that is bound, in order. `deployed` are gateways as their
    IngressGatewayDeployments give them, where these count: with other certificates, in the same places.
    """

    meshes: Mapping[Ref, Mesh] = field(default_factory=dict)
    services: Mapping[Ref, Service] = field(default_factory=dict)
    deployments: Mapping[Ref, Deployment] = field(default_factory=dict)
    gateways: Mapping[Ref, Gateway] = field(default_factory=dict)
    scopes: Mapping[Ref, Scope] = field(default_factory=dict)
    callers: Mapping[Ref, Callers] = field(default_factory=dict)
    endpoints: Mapping[Ref, tuple[Endpoint, ...]] = field(default_factory=dict)
    deployed: Mapping[Ref, Gateway] = field(default_factory=dict)

    def gateway(self, ref: Ref) -> Gateway | None:
        """Return the gateway that an IngressGateway is, or as an IngressGatewayDeployment gives it; None: neither."""
        return self.gateways.get(ref) or self.deployed.get(ref)
