"""Attackers: a client of ADS that asks for what it likes, and clients that reach a workload past its callers' sidecars."""

import contextlib
import socket
import ssl
import urllib.parse
from collections.abc import AsyncIterator, Iterator

import grpc
import h2.config
import h2.connection
import h2.events

from meshloom.identity import claim, home
from meshloom.identity.authority import issue
from tests.features import ads
from xds import resource_types, server
from xds.wire import discovery_pb2

MESSAGE = b"\x00\x00\x00\x00\x05hello"
"""As gRPC sends `hello`."""

SECRET = resource_types.SECRET
OPTIONS = (("grpc.ssl_target_name_override", issue.CONTROL_PLANE), ("grpc.use_local_subchannel_pool", 1))


@contextlib.asynccontextmanager
async def channel(plane, pair=None) -> AsyncIterator[grpc.aio.Channel]:
    """Open a connection to ADS over TLS, by certificate where there is one."""
    root = (plane.state / home.ROOT_FILE).read_bytes()
    own = (pair.key.read_bytes(), pair.chain.read_bytes()) if pair else (None, None)
    address = plane.by_certificate if pair else plane.by_token
    credentials = grpc.ssl_channel_credentials(root, *own)
    async with grpc.aio.secure_channel(str(address), credentials, options=OPTIONS) as opened:
        yield opened


class Stream(ads.Stream):
    """A stream of ADS that shows a token and asks for anything."""

    def __init__(self, opened, token=None, variant="delta"):
        self.variant = variant
        method, self.request, self.response = ads.METHODS[variant]
        metadata = () if token is None else (("authorization", token),)
        self._call = opened.stream_stream(
            f"/{server.SERVICE}/{method}",
            request_serializer=self.request.SerializeToString,
            response_deserializer=self.response.FromString,
        )(metadata=metadata)

    async def ask(self, proxy, type_url, *names, claimed=None):
        """Send the first request of a type, as this proxy, whose node says what `claimed` says."""
        node = discovery_pb2.Node(id=claim.node_id(claimed or proxy))
        node.metadata.update(claim.metadata(claimed or proxy))
        fields = {"resource_names": names} if self.variant == "sotw" else {"resource_names_subscribe": names}
        await self.write(self.request(node=node, type_url=type_url, **fields))

    def bodies(self, response):
        """Return name -> body of what came; the state of the world does not say names beside the bodies."""
        if self.variant == "delta":
            return {each.name: each.resource for each in response.resources if each.resource}
        return dict(enumerate(response.resources))


# ---------------------------------------------------------------------------- past the sidecar


@contextlib.contextmanager
def dialled(plane, name: str, port: int, context: ssl.SSLContext | None) -> Iterator[socket.socket]:
    """Open a connection to a port of a workload, by TLS where there is a context for it."""
    with socket.create_connection((plane.workload(name), port), timeout=20) as bare:
        if context is None:
            yield bare
            return
        with context.wrap_socket(bare) as secure:
            yield secure


class Http2:
    """A connection of HTTP/2 that is kept, on every kind of socket; what it asks are calls of gRPC."""

    def __init__(self, connection: socket.socket, authority: str) -> None:
        self._socket, self._authority = connection, authority
        self._state = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self._state.initiate_connection()

    def get(self) -> tuple[int, str]:
        """Send a call; return 200 if it succeeds, 403 if it is not permitted, and what is said about it."""
        stream, said = self._state.get_next_available_stream_id(), {}
        head = {":method": "POST", ":scheme": "http", ":authority": self._authority, ":path": "/greet.Greeter/Hello"}
        self._state.send_headers(stream, [*head.items(), ("content-type", "application/grpc"), ("te", "trailers")])
        self._state.send_data(stream, MESSAGE, end_stream=True)
        is_over = False
        while not is_over:
            self._socket.sendall(self._state.data_to_send())
            if not (more := self._socket.recv(65536)):
                return 0, "closed"
            for event in self._state.receive_data(more):
                if isinstance(event, h2.events.ResponseReceived | h2.events.TrailersReceived):
                    said.update(event.headers)
                elif isinstance(event, h2.events.DataReceived):
                    self._state.acknowledge_received_data(event.flow_controlled_length, stream)
                is_over |= isinstance(event, h2.events.StreamEnded | h2.events.ConnectionTerminated)
        text = urllib.parse.unquote(said.get("grpc-message", ""))
        return {"0": 200, "7": 403}.get(said.get("grpc-status", ""), 0), text


class Http1:
    """A connection of HTTP/1.1 that is kept; on every kind of socket. `target` is written before the path."""

    def __init__(self, connection: socket.socket, authority: str, target: str = "") -> None:
        self._socket, self._authority, self._target = connection, authority, target

    def get(self, path: str = "/") -> tuple[int, str]:
        """Send a request and return the status and the text of its answer; 0 where the connection broke."""
        self._socket.sendall(f"GET {self._target}{path} HTTP/1.1\r\nhost: {self._authority}\r\n\r\n".encode())
        got = b""
        while b"\r\n\r\n" not in got:
            if not (more := self._socket.recv(65536)):
                return 0, ""
            got += more
        head, _, body = got.partition(b"\r\n\r\n")
        lines = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        while len(body) < int(lines[b"content-length"]):
            body += self._socket.recv(65536)
        return int(head.split()[1]), body.decode()
