"""One real Envoy at an ADS server without a translator, given resources made by hand: good ones and bad ones.

Every resource says in its content which version of itself it is, and `Rejecting.seen` says which one Envoy uses.
"""

import asyncio
import contextlib
import hashlib
import pathlib
import socket
import ssl
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from envoy_data_plane.envoy.config.cluster import v3 as cluster_v3
from envoy_data_plane.envoy.config.core import v3 as core_v3
from envoy_data_plane.envoy.config.endpoint import v3 as endpoint_v3
from envoy_data_plane.envoy.config.listener import v3 as listener_v3
from envoy_data_plane.envoy.config.route import v3 as route_v3
from envoy_data_plane.envoy.extensions.filters.http.router import v3 as router_v3
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager import v3 as hcm_v3
from envoy_data_plane.envoy.extensions.transport_sockets.tls import v3 as tls_v3

from mesh.problems import Ref
from meshloom import addresses
from meshloom.demo import cast, loopback, programs, stage, traffic
from meshloom.demo.processes import Processes
from meshloom.demo.waiting import wait_until
from meshloom.identity import authorities, home, kept, unproven
from meshloom.identity.authority import serving, succession
from tests.envoy import worlds
from translator import resources, runtimes, wire
from translator.resources import EncodedResource
from xds import cache, doors, peers, ports, server, snapshot

PATIENCE_S = 10
ENVOY, CONTROL_PLANE = 1, 200
KEY = "the one proxy"

T = TypeVar("T")


# ---------------------------------------------------------------------------- resources


def cluster(name: str, host: str, policy: cluster_v3.ClusterLbPolicy | None = None) -> EncodedResource:
    """Return a cluster of the application at this address."""
    endpoint = endpoint_v3.Endpoint(address=_address(host, 9080))
    locality = endpoint_v3.LocalityLbEndpoints(lb_endpoints=[endpoint_v3.LbEndpoint(endpoint=endpoint)])
    message = cluster_v3.Cluster(
        name=name,
        type=cluster_v3.ClusterDiscoveryType.STATIC,
        lb_policy=policy or cluster_v3.ClusterLbPolicy.ROUND_ROBIN,
        load_assignment=endpoint_v3.ClusterLoadAssignment(cluster_name=name, endpoints=[locality]),
    )
    return resources.encoded(resources.CLUSTER, name, wire.encode(message))


def bad_cluster(name: str, host: str) -> EncodedResource:
    """Return a cluster whose balancing and type do not go together."""
    return cluster(name, host, cluster_v3.ClusterLbPolicy.CLUSTER_PROVIDED)


def listener(name: str, host: str, port: int, routes: str, secret: str = "", mark: str = "") -> EncodedResource:
    """Return a listener whose routes, and whose certificate, if any, come by ADS; its answers are from server `mark`."""
    manager = hcm_v3.HttpConnectionManager(
        stat_prefix=name,
        rds=hcm_v3.Rds(config_source=_ads(), route_config_name=routes),
        http_filters=[
            hcm_v3.HttpFilter(name="envoy.filters.http.router", typed_config=wire.packed(router_v3.Router()))
        ],
        server_name=mark or "envoy",
    )
    chain = listener_v3.FilterChain(
        filters=[
            listener_v3.Filter(name="envoy.filters.network.http_connection_manager", typed_config=wire.packed(manager))
        ],
        transport_socket=_tls(secret) if secret else None,
    )
    needs = [(resources.ROUTES, routes), *([(resources.SECRET, secret)] if secret else [])]
    message = listener_v3.Listener(name=name, address=_address(host, port), filter_chains=[chain])
    return resources.encoded(resources.LISTENER, name, wire.encode(message), needs)


def bad_listener(name: str, host: str, port: int) -> EncodedResource:
    """Return a listener with a filter that no Envoy has."""
    chain = listener_v3.FilterChain(filters=[listener_v3.Filter(name="envoy.filters.network.no_such_filter")])
    message = listener_v3.Listener(name=name, address=_address(host, port), filter_chains=[chain])
    return resources.encoded(resources.LISTENER, name, wire.encode(message))


