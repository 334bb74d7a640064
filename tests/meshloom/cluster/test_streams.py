"""How far the proxies of a replica are with what was published."""

from collections.abc import Mapping

from meshloom.cluster import streams
from meshloom.identity import claim
from meshloom.status import progress
from translator import proxies
from xds import effects, peers, resource_types, snapshot, standing

SIDECAR = claim.sidecar("shop/pets-v1", "127.0.9.1", "127.0.0.1", {})
OWNER = claim.owner(SIDECAR)
READY = standing.Standing(wildcard=True, settled=True)
BUSY = standing.Standing(wildcard=True, unanswered={"a": 1})
NACKED = effects.Nacked(resource_types.CLUSTER, "1", "v1", ("a",), "no such\nfilter")
ACKED = effects.Acked(resource_types.CLUSTER, "1", "v1", ("a",))


class Stream:
    """A stream that says what it is told to."""

    def __init__(self) -> None:
        self.stands, self.is_current = READY, True

    def holdings(self, _type_url: str) -> Mapping[str, str]:
        return {}

    def standing(self, _type_url: str) -> standing.Standing:
        return self.stands

    def waits(self) -> peers.Waits:
        return ()


class Snapshots:
    def get(self, _key: proxies.Proxy, /) -> snapshot.Snapshot | None:
        return snapshot.Snapshot.of()


class Peers(peers.Peers):
    """Notes which streams are looked at."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []

    def view(self, stream: int) -> peers.PeerView | None:
        self.asked.append(stream)
        return super().view(stream)


class Replica:
    def __init__(self) -> None:
        self.peers = Peers()
        self.streams = streams.Streams(self.peers, Snapshots())

    def connected(self, number: int) -> Stream:
        stream = Stream()
        peer = peers.Peer(number, SIDECAR, f"node-{number}", "envoy", "1.40.0", "delta", "unix:", 1.0)
        self.peers.opened(peer, stream)
        return stream

    async def seen(self, number: int) -> progress.Proxies:
        """Return all proxies after a look at them, the pass of this number being published."""
        await self.streams.look(number)
        return progress.together(one for _, one in self.streams.seen())


async def test_who_has_everything_has_accepted_the_newest_pass_and_each_one_that_gave_it_nothing() -> None:
    replica = Replica()
    replica.connected(1)
    assert await replica.seen(3) == progress.Proxies({3: 1})
    assert await replica.seen(9) == progress.Proxies({9: 1})
    assert replica.streams.seen()[0][0] == OWNER


async def test_who_was_given_something_else_has_accepted_what_came_before() -> None:
    replica = Replica()
    stream = replica.connected(1)
    await replica.seen(3)
    stream.is_current = False
    assert await replica.seen(4) == progress.Proxies({3: 1})
    stream.is_current, stream.stands = True, BUSY
    assert await replica.seen(4) == progress.Proxies({3: 1})
    assert await replica.seen(5) == progress.Proxies({3: 1})
    stream.stands = READY
    assert await replica.seen(5) == progress.Proxies({5: 1})


async def test_who_was_sent_something_before_it_was_looked_at_has_accepted_what_came_before() -> None:
    replica = Replica()
    stream = replica.connected(1)
    await replica.seen(3)
    stream.stands = BUSY
    replica.peers.noted(1, ACKED, 1.0)
    assert await replica.seen(4) == progress.Proxies({3: 1})


async def test_who_has_just_come_has_accepted_nothing_until_it_says_so() -> None:
    replica = Replica()
    stream = replica.connected(1)
    stream.stands = BUSY
    assert await replica.seen(3) == progress.Proxies({progress.NEVER: 1})


async def test_a_rejection_is_quoted_until_it_is_over() -> None:
    replica = Replica()
    replica.connected(1)
    await replica.seen(3)
    replica.peers.noted(1, NACKED, 1.0)
    assert await replica.seen(4) == progress.Proxies({3: 1}, 1, "node-1: no such")
    replica.peers.noted(1, ACKED, 2.0)
    assert await replica.seen(4) == progress.Proxies({4: 1})


async def test_who_goes_is_counted_no_more() -> None:
    replica = Replica()
    replica.connected(1)
    replica.connected(2).stands = BUSY
    assert (await replica.seen(3)).connected == 2
    for stream in (1, 2):
        replica.peers.closed(stream)
    assert await replica.seen(3) == progress.NONE


async def test_only_what_is_stirred_or_behind_is_looked_at() -> None:
    replica = Replica()
    for number in range(1, 50):
        replica.connected(number)
    await replica.seen(1)
    asked = len(replica.peers.asked)
    assert await replica.seen(2) == progress.Proxies({2: 49})
    assert len(replica.peers.asked) == asked
