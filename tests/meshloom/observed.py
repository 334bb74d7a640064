"""One proxy as the operator API sees it: a real state machine and the real record of peers, without a network."""

from dataclasses import dataclass, field

from meshloom import short_names
from meshloom.identity import claim
from meshloom.operator import comparison, shapes, view
from tests.xds import model
from translator import proxies
from xds import effects, peers, snapshot
from xds import machine as machines
from xds.wire import discovery_pb2

FRONT = claim.sidecar("shop/front-v1", "127.0.9.1", "127.0.0.1", {})
NODE = claim.node_id(FRONT)
CONNECTED, NOW = 1000.0, 1060.0


@dataclass
class Quiet:
    """A stream as the record of peers asks it, of which nobody waits for anything."""

    machine: machines.Machine

    def holdings(self, type_url):
        """Return what the client has accepted."""
        return self.machine.holdings(type_url)

    def standing(self, type_url):
        """Return how far the client is."""
        return self.machine.standing(type_url)

    def waits(self):
        """Return nothing."""
        return ()

    is_current = True


@dataclass
class Observed:
    """A proxy, of either variant, and what it is to have."""

    variant: str
    should: snapshot.Snapshot | None = None
    proxy: proxies.Proxy = FRONT
    clock: float = CONNECTED
    waited: float = 7.0
    known: peers.Peers = field(default_factory=peers.Peers)
    sent: dict[str, effects.Send] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.client = model.Delta(self.should) if self.variant == "delta" else model.Sotw(self.should)
        machine = self.client.machine
        peer = peers.Peer(1, self.proxy, NODE, "envoy", "1.40.0", self.variant, "unix:", CONNECTED)
        self.known.opened(peer, Quiet(machine))

    def _noted(self, several) -> None:
        self.clock += 1
        for effect in several:
            self.known.noted(1, effect, self.clock)
            if isinstance(effect, effects.Send):
                self.sent[effect.type_url] = effect

    def publish(self, *resources) -> None:
        """Let it follow a snapshot of these resources."""
        self.should = model.holding(*resources)
        self._noted(self.client.publish(self.should))

    def ask(self, type_url, *names) -> None:
        """Let it ask."""
        self._noted(self.client.ask(type_url, *names))

    def ack(self, type_url, *names) -> None:
        """Let it accept the newest response of a type."""
        self._noted(self.client.ack(self.sent[type_url], *(names if self.variant == "sotw" else ())))

    def nack(self, type_url, words, *names) -> None:
        """Let it refuse the newest response of a type in these words."""
        sent, error = self.sent[type_url], discovery_pb2.Status(code=13, message=words)
        listed = names if self.variant == "sotw" else ()
        self._noted(self.client.ask(type_url, *listed, nonce=sent.nonce, error=error))

    def connected(self) -> view.Connected:
        """Return all that is known of it."""
        standings = {type_url: self.known.standing(1, type_url) for type_url in short_names.OF}
        waits = view.since(tuple((wait, self.waited) for wait in self.client.machine.waits()), NOW)
        return view.Connected(self.proxy, self.known.views()[0], standings, self.should, waits)

    def shown(self) -> shapes.Proxy:
        """Return how far it is."""
        return view.proxy(self.connected())

    def states(self) -> dict[str, str]:
        """Return the state of each type."""
        return {each.type: each.state for each in self.shown().types}

    def type(self, name: str) -> shapes.Type:
        """Return how far it is with one type."""
        return next(each for each in self.shown().types if each.type == name)

    def compared(self, **wanted) -> dict[tuple[str, str], shapes.Resource]:
        """Return type and name -> how far it is with a resource."""
        held = {type_url: self.known.held(1, type_url) for type_url in short_names.OF}
        found = comparison.config(self.connected(), held, comparison.Wanted(**wanted))
        return {(each.type, each.name): each for each in found.resources}
