"""The examples at work: one control plane serves all of their meshes, and the proxies of one at a time run.

Law: the files are served as they are checked in; the addresses of this machine come from a name server.
"""

import contextlib
import dataclasses
import itertools
import json
import pathlib
import re
from collections.abc import Iterable, Iterator, Mapping

from mesh import resources
from meshloom import addresses
from meshloom.demo import cast, loopback, programs, stage
from meshloom.demo.processes import Processes, Program
from meshloom.demo.waiting import wait_until
from tests.envoy import worlds
from tests.envoy.examples import names, table

NAME_SERVER = (201, 10053)
FIRST_GATE, FIRST_PAIR, LAST_PAIR = 1, 10, 99
"""The last numbers of the addresses that are given out."""

PATIENCE_S = 30
UPDATES = ("cluster_manager.cds.update_success", "http.*.rds.*update_success")
MEMBERS = re.compile(r"cluster\.outbound/(?P<key>[^/]+/[^/]+)/\d+\.membership_total")
RESOLVER = "envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig"


def files(example: str) -> dict[str, str]:
    """Return the YAML of an example by the name that its file has among all."""
    path = table.FOLDER / example
    found = sorted(path.glob("*.yaml")) if path.is_dir() else [path]
    return {str(file.relative_to(table.FOLDER)).replace("/", "-"): file.read_text() for file in found}


@dataclasses.dataclass(frozen=True, slots=True)
class Players:
    """Who plays in an example, each at an address of its own, and the hostname of each deployment."""

    cast: cast.Cast
    hostnames: Mapping[str, str]

    def last(self, name: str) -> int:
        """Return the last number of the address of the one proxy of this name, or of `namespace/name`."""
        proxies = [(gate.gateway, gate.address) for gate in self.cast.gates]
        proxies += [(pair.deployment, pair.workload) for pair in self.cast.pairs]
        (found,) = (address for ref, address in proxies if name in (ref.name, ref.key))
        return int(found.rpartition(".")[2])

    def known(self) -> dict[str, tuple[str, ...]]:
        """Return the addresses of each hostname."""
        found: dict[str, tuple[str, ...]] = {}
        for pair in self.cast.pairs:
            hostname = self.hostnames[pair.deployment.key]
            found[hostname] = (*found.get(hostname, ()), pair.workload)
        return found


def players(texts: Iterable[str], gates: Iterator[str], pairs: Iterator[str]) -> Players:
    """Return who plays in these texts, at the next of these addresses."""
    written = cast.read_resources(*texts)
    placed = (_placed(item, gates, pairs) for item in written)
    deployments = [item for item in written if isinstance(item, resources.VirtualDeployment)]
    return Players(cast.cast(placed), {item.ref.key: _hostname(item) for item in deployments})


def _placed(item: resources.Resource, gates: Iterator[str], pairs: Iterator[str]) -> resources.Resource:
    if not isinstance(item, resources.IngressGateway | resources.VirtualDeployment):
        return item
    address = next(gates if isinstance(item, resources.IngressGateway) else pairs)
    metadata = item.metadata.model_copy(update={"annotations": {cast.ADDRESS: address}})
    return item.model_copy(update={"metadata": metadata})


def _hostname(item: resources.VirtualDeployment) -> str:
    return (item.spec.service_discovery.hostname or "") if item.spec.service_discovery else ""


class Theatre:
    """The control plane with the meshes of all examples, and the name server."""

    def __init__(self, world: worlds.World, resolver: names.Names) -> None:
        self.world, self.resolver = world, resolver
        self.examples = tuple(dict.fromkeys(row.example for row in table.rows()))
        gates, pairs = self._addresses(FIRST_GATE, FIRST_PAIR - 1), self._addresses(FIRST_PAIR, LAST_PAIR)
        self.players = {example: players(files(example).values(), gates, pairs) for example in self.examples}
        for example in self.examples:
            self.write(example, files(example), self.players[example].known())

        self._on_stage = contextlib.ExitStack()
        self._played: Played | None = None

    def played(self, example: str) -> "Played":
        """Return this example with its proxies running; those of another one end."""
        if self._played is None or self._played.example != example:
            self.close()
            self._played = self._on_stage.enter_context(played(self, example))
        return self._played

    def close(self) -> None:
        """End the proxies and applications that run."""
        self._played = None
        self._on_stage.close()

    def _addresses(self, first: int, last: int) -> Iterator[str]:
        return (self.world.block.address(number) for number in range(first, last + 1))

    def write(self, example: str, texts: Mapping[str, str], known: Mapping[str, tuple[str, ...]]) -> None:
        """Serve these texts in place of an example's, and let the names that are theirs be known."""
        self.resolver.known = {**self.resolver.known, **known}
        for name, text in texts.items():
            self.world.write(name, text)