def routes(name: str, body: str, *paths: tuple[str, str]) -> EncodedResource:
    """Return routes that answer with this text, and that lead each of these paths to a cluster."""
    led = [
        route_v3.Route(match=route_v3.RouteMatch(path=path), route=route_v3.RouteAction(cluster=target))
        for path, target in paths
    ]
    answer = route_v3.DirectResponseAction(status=200, body=core_v3.DataSource(inline_string=body))
    told = route_v3.Route(match=route_v3.RouteMatch(prefix="/"), direct_response=answer)
    return _routes(name, [_host("one", [*led, told])], [(resources.CLUSTER, target) for _, target in paths])


def bad_routes(name: str) -> EncodedResource:
    """Return routes in which two virtual hosts claim every request."""
    return _routes(name, [_host("one", []), _host("two", [])], [])


def secret(name: str, certificate: str, key: str) -> EncodedResource:
    """Return a certificate with a key, which may belong to another."""
    pair = tls_v3.TlsCertificate(
        certificate_chain=core_v3.DataSource(inline_string=certificate),
        private_key=core_v3.DataSource(inline_string=key),
    )
    return resources.encoded(resources.SECRET, name, wire.encode(tls_v3.Secret(name=name, tls_certificate=pair)))


def _host(name: str, rules: list[route_v3.Route]) -> route_v3.VirtualHost:
    return route_v3.VirtualHost(name=name, domains=["*"], routes=rules)


def _routes(name: str, hosts: list[route_v3.VirtualHost], needs: Iterable[resources.ResourceName]) -> EncodedResource:
    message = route_v3.RouteConfiguration(name=name, virtual_hosts=hosts)
    return resources.encoded(resources.ROUTES, name, wire.encode(message), needs)


def _address(host: str, port: int) -> core_v3.Address:
    return core_v3.Address(socket_address=core_v3.SocketAddress(address=host, port_value=port))


def _ads() -> core_v3.ConfigSource:
    return core_v3.ConfigSource(ads=core_v3.AggregatedConfigSource(), resource_api_version=core_v3.ApiVersion.V3)


def _tls(secret_name: str) -> core_v3.TransportSocket:
    common = tls_v3.CommonTlsContext(
        tls_certificate_sds_secret_configs=[tls_v3.SdsSecretConfig(name=secret_name, sds_config=_ads())]
    )
    context = tls_v3.DownstreamTlsContext(common_tls_context=common)
    return core_v3.TransportSocket(name="envoy.transport_sockets.tls", typed_config=wire.packed(context))


# ---------------------------------------------------------------------------- certificates


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key, in PEM."""

    certificate: str
    key: str

    @property
    def digest(self) -> str:
        """What tells the certificate from others."""
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(self.certificate)).hexdigest()


def pair(folder: pathlib.Path, name: str) -> Pair:
    """Return a new certificate that is its own authority, made by openssl in the folder."""
    key, certificate = folder / f"{name}.key", folder / f"{name}.pem"
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    files = ("-keyout", str(key), "-out", str(certificate), "-subj", f"/CN={name}", "-days", "2")
    subprocess.run(("openssl", "req", "-x509", *curve, *files), check=True, capture_output=True, timeout=30)
    return Pair(certificate.read_text(), key.read_text())


def shown_certificate(host: str, port: int) -> str:
    """Return the digest of the certificate that a server shows, empty if it shows none."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection((host, port), PATIENCE_S) as plain, context.wrap_socket(plain) as secured:
            return hashlib.sha256(secured.getpeercert(binary_form=True) or b"").hexdigest()
    except OSError:
        return ""


# ---------------------------------------------------------------------------- the server


class Counting(ports.Silent):
    """An observer that counts responses by type."""

    def __init__(self) -> None:
        self.responses: Counter[str] = Counter()

    def sent(self, type_url: str, size: int) -> None:
        """Count a response."""
        self.responses[type_url] += 1


class _Anyone(unproven.Trusting):
    def key(self, proof: object, node: object) -> str:
        return KEY


