"""gRPC programs that speak xDS themselves: a real control plane, real servers, and grpcio's own client in a process."""

import json
import pathlib
import shutil
import sys
import tempfile

import pytest

from mesh.problems import Ref
from meshloom import addresses, grpc_bootstrap, secure_ads
from meshloom.demo import cast, edits, loopback, programs, split, stage
from meshloom.demo.processes import Processes, Program
from meshloom.demo.waiting import wait_until
from meshloom.identity import claim, home
from meshloom.operator import client as operator
from tests import grpc_programs
from tests.envoy import conftest, worlds

HERE = pathlib.Path(__file__).parent
MESH = HERE / "proxyless"
PORT = 9090
CONTROL_PLANE = (200, 18000)
SERVERS = {11: "v1", 12: "v2", 113: "beside", 114: "strict"}
SIDECARS = {13: "beside", 14: "strict"}
WITHIN_S = 30
"""When a wait has failed."""
RETURNS_WITHIN_S = 75
"""gRPC waits longer and longer between two looks for a control plane that is away."""

PRICING = "xds:///pricing.t:9090"
GIVES_UP_S = 15
"""How long gRPC waits for a listener that it never had."""

pytestmark = pytest.mark.envoy


class World:
    """The mesh, and who plays in it."""

    def __init__(self, folder: pathlib.Path, block: loopback.Block, processes: Processes) -> None:
        last, port = CONTROL_PLANE
        self.block, self.processes = block, processes
        envoy = conftest.envoy_of(worlds.NEWEST_VARIANT)
        self.site = programs.Site(folder, addresses.Socket(block.address(last), port), envoy)
        self.site.mesh.mkdir()
        self.bootstrap = folder / "xds.json"
        of = claim.proxyless("t/web")
        token = secure_ads.Token(str(programs.token_file(self.site, of, folder / "token")))
        root = str(self.site.state / home.ROOT_FILE)
        made = grpc_bootstrap.bootstrap(of, self.site.control_plane, root, token)
        self.bootstrap.write_text(json.dumps(made))
        self.named_port = 0
        self.client: grpc_programs.Client
        self.stranger: grpc_programs.Client
        self.control_plane = None

    def write(self, name: str, edit=str) -> None:
        """Put a file into the mesh as it is kept, or with an edit."""
        text = (MESH / name).read_text().replace("PORT", str(self.named_port))
        edits.replace_file(self.site.mesh / name, self.block.moved(edit(text)))

    def weigh(self, v1: int, v2: int) -> None:
        weights = {"pricing-v1": v1, "pricing-v2": v2}
        self.write("mesh.yaml", lambda text: edits.with_weights(text, "pricing", weights))

    def bind(self, *endpoints: tuple[int, str]) -> None:
        """Bind the first version to a Service with these endpoints: the last number of an address, and a zone."""
        text = (MESH / "endpoints.txt").read_text()
        listed = [f"  - {{addresses: [127.77.0.{last}], zone: {zone}}}" for last, zone in endpoints]
        edits.replace_file(self.site.mesh / "endpoints.yaml", self.block.moved("\n".join((text.rstrip(), *listed, ""))))

    def start_servers(self) -> None:
        for last, name in SERVERS.items():
            self._server(name, f"{self.block.address(last)}:{PORT}")
            wait_until(lambda last=last: loopback.accepts(self.block.address(last), PORT), f"server {name}", WITHIN_S)
        named = self._server("named", "127.0.0.1:0")
        wait_until(lambda: named.last_words().startswith("port "), "server on localhost", WITHIN_S, [named])
        self.named_port = int(named.last_words().split()[-1])

    def serve(self) -> None:
        self.control_plane = stage.started_control_plane(self.site, self.processes)

    def start_sidecars(self) -> None:
        pairs = [
            cast.Pair(
                Ref("VirtualDeployment", "t", f"{name}-v1"),
                Ref("VirtualService", "t", name),
                self.block.address(last),
                self.block.address(last + 100),
                (PORT,),
                (),
            )
            for last, name in SIDECARS.items()
        ]
        stage.started_proxies(self.site, self.processes, (), pairs)

    def programs(self):
        """Return what the operator API says of the programs without proxies."""
        return operator.proxies(addresses.Pipe(self.site.operator_socket), "t/web").proxies

    def has(self, kind: str, name: str) -> bool:
        """Return whether a program has accepted a resource as it should have it."""
        found = operator.config(addresses.Pipe(self.site.operator_socket), "t/web", kind, name).configs
        return "synced" in {each.state for config in found for each in config.resources}

    def log(self) -> str:
        return self.control_plane.program.log.read_text()

    def _server(self, name: str, address: str):
        argv = (sys.executable, "-m", grpc_programs.MODULE, "serve", name, address)
        path = {"PYTHONPATH": str(HERE.parents[1])}
        return self.processes.start(Program(f"server {name}", argv, self.site.log(f"server-{name}"), path))