@contextlib.contextmanager
def theatre(folder: pathlib.Path, envoy: str, variant: worlds.Variant) -> Iterator[Theatre]:
    """Run the control plane on the meshes of all examples."""
    with loopback.claimed_block() as block, Processes() as processes:
        last, port = worlds.CONTROL_PLANE
        site = programs.Site(folder, addresses.Socket(block.address(last), port), envoy, variant.asks)
        last, port = NAME_SERVER
        with names.serving((block.address(last), port)) as resolver:
            opened = Theatre(worlds.World(site, block, processes), resolver)
            opened.world.serve()
            with contextlib.closing(opened):
                yield opened


class Played:
    """An example whose proxies and applications run."""

    def __init__(self, house: Theatre, example: str) -> None:
        self.world, self.example, self.state = house.world, example, ""
        self._house, self.players = house, house.players[example]

    def start(self, processes: Processes) -> None:
        """Start the proxies side by side and wait until each knows where all of its targets are."""
        site, cast_ = self.world.site, self.players.cast
        gates = ((gate.address, gate.ports, programs.gateway(site, gate)) for gate in cast_.gates)
        pairs = ((pair.workload, (15000,), programs.sidecar(site, pair)) for pair in cast_.pairs)
        proxies = itertools.chain(gates, pairs)
        started = [(host, ports, processes.start(self._told(program, host))) for host, ports, program in proxies]
        for host, ports, process in started:
            stage.wait_for_proxy(host, ports, process)
        for host, _, _ in started:
            self.wait_for_targets(int(host.rpartition(".")[2]))

    def _told(self, program: Program, host: str) -> Program:
        """Return the program with a bootstrap of its own, which names the name server."""
        path = self.world.site.folder / "proxies" / program.name / "envoy.json"
        own = path.with_name(f"{program.name}-{host}.json")
        own.write_text(json.dumps({**json.loads(path.read_text()), "typed_dns_resolver_config": self._resolver()}))
        argv = tuple(str(own) if word == str(path) else word for word in program.argv)
        return dataclasses.replace(program, argv=argv)

    def _resolver(self) -> dict[str, object]:
        address, port = self._house.resolver.server_address
        asked = {
            "@type": f"type.googleapis.com/{RESOLVER}",
            "resolvers": [{"socket_address": {"address": address, "port_value": port}}],
            "dns_resolver_options": {"no_default_search_domain": True},
        }
        return {"name": "envoy.network.dns_resolver.cares", "typed_config": asked}

    def wait_for_targets(self, last: int) -> None:
        """Wait until the proxy at this address has looked up every hostname it may call."""
        known = self.players.known()
        wanted = {key: len(known[hostname]) for key, hostname in self.players.hostnames.items() if hostname}
        wait_until(
            lambda: all(count == wanted[key] for key, count in self.members(last)),
            f"the proxy at {last} to look up where its targets are",
            PATIENCE_S,
        )

    def members(self, last: int) -> Iterator[tuple[str, int]]:
        """Yield the deployments that a proxy may call, each with the number of its endpoints."""
        told = self.world.admin("/stats?format=json&filter=membership_total", last).json()["stats"]
        for stat in told:
            if found := MEMBERS.fullmatch(stat.get("name", "")):
                yield found["key"], stat["value"]

    def bring(self, state: str, edited: Mapping[str, str], url: str, last: int) -> None:
        """Save the example as it is in another state, and wait until the sidecar at this address has followed.

        What its main thread counts its one worker has taken up at the latest when a call has gone through it.
        """
        if state == self.state:
            return
        assert state, "the page asks of an example as it is written first"
        before, cast_ = self.updates(last), self.players.cast
        gates, pairs = (gate.address for gate in cast_.gates), (pair.workload for pair in cast_.pairs)
        self.players = players(edited.values(), gates, pairs)
        self._house.write(self.example, edited, self.players.known())
        wait_until(lambda: self.updates(last) > before, f"the proxy at {last} to follow", PATIENCE_S)
        self.wait_for_targets(last)
        assert self.world.call(url, by=last).status == 200
        self.state = state

    def updates(self, last: int) -> int:
        """Return how many updates of clusters and routes a proxy has accepted."""
        return sum(self.world.stats(pattern, last) for pattern in UPDATES)


@contextlib.contextmanager
def played(house: Theatre, example: str) -> Iterator[Played]:
    """Run the proxies and applications of an example; its files are as they were in the end."""
    playing = Played(house, example)
    with worlds.applications(playing.players.cast.pairs, is_behind=lambda _: True), Processes() as processes:
        playing.start(processes)
        yield playing
    house.write(example, files(example), house.players[example].known())