class Rejecting:
    """An ADS server in a thread of its own, and the Envoy that it serves. `publish` replaces all resources."""

    def __init__(self, block: loopback.Block) -> None:
        self.block, self.counting = block, Counting()
        self._cache = cache.Cache()
        self._loop = asyncio.new_event_loop()

    @contextlib.contextmanager
    def serving(self, site: programs.Site) -> Iterator[None]:
        """Serve over TLS until the block ends; the root is where the proxies of the site look for it."""
        thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        thread.start()
        self._server = self._run(self._started, str(site.control_plane), _shown(site.state))
        try:
            yield
        finally:
            asyncio.run_coroutine_threadsafe(self._server.stop(0), self._loop).result(PATIENCE_S)
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join(PATIENCE_S)
            self._loop.close()

    async def _started(self, address: str, tls: ports.Tls) -> server.Server:
        running = server.Server(self._cache, _Anyone(), observer=self.counting)
        await running.start(doors.Listen(address, lambda: tls))
        return running

    def _run(self, function: Callable[..., object], *given: object) -> T:
        return asyncio.run_coroutine_threadsafe(function(*given), self._loop).result(PATIENCE_S)

    def _ask(self, function: Callable[[], T]) -> T:
        async def asked() -> T:
            return function()

        return self._run(asked)

    def publish(self, *given: EncodedResource) -> None:
        """Make these resources all that the proxy should have, beside the runtime, which it asks for before all else."""
        new = snapshot.Snapshot.of(snapshot.Part.of((*runtimes.part(is_logged=False), *given)))
        self._ask(lambda: self._cache.replace({KEY: new}))

    def view(self, type_url: str) -> peers.TypeView:
        """Return how far the proxy is with a type."""
        views = self._ask(self._server.peers.views)
        return views[-1].types.get(type_url, peers.TypeView()) if views else peers.TypeView()

    def held(self, type_url: str) -> dict[str, str]:
        """Return name -> version of what the proxy has accepted of a type."""

        def held() -> dict[str, str]:
            views = self._server.peers.views()
            return dict(self._server.peers.held(views[-1].peer.stream, type_url)) if views else {}

        return self._ask(held)

    def wait_until_held(self, *given: EncodedResource) -> None:
        """Wait until the proxy has accepted these resources as they are."""
        wanted = {(one.type_url, one.name): one.version for one in given}
        types = {one.type_url for one in given}

        def is_held() -> bool:
            held = {(url, name): version for url in types for name, version in self.held(url).items()}
            return wanted.items() <= held.items()

        wait_until(is_held, f"{[one.name for one in given]} to be accepted", PATIENCE_S)

    def wait_until_refused(self, *refused: EncodedResource) -> tuple[peers.Nack, ...]:
        """Wait until refusals of all these resources, of one type, stand; return them."""
        wanted = {one.name for one in refused}
        type_url = refused[0].type_url

        def nacks() -> tuple[peers.Nack, ...]:
            return self.view(type_url).nacks

        wait_until(lambda: wanted <= {name for nack in nacks() for name in nack.names}, f"{wanted} refused", PATIENCE_S)
        return nacks()

    def address(self, last: int = ENVOY) -> str:
        return self.block.address(last)

    def get(self, port: int, path: str = "/") -> traffic.Reply:
        """Send a request to one of the proxy's listeners."""
        return traffic.reply(self.address(), port, path)


@contextlib.contextmanager
def rejecting(folder: pathlib.Path, envoy: str, variant: worlds.Variant) -> Iterator[Rejecting]:
    """Run a server and an Envoy that it has told next to nothing yet."""
    with loopback.claimed_block() as block, Processes() as processes:
        place = addresses.Socket(block.address(CONTROL_PLANE), 18000)
        running = Rejecting(block)
        site = programs.Site(folder, place, envoy, variant.asks)
        with running.serving(site):
            running.publish(*_ground(running.address()))
            gate = cast.Gate(Ref("IngressGateway", "t", "edge"), running.address(), ())
            stage.started_proxies(site, processes, [gate], [])
            yield running


def _shown(state: pathlib.Path) -> ports.Tls:
    """Return what the server shows, by an authority of its own."""
    ground = succession.Ground(authorities.store(kept.folder(state)), serving.POLICY)
    shown = serving.ServerKeeper(ground, home.folder(state).published).credentials(()).leaf
    return ports.Tls(shown.chain, shown.key.pem)


def _ground(host: str) -> tuple[EncodedResource, ...]:
    """Return something of each type that a proxy waits for when it starts."""
    return cluster("ground", host), listener("ground", host, 8000, "ground"), routes("ground", "ground")