@pytest.fixture(scope="module")
def running():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="meshloom-"))  # the paths of pytest are too long for a socket
    with loopback.claimed_block() as block, Processes() as processes:
        world = World(folder, block, processes)
        world.start_servers()
        for name in ("mesh.yaml", "policy.yaml"):
            world.write(name)
        world.serve()
        world.client, world.stranger = (grpc_programs.Client(world.bootstrap) for _ in range(2))
        world.client.wait()
        world.stranger.order("call", target="xds:///secret.t", deadline=60)  # answered in its own time
        world.start_sidecars()
        yield world
        world.client.close()
        world.stranger.close()
    shutil.rmtree(folder)


@pytest.fixture
def world(running):
    """Return the mesh as it is kept; what a test changes is undone."""
    yield running
    for name in ("mesh.yaml", "policy.yaml"):
        running.write(name)
    wait_until(lambda: {*running.client.call(PRICING, times=20)[0]} == {"v1", "v2"}, "both versions", WITHIN_S)


def judged(seen, v1: int, v2: int):
    """Return those counts that chance does not explain."""
    lines = split.lines(split.shares({"v1": v1, "v2": v2}), [who for who, count in seen.items() for _ in range(count)])
    return [line for line in lines if not line.holds]


@pytest.mark.parametrize("authority", ["pricing.t", "pricing.t:9090"])
def test_a_host_is_called_with_and_without_its_port(world, authority):
    assert world.client.says(f"xds:///{authority}") in ("v1", "v2")


def test_a_hostname_is_looked_up_by_the_program(world):
    assert world.client.says("xds:///named.t") == "named"


def test_traffic_is_split_by_weight_and_follows_an_edit(world):
    seen, _ = world.client.call(PRICING, times=1000)
    assert not judged(seen, 75, 25)
    world.weigh(0, 100)
    wait_until(lambda: [*world.client.call(PRICING, times=20)[0]] == ["v2"], "all traffic at v2", WITHIN_S)
    world.weigh(40, 60)
    wait_until(lambda: "v1" in world.client.call(PRICING, times=20)[0], "v1 to be called again", WITHIN_S)
    seen, _ = world.client.call(PRICING, times=1000)
    assert not judged(seen, 40, 60)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/t.New/Get", "v2"),
        ("/t.Newer/Get", "UNAVAILABLE: No matching route found in xDS route config"),
        ("/t.Old/Get", "v1"),
        ("/t.Old/GetMore", "UNAVAILABLE: No matching route found in xDS route config"),
        ("/t.Off/Get", "UNAVAILABLE: Matching route has inappropriate action"),
        ("/t.Short/Get", "v1"),
    ],
)
def test_the_first_rule_that_matches_by_segments_decides(world, path, said):
    assert world.client.says("xds:///paths.t", path) == said


def test_the_timeout_of_a_route_ends_the_call_and_never_too_early(world):
    (said,), seconds = world.client.call("xds:///paths.t", path="/t.Short/Wait", deadline=60)
    assert said.startswith("DEADLINE_EXCEEDED")
    assert 0.3 <= seconds < 10


def test_a_sidecar_at_the_target_lets_it_in_as_it_lets_in_a_sidecar(world):
    assert world.client.says("xds:///beside.t") == "beside"


def test_what_asks_for_a_certificate_is_out_of_reach_and_the_program_is_told_so(world):
    said = world.client.says("xds:///strict.t")
    assert said.startswith("UNAVAILABLE")
    assert "t/strict is STRICT and a gRPC program without a proxy has no certificate; let it be PERMISSIVE" in said


def test_access_is_lost_with_its_policy_and_comes_back_with_it(world):
    assert world.client.says(PRICING) in ("v1", "v2")
    (world.site.mesh / "policy.yaml").unlink()
    wait_until(lambda: world.client.says(PRICING).startswith("UNAVAILABLE"), "access to be lost", WITHIN_S)
    seen, slowest = world.client.call(PRICING, times=20)
    assert all("LDS resource pricing.t:9090: does not exist" in said for said in seen)
    assert slowest < 5, "a call without access fails at once"
    assert world.client.says("xds:///named.t") == "named", "other services are called as before"
    world.write("policy.yaml")
    wait_until(lambda: world.client.says(PRICING) in ("v1", "v2"), "access to come back", WITHIN_S)


