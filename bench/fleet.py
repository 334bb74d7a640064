"""The load generator: hundreds of proxies as far as ADS goes, each a connection and a stream of its own.

Law: behaves as Envoy does: clusters first, then listeners, then the routes they name, and everything is accepted at
once. A process of its own, so that what it costs is nobody else's.
"""

import asyncio
import pathlib
import time
from dataclasses import dataclass, field
from typing import Any

import grpc.aio

from bench import door, large, lines, messages

OPTIONS = (
    ("grpc.use_local_subchannel_pool", 1),  # a connection each
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 200),
    ("grpc.max_receive_message_length", -1),
    ("grpc.enable_http_proxy", 0),
)
ROUTES = ("inbound/8080", "outbound")
"""The routes that the listeners of every proxy name."""


@dataclass(slots=True)
class Group:
    """Streams of one variant to one server, and what came since somebody asked."""

    address: str
    variant: str
    services: int
    proxies: int
    door: door.Door
    recording: messages.Recording = field(default_factory=list)
    complete: int = 0
    news: asyncio.Event = field(default_factory=asyncio.Event)
    tasks: "list[asyncio.Task[None]]" = field(default_factory=list)

    async def connect(self, number: int) -> None:
        """Be proxy `number` until cancelled."""
        proxy = large.proxy(number % self.proxies, self.services)
        metadata = (("proxy", str(number)), *self.door.proof(proxy))
        async with self.door.channel(self.address, OPTIONS) as channel:
            call = channel.stream_stream(messages.METHODS[self.variant])(metadata=metadata, wait_for_ready=True)
            node = messages.node(proxy)
            await call.write(messages.first_request(self.variant, messages.ORDER[0], (), node))
            await self._answer(number, call)
        raise ConnectionError(f"the server ended the stream of proxy {number}")

    async def _answer(self, number: int, call: Any) -> None:
        missing = dict(zip(messages.ORDER, (1, 1, len(ROUTES)), strict=True))
        asked = 1
        while (data := await call.read()) is not grpc.aio.EOF:
            self.recording.append((number, data))
            response = messages.response(data)
            type_url = response.type_url.decode()
            await call.write(messages.ack(self.variant, response, _names(type_url)))
            if not missing:
                continue
            missing[type_url] -= response.count
            missing = {wanted: count for wanted, count in missing.items() if count > 0}
            if asked < len(messages.ORDER) and messages.ORDER[asked - 1] not in missing:
                wanted, asked = messages.ORDER[asked], asked + 1
                await call.write(messages.first_request(self.variant, wanted, _names(wanted), None))
            if not missing:
                self.complete += 1
                self.news.set()


def _names(type_url: str) -> tuple[str, ...]:
    return ROUTES if type_url == messages.ORDER[-1] else ()


class Fleet:
    """All groups, by name."""

    def __init__(self) -> None:
        self.groups: dict[str, Group] = {}

    async def group(
        self, group: str, address: str, state: str, tls: bool, variant: str, services: int, proxies: int
    ) -> dict[str, Any]:
        """Name a group of proxies of a mesh of so many services; more streams than proxies are further replicas."""
        way = door.OverTls(pathlib.Path(state)) if tls else door.InClear()
        self.groups[group] = Group(address, variant, services, proxies, way)
        return {}

    async def connect(self, group: str, first: int, count: int) -> dict[str, Any]:
        """Connect so many streams, and answer when all hold everything: how long that took."""
        fleet = self.groups[group]
        start, wanted = time.monotonic(), fleet.complete + count
        fleet.tasks += [asyncio.create_task(fleet.connect(number)) for number in range(first, first + count)]
        async with asyncio.timeout(lines.DEADLINE):
            while fleet.complete < wanted:
                fleet.news.clear()
                waiting = asyncio.create_task(fleet.news.wait())
                await asyncio.wait((waiting, *fleet.tasks), return_when=asyncio.FIRST_COMPLETED)
                self._check(fleet)
        return {"seconds": time.monotonic() - start}

    async def taken(self, group: str, path: str) -> dict[str, Any]:
        """Answer which streams got something since the last time, and how much; write what it was to a file."""
        fleet = self.groups[group]
        self._check(fleet)
        recording, fleet.recording = fleet.recording, []
        messages.keep(recording, path)
        return {"streams": sorted(number for number, _ in recording), "bytes": sum(len(data) for _, data in recording)}

    @staticmethod
    def _check(fleet: Group) -> None:
        for task in fleet.tasks:
            if task.done():
                task.result()


async def main() -> None:
    """Answer what the benchmark asks."""
    fleet = Fleet()
    await lines.answer({"group": fleet.group, "connect": fleet.connect, "taken": fleet.taken})


if __name__ == "__main__":
    asyncio.run(main())
