"""What the tests of the protocol share: resources to send, and clients that speak to a state machine directly."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from xds import delta, effects, requests, resource_types, responses, snapshot, stream, subscription
from xds.wire import discovery_pb2

CLUSTER = resource_types.CLUSTER
ENDPOINTS = resource_types.ENDPOINTS
LISTENER = resource_types.LISTENER
ROUTES = resource_types.ROUTES
FILTER = resource_types.FILTER
SECRET = resource_types.SECRET
RUNTIME = resource_types.RUNTIME

NODE = discovery_pb2.Node(id="sidecar~1")
BROKEN = discovery_pb2.Status(code=3, message="no such filter")


@dataclass(frozen=True, slots=True)
class Resource:
    type_url: str
    name: str
    version: str
    body: bytes
    references: frozenset[snapshot.ResourceName]


def resource(
    type_url: str, name: str, version: object = 1, *needs: snapshot.ResourceName, padding: int = 0
) -> Resource:
    """Return a resource whose body says what it is, so that a client that reads bodies knows what it got."""
    body = f"{name}@{version}".encode() + b" " * padding
    return Resource(type_url, name, str(version), body, frozenset(needs))


def cluster(name: str, version: object = 1, *secrets: str) -> Resource:
    """Return a cluster that waits for the endpoints of its name, and for these secrets."""
    return resource(CLUSTER, name, version, (ENDPOINTS, name), *((SECRET, secret) for secret in secrets))


def endpoints(name: str, version: object = 1) -> Resource:
    return resource(ENDPOINTS, name, version)


def listener(name: str, version: object = 1, *secrets: str) -> Resource:
    """Return a listener that waits for the routes of its name, and for these secrets."""
    return resource(LISTENER, name, version, (ROUTES, name), *((SECRET, secret) for secret in secrets))


def routes(name: str, version: object = 1, *clusters: str) -> Resource:
    return resource(ROUTES, name, version, *((CLUSTER, target) for target in clusters))


def listener_filter(name: str, version: object = 1, *clusters: str) -> Resource:
    """Return a filter that a listener may name, and that leads to these clusters."""
    return resource(FILTER, name, version, *((CLUSTER, target) for target in clusters))


def secret(name: str, version: object = 1) -> Resource:
    return resource(SECRET, name, version)


def holding(*resources: Resource) -> snapshot.Snapshot:
    """Return a snapshot of these resources."""
    return snapshot.Snapshot.of(snapshot.Part.of(resources))


def names(several: Iterable[effects.Effect]) -> list[tuple[str, ...]]:
    """Return the names in each response sent, in order."""
    return [effect.names for effect in several if isinstance(effect, effects.Send)]


def sends(several: Iterable[effects.Effect]) -> list[effects.Send]:
    return [effect for effect in several if isinstance(effect, effects.Send)]


def types(several: Iterable[effects.Effect]) -> list[str]:
    """Return the short name of the type of each response sent, in order."""
    return [effect.type_url.rpartition(".")[2] for effect in sends(several)]


class Sotw:
    """A state-of-the-world client at the other end of a machine. It answers only when told to."""

    def __init__(self, held: snapshot.Snapshot | None = None, shared: responses.Responses | None = None) -> None:
        self.machine = stream.Stream(shared or responses.Responses(), subscription.Pool(), 100)
        self._node: discovery_pb2.Node | None = NODE
        if held is not None:
            self.machine.publish(held)

    def ask(
        self, type_url: str, *wanted: str, nonce: str = "", version: str = "", error: discovery_pb2.Status | None = None
    ) -> tuple[effects.Effect, ...]:
        node, self._node = self._node, None
        return self.machine.receive(
            discovery_pb2.DiscoveryRequest(
                node=node,
                type_url=type_url,
                resource_names=wanted,
                response_nonce=nonce,
                version_info=version,
                error_detail=error,
            )
        )

    def ack(self, sent: effects.Send, *wanted: str) -> tuple[effects.Effect, ...]:
        return self.ask(sent.type_url, *wanted, nonce=sent.nonce, version=sent.version)

    def nack(self, sent: effects.Send, *wanted: str, version: str = "") -> tuple[effects.Effect, ...]:
        return self.ask(sent.type_url, *wanted, nonce=sent.nonce, version=version, error=BROKEN)

    def publish(self, held: snapshot.Snapshot) -> tuple[effects.Effect, ...]:
        return self.machine.publish(held)


class Delta:
    """A delta client at the other end of a machine. It answers only when told to."""

    def __init__(self, held: snapshot.Snapshot | None = None, shared: responses.Responses | None = None) -> None:
        self.machine = delta.Stream(shared or responses.Responses(), subscription.Pool(), 100)
        self._receive = requests.receiver(
            discovery_pb2.DeltaDiscoveryRequest.FromString,
            lambda request: self.machine.receive(request),
            lambda type_url, nonce: self.machine.plain(type_url, nonce),
        )
        self._node: discovery_pb2.Node | None = NODE
        if held is not None:
            self.machine.publish(held)

    def ask(
        self,
        type_url: str,
        *more: str,
        less: Iterable[str] = (),
        nonce: str = "",
        has: dict[str, str] | None = None,
        error: discovery_pb2.Status | None = None,
    ) -> tuple[effects.Effect, ...]:
        node, self._node = self._node, None
        request = discovery_pb2.DeltaDiscoveryRequest(
            node=node,
            type_url=type_url,
            resource_names_subscribe=more,
            resource_names_unsubscribe=less,
            initial_resource_versions=has,
            response_nonce=nonce,
            error_detail=error,
        )
        return self._receive(request.SerializeToString())

    def ack(self, sent: effects.Send) -> tuple[effects.Effect, ...]:
        return self.ask(sent.type_url, nonce=sent.nonce)

    def nack(self, sent: effects.Send) -> tuple[effects.Effect, ...]:
        return self.ask(sent.type_url, nonce=sent.nonce, error=BROKEN)

    def publish(self, held: snapshot.Snapshot) -> tuple[effects.Effect, ...]:
        return self.machine.publish(held)


def ack_all(
    client: Sotw | Delta, first: Iterable[effects.Effect], wanted: dict[str, tuple[str, ...]]
) -> list[effects.Send]:
    """Accept everything, and everything that follows; return all that was sent, in order."""
    return list(_acked(client, list(sends(first)), wanted))


def _acked(
    client: Sotw | Delta, queue: list[effects.Send], wanted: dict[str, tuple[str, ...]]
) -> Iterator[effects.Send]:
    while queue:
        sent = queue.pop(0)
        yield sent
        if isinstance(client, Sotw):
            queue += sends(client.ack(sent, *wanted.get(sent.type_url, ())))
        else:
            queue += sends(client.ack(sent))


def decoded_sotw(sent: effects.Send) -> discovery_pb2.DiscoveryResponse:
    return discovery_pb2.DiscoveryResponse.FromString(sent.data)


def decoded_delta(sent: effects.Send) -> discovery_pb2.DeltaDiscoveryResponse:
    return discovery_pb2.DeltaDiscoveryResponse.FromString(sent.data)