def test_a_program_opens_a_stream_for_each_service_it_calls_and_all_are_in_sync(world):
    targets = [f"xds:///{name}.t" for name in ("pricing", "paths", "named", "beside", "strict")]
    for target in targets:
        world.client.call(target)
    wait_until(lambda: len(world.programs()) > len(targets), "a stream for each service", WITHIN_S)
    wait_until(lambda: {each.state for each in world.programs()} == {"synced"}, "all to be in sync", WITHIN_S)
    assert {each.capture for each in world.programs()} == {"proxyless"}
    assert {each.variant for each in world.programs()} == {"sotw"}


def test_an_edited_address_is_followed(world):
    """Endpoints alone change; no call fails, for the old server is still there."""
    old, new = (f"hostname: {world.block.address(last)}" for last in (12, 113))
    world.client.order("begin", target=PRICING)
    assert world.client.answer() == {}
    kept = (world.site.mesh / "mesh.yaml").read_text()
    edits.replace_file(world.site.mesh / "mesh.yaml", kept.replace(old, new))
    wait_until(lambda: "beside" in world.client.call(PRICING, times=20)[0], "the new address to be called", WITHIN_S)
    world.client.order("end", target=PRICING)
    assert {*world.client.answer()["seen"]} <= {"v1", "v2", "beside"}, "no call failed"


def test_a_name_that_becomes_an_address_and_a_name_again_breaks_no_call(world):
    """To gRPC these are two kinds of cluster."""
    target, cluster = "xds:///named.t", f"outbound/t/named-v1/{world.named_port}"
    kept = (world.site.mesh / "mesh.yaml").read_text()
    world.client.order("begin", target=target)
    assert world.client.answer() == {}
    edits.replace_file(world.site.mesh / "mesh.yaml", kept.replace("hostname: localhost", "hostname: 127.0.0.1"))
    wait_until(lambda: world.has("EDS", cluster), "endpoints to be accepted", WITHIN_S)
    edits.replace_file(world.site.mesh / "mesh.yaml", kept)
    wait_until(lambda: not world.has("EDS", cluster), "endpoints to be gone", WITHIN_S)
    wait_until(lambda: world.has("CDS", cluster), "the cluster to be accepted", WITHIN_S)
    world.client.order("end", target=target)
    assert {*world.client.answer()["seen"]} == {"named"}, "no call failed"


def test_endpoints_of_several_zones_are_used_alike_and_follow_their_slice(world):
    world.weigh(100, 0)
    wait_until(lambda: [*world.client.call(PRICING, times=20)[0]] == ["v1"], "all traffic at v1", WITHIN_S)
    world.client.order("begin", target=PRICING)
    assert world.client.answer() == {}
    world.bind((11, "north"), (12, "north"), (113, "south"))
    wait_until(lambda: len(world.client.call(PRICING, times=40)[0]) == 3, "all endpoints to be called", WITHIN_S)
    seen, _ = world.client.call(PRICING, times=600)
    assert all(140 < count < 260 for count in seen.values()), seen
    world.bind((113, "south"))
    wait_until(lambda: [*world.client.call(PRICING, times=20)[0]] == ["beside"], "one endpoint", WITHIN_S)
    (world.site.mesh / "endpoints.yaml").unlink()
    wait_until(lambda: [*world.client.call(PRICING, times=20)[0]] == ["v1"], "what the hostname is", WITHIN_S)
    world.client.order("end", target=PRICING)
    assert {*world.client.answer()["seen"]} <= {"v1", "v2", "beside"}, "no call failed"


@pytest.mark.slow
def test_what_was_never_allowed_is_unavailable_when_grpc_gives_up(world):
    told = world.stranger.answer()
    (said,) = told["seen"]
    assert said.startswith("UNAVAILABLE: ")
    assert "LDS resource secret.t: does not exist" in said
    assert told["slowest"] < 2 * GIVES_UP_S


def test_calls_go_on_without_a_control_plane_and_follow_it_when_it_is_back(world):
    world.client.order("begin", target=PRICING)
    assert world.client.answer() == {}
    world.processes.kill(world.control_plane)
    seen, _ = world.client.call(PRICING, times=100)
    assert {*seen} == {"v1", "v2"}
    world.weigh(100, 0)  # while nobody looks
    world.serve()
    wait_until(lambda: [*world.client.call(PRICING, times=20)[0]] == ["v1"], "all traffic at v1", RETURNS_WITHIN_S)
    world.client.order("end", target=PRICING)
    assert {*world.client.answer()["seen"]} <= {"v1", "v2"}, "no call failed"


def test_nothing_was_rejected(world):
    assert "ads.nacked" not in world.log()
    assert "ads.failed" not in world.log()
