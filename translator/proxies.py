"""The kinds of proxies that are compiled for, and what tells the proxies of one kind apart.

Law: proxies that are equal get the same bundle; of a proxy nothing counts here but these values.
"""

from collections.abc import Iterable
from typing import NamedTuple

from mesh.problems import Ref

ANYWHERE = ("0.0.0.0", "::")  # noqa: S104 - whoever may come in is decided by identity, not by where somebody listens
"""All addresses of a machine, of IPv4 and of IPv6."""


class TcpWay(NamedTuple):
    """Where an application dials to reach a service by TCP: its sidecar listens there.

    `service_port` is the service's, 0 where it has but one.
    """

    address: str
    port: int
    service: Ref
    service_port: int = 0


class Explicit(NamedTuple):
    """Capture without privileges: the proxy and its application listen on addresses of their own.

    The sidecar binds its ports on `workload_address`, the application its own on `application_address`, on the same
    port unless `application_ports` maps the listener's port to another. Addresses are IPv4 or IPv6. No address and port
    stands twice in `outbound_tcp`.
    """

    workload_address: str
    application_address: str
    application_ports: tuple[tuple[int, int], ...] = ()
    outbound_tcp: tuple[TcpWay, ...] = ()

    def application_port(self, port: int) -> int:
        """Return the port on which the application receives what is meant for a listener's port."""
        return dict(self.application_ports).get(port, port)


class Transparent(NamedTuple):
    """Capture by the kernel: whatever an application opens or others open to it comes to the proxy, which is told where
    it was dialled.

    Nothing in it depends on where a replica is. Connections to the ports of `passthrough` reach the application as they
    are. With `is_ipv4_only` the proxy binds no address of IPv6, for there is none.
    """

    passthrough: tuple[int, ...] = ()
    is_ipv4_only: bool = False


Capture = Explicit | Transparent


class Sidecar(NamedTuple):
    """The proxy beside a replica of a VirtualDeployment."""

    deployment: Ref
    capture: Capture


class Gateway(NamedTuple):
    """The proxy of an IngressGateway. Its listeners are bound to `address`; `deployment` is the
    IngressGatewayDeployment that its pod was made for, None for one that runs elsewhere.
    """

    gateway: Ref
    address: str = ANYWHERE[0]
    deployment: Ref | None = None

    @property
    def given_by(self) -> Ref:
        """Return what its configuration is given by: its deployment, or else the gateway itself."""
        return self.deployment or self.gateway


class Proxyless(NamedTuple):
    """A gRPC program of a VirtualDeployment that calls others without a proxy, for it speaks xDS itself.

    All replicas are one key, for nothing they get depends on where they are.
    """

    deployment: Ref


Envoy = Sidecar | Gateway
Proxy = Envoy | Proxyless


def gateways_in_order(gateways: Iterable[Gateway]) -> list[Gateway]:
    """Return proxies of gateways in order: of each those that have no deployment first."""
    return sorted(gateways, key=lambda one: (one.gateway, one.address, one.deployment or ()))


def in_order(sidecars: Iterable[Sidecar]) -> list[Sidecar]:
    """Return sidecars in order of their deployments, then of how they capture."""
    return sorted(sidecars, key=lambda one: (one.deployment, isinstance(one.capture, Transparent), one.capture))
