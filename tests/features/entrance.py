"""A control plane that asks who comes: its authorities, tokens and doors, and the peers that try them."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import grpc

from mesh import identity
from mesh.problems import Ref
from meshloom.identity import claim, entrance, register, tokens
from meshloom.identity.authority import issue, keys
from tests.features import ads
from tests.xds import model
from xds import cache, doors, server
from xds import limits as limits_of
from xds.wire import discovery_pb2

DAY = 86400.0
DOMAIN, OTHER_DOMAIN = "main.shop.mesh", "other.zoo.mesh"
PETS = claim.proxyless("shop/pets-v1")
PETS_V1, PETS_V2, DOOR = (
    Ref("VirtualDeployment", "shop", "pets-v1"),
    Ref("VirtualDeployment", "shop", "pets-v2"),
    Ref("IngressGateway", "shop", "door"),
)
SERVICE = identity.Identity(DOMAIN, Ref("VirtualService", "shop", "pets"))
IDENTITIES = {PETS_V1: SERVICE.uri, DOOR: identity.Identity(DOMAIN, DOOR).uri}


def root(domain=DOMAIN):
    return issue.root(keys.generated(), domain, 30 * DAY, time.time())


def root_pem(issuer):
    return issue.pem(issuer.certificate)


class Clock:
    """The time, and what was added to it."""

    def __init__(self):
        self.ahead = 0.0

    def __call__(self):
        return time.time() + self.ahead


class Guarded:
    """A control plane with two doors: `by_token` and `by_certificate` are their addresses."""

    def __init__(self, folder, **limits):
        self.now, self.store = Clock(), register.Folder(folder)
        self.own, self.mesh = root("control-plane"), root()
        self.entrance = entrance.Entrance(self.store, self.now)
        self.observer = ads.Listening()
        self.snapshots = cache.Cache()
        self._limits = limits_of.Limits(**limits)
        self.server = self._server()
        self.by_token = self.by_certificate = "127.0.0.1:0"

    async def start(self):
        self.store.signing()
        await self.entrance.load()
        self.renew()
        self.snapshots.replace({PETS: model.holding(model.cluster("a"))})
        await self._open()

    def _server(self):
        return server.Server(
            self.snapshots, self.entrance.gatekeeper, limits=self._limits, observer=self.observer, now=self.now
        )

    async def _open(self):
        doors_of = (
            doors.Listen(self.by_token, self.entrance.by_token),
            doors.Listen(self.by_certificate, self.entrance.by_certificate),
        )
        self.by_token, self.by_certificate = (f"127.0.0.1:{port}" for port in await self.server.start(*doors_of))

    async def again(self):
        """End every connection, and take new ones at the same addresses."""
        await self.server.stop(0)
        self.server = self._server()
        await self._open()

    def renew(self, own=None, meshes=None):
        """Take a new certificate for the server, by this root, and these roots for the meshes."""
        self.own = own or self.own
        key = keys.generated()
        leaf = issue.server(self.own, key, ("127.0.0.1",), DAY, time.time())
        roots = meshes if meshes is not None else {DOMAIN: root_pem(self.mesh)}
        self.entrance.serve(entrance.Own(leaf.chain, key.pem, root_pem(self.own)))
        self.entrance.expect(IDENTITIES, roots)

    def token(self, owner=PETS_V1, valid=DAY):
        key = self.store.signing()
        return tokens.signed(tokens.issued(owner, key.id, self.now(), valid), key.key)

    def trusting(self, *roots, pair=None):
        """Return the credentials of a client that knows the control plane, with a certificate and its key or without."""
        known = b"".join(map(root_pem, roots or (self.own,)))
        return grpc.ssl_channel_credentials(known, pair and pair[1], pair and pair[0])

    @contextlib.asynccontextmanager
    async def channel(self, address, credentials) -> AsyncIterator[grpc.aio.Channel]:
        options = (
            ("grpc.ssl_target_name_override", issue.CONTROL_PLANE),
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.initial_reconnect_backoff_ms", 50),
        )
        async with grpc.aio.secure_channel(address, credentials, options=options) as opened:
            yield opened


@contextlib.asynccontextmanager
async def guarded(folder, **limits) -> AsyncIterator[Guarded]:
    plane = Guarded(folder, **limits)
    await plane.start()
    following = asyncio.create_task(plane.entrance.follow(lambda: plane.server.review()))
    try:
        yield plane
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await plane.server.stop(0)


def pair(issuer, who=SERVICE, life=DAY, now=None):
    """Return a certificate with its chain, and its key."""
    key = keys.generated()
    return issue.leaf(issuer, key, who, life, time.time() if now is None else now).chain, key.pem


class Stream(ads.Stream):
    """A stream with the headers of a proxy."""

    def __init__(self, channel, token=None, variant="delta"):
        super().__init__(channel, variant)
        method, request, response = ads.METHODS[variant]
        self._call.cancel()
        metadata = () if token is None else (("authorization", token),)
        self._call = channel.stream_stream(
            f"/{server.SERVICE}/{method}",
            request_serializer=request.SerializeToString,
            response_deserializer=response.FromString,
        )(metadata=metadata)

    async def ask(self, proxy=PETS, node_id=None):
        """Send the first request of a proxy; to a server that takes no word of it grpcio itself would say INTERNAL."""
        node = discovery_pb2.Node(id=claim.node_id(proxy) if node_id is None else node_id)
        node.metadata.update(claim.metadata(proxy))
        await self.write(self.request(node=node, type_url=model.CLUSTER))

    async def asked(self, proxy=PETS):
        """Send the first request and take the answer; return its names."""
        await self.ask(proxy)
        response = await self.receive()
        await self.ack(response)
        return [each.name for each in response.resources]
