"""Calls out of the mesh by real Envoys: who reaches what, and that no name leads anywhere it should not."""

import contextlib
import json
import pathlib
import socket

import pytest

from meshloom import addresses
from meshloom.demo import application, cast, loopback, programs, stage
from meshloom.demo.processes import Processes, Program
from tests.envoy import fixed, names, worlds

FOLDER = pathlib.Path(__file__).parent / "egress"
CALLER, STRANGER, INSIDE, UNKNOWN = 2, 3, 4, 9
OUTSIDE, OTHER, NAME_SERVER = 150, 151, 153
"""The last numbers of addresses: of sidecars, and of what is outside. The applications of the mesh have none."""

NAME_PORT = 5353
DRAIN_SECONDS = 2
"""Instead of the 45 that proxies take, so that a test need not wait for them."""

BANNER = b"who speaks first\n"
DENIED = "x-meshloom-denied-by"

pytestmark = pytest.mark.parametrize("variant", [worlds.NEWEST_VARIANT, worlds.OLDEST_VARIANT], ids=str, indirect=True)


class World(worlds.World):
    """A mesh beside a server outside, and a name server whose `table` may change and that says what it was `asked`."""

    table: dict[str, list[str]]
    asked: list[str]

    def serve(self) -> None:
        settings = self.site.folder / "settings.yaml"
        settings.write_text(f"egress: {{exempt_networks: [{self.block.address(148)}/30]}}\n")
        program = programs.control_plane(self.site)
        argv = (*program.argv, "--settings", str(settings))
        self.control_plane = self.processes.start(Program(program.name, argv, program.log, program.env))
        stage.wait_until(lambda: stage.is_open(self.site.control_plane), "the control plane", 60, [self.control_plane])

    def resolving(self, pair: cast.Pair) -> Program:
        """Return the sidecar of a deployment that asks the name server of this world."""
        program = programs.sidecar(self.site, pair)
        path = pathlib.Path(program.argv[program.argv.index("-c") + 1])
        boot = json.loads(path.read_text())
        server = {"socket_address": {"address": self.block.address(NAME_SERVER), "port_value": NAME_PORT}}
        message = "type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig"
        resolver = {"@type": message, "resolvers": [server]}
        boot["typed_dns_resolver_config"] = {"name": "envoy.network.dns_resolver.cares", "typed_config": resolver}
        path.write_text(json.dumps(boot))
        argv = [*program.argv]
        argv[argv.index("--drain-time-s") + 1] = str(DRAIN_SECONDS)
        return Program(program.name, tuple(argv), program.log, program.env)


@contextlib.contextmanager
def running(folder: pathlib.Path, envoy: str, variant: worlds.Variant):
    with loopback.claimed_block() as block, Processes() as processes, contextlib.ExitStack() as stack:
        last, port = worlds.CONTROL_PLANE
        site = programs.Site(folder, addresses.Socket(block.address(last), port), envoy, variant.asks)
        world = World(site, block, processes)
        world.table = table_of(block)
        for name, text in worlds.written(FOLDER).items():
            world.write(name, text)
        world.serve()
        world.asked = stack.enter_context(names.serving(block.address(NAME_SERVER), NAME_PORT, world.table))
        role = application.Role("outside", "outside")
        places = [*((block.address(OUTSIDE), each) for each in (8080, 8081, 8082)), (block.address(INSIDE), 8099)]
        stack.enter_context(worlds.serving([application.Server(place, role) for place in places]))
        for last, port in (
            (OUTSIDE, 8443),
            (OTHER, 5432),
            (OTHER, 5433),
            (INSIDE, 8443),
            (UNKNOWN, 5432),
            (STRANGER, 5432),
        ):
            stack.enter_context(fixed.speaking_first(block.address(last), port, BANNER))
        pairs = [pair for pair in world.cast().pairs if pair.deployment.name in ("caller-v1", "stranger-v1")]
        for pair, process in [(pair, processes.start(world.resolving(pair))) for pair in pairs]:
            stage.wait_for_proxy(pair.workload, (15000,), process)
        yield world


def table_of(block: loopback.Block) -> dict[str, list[str]]:
    outside = block.address(OUTSIDE)
    return {
        "api.example": [outside],
        "trap.example": [block.address(INSIDE)],
        "other.example": [outside],
        "a.wild.example": [outside],
        "loop.wild.example": ["127.0.0.1"],
        "metadata.wild.example": ["169.254.169.254"],
        "member.wild.example": [block.address(INSIDE)],
        "six.wild.example": ["::1"],
        "mapped.wild.example": ["::ffff:127.0.0.1"],
        "several.wild.example": [block.address(149), block.address(INSIDE)],
        "inside.wild.example": [outside],
        "x.inside.wild.example": [outside],
    }


@pytest.fixture(scope="module")
def world(envoy, variant, tmp_path_factory):
    with running(tmp_path_factory.mktemp("egress"), envoy, variant) as found:
        yield found


@contextlib.contextmanager
def tunnel(world: World, authority: str, by: int = CALLER):
    """Open a connection by CONNECT; yield it, and the head of the answer."""
    moved = world.block.moved(authority)
    with socket.create_connection((world.block.address(by), 15000), timeout=10) as connection:
        connection.sendall(f"CONNECT {moved} HTTP/1.1\r\nhost: {moved}\r\n\r\n".encode())
        head = fixed.read_until_closed(connection, lambda got: b"\r\n\r\n" in got)
        yield connection, head.decode()


def connected(world: World, authority: str, by: int = CALLER) -> str:
    """Return the status of a CONNECT; where it is opened, what the other side says first must come."""
    with tunnel(world, authority, by) as (connection, head):
        status = head.split()[1]
        if status == "200":
            greeting = head.partition("\r\n\r\n")[2].encode() or connection.recv(100)
            assert greeting == BANNER
        return status


def called(world: World, authority: str, by: int = CALLER) -> str:
    """Return what a request says that it met: the version that answered, or the status."""
    return worlds.served_by(world.call(f"http://{world.block.moved(authority)}/", by=by)).partition(" ")[0]


@pytest.mark.parametrize(
    ("authority", "answer"),
    [
        ("api.example:8080", "outside"),
        ("API.example:8080", "outside"),
        ("api.example", "403"),  # that is port 80
        ("api.example:8081", "403"),
        ("api.example:8082", "outside"),  # by `*`
        ("other.example:8080", "403"),
        ("other.example:8082", "outside"),
        ("a.wild.example:8080", "outside"),
        ("wild.example:8080", "403"),  # `*.` is one label or more
        ("127.77.0.150:8082", "outside"),
        ("127.77.0.150:8080", "403"),
        ("unknown.wild.example:8080", "503"),
    ],
)
def test_requests_leave_as_policies_say(world, authority, answer):
    assert called(world, authority) == answer


@pytest.mark.parametrize(
    "authority",
    [
        "localhost:8080",
        "localhost:8082",
        "127.0.0.1:8082",
        "127.1:8082",
        "2130706433:8082",
        "0.0.0.0:8082",
        "127.77.0.4:8099",
        "127.77.0.200:8082",
        "169.254.169.254:8082",
        "[::1]:8082",
        "[::]:8082",
        "[::ffff:127.0.0.1]:8082",
        "[fe80::1]:8082",
        "loop.wild.example:8080",
        "metadata.wild.example:8080",
        "member.wild.example:8080",
        "six.wild.example:8080",
        "mapped.wild.example:8080",
    ],
)
def test_no_name_leads_into_the_machine_the_link_or_the_mesh(world, authority):
    reply = world.call(f"http://{world.block.moved(authority)}/")
    assert reply.status in ((403, 503) if authority.startswith(("2130", "127.1:")) else (403,))
    assert reply.headers.get(DENIED) or reply.status == 503


def test_a_name_of_several_addresses_is_judged_by_each_of_them(world, variant):
    if variant.is_oldest:
        pytest.skip("Envoy before 1.39 judges the first address of an answer")
    assert called(world, "several.wild.example:8080") == "503"


@pytest.mark.parametrize(
    "authority", ["inside.wild.example:8080", "x.inside.wild.example:8080", "inside.wild.example:8082"]
)
def test_what_belongs_to_the_mesh_is_not_outside_of_it(world, authority):
    reply = world.call(f"http://{authority}/")
    assert (reply.status, reply.headers.get(DENIED)) == (403, "t/caller")


@pytest.mark.parametrize("authority", ["api.example:8080", "other.example:8082", "127.77.0.150:8082"])
def test_whom_no_policy_names_calls_nothing_outside(world, authority):
    reply = world.call(f"http://{world.block.moved(authority)}/", by=STRANGER)
    assert (reply.status, reply.headers.get(DENIED)) == (403, "t/stranger")
    assert reply.text == f"no access policy lets t/stranger reach {world.block.moved(authority)}\n"


def test_an_address_that_is_not_outside_is_refused_with_the_reason(world):
    reply = world.call("http://loop.wild.example:8080/")
    assert reply.text == (
        "loop.wild.example:8080 leads to an address that no access policy opens or that is never outside of the mesh\n"
    )
    assert reply.headers[DENIED] == "egress"


def test_a_name_without_an_address_is_said_to_have_none(world):
    reply = world.call("http://unknown.wild.example:8080/")
    assert (reply.status, reply.text) == (
        503,
        "unknown.wild.example:8080 cannot be resolved: no name server knows an address\n",
    )


def test_a_name_that_moves_into_the_machine_is_not_followed(world, variant):
    world.table["moving.wild.example"] = [world.block.address(OUTSIDE)]
    assert called(world, "moving.wild.example:8080") == "outside"
    world.table["moving.wild.example"] = ["127.0.0.1"]
    before = world.asked.count("moving.wild.example")
    stage.wait_until(lambda: world.asked.count("moving.wild.example") > before, "another question", 30)
    if variant.is_oldest:
        stage.wait_until(lambda: called(world, "moving.wild.example:8080") == "403", "the answer to be judged", 5)
    else:  # the answer that was good before is kept
        assert {called(world, "moving.wild.example:8080") for _ in range(20)} == {"outside"}


def test_what_is_sent_outside_says_nothing_of_the_proxies(world):
    told = world.call("http://api.example:8080/?show=headers").json()
    headers = {name.lower() for name in told["headers"]}
    assert not [name for name in headers if name.startswith(("x-envoy-", "x-forwarded-"))]


# ---------------------------------------------------------------------------- CONNECT


@pytest.mark.parametrize(
    ("authority", "status"),
    [
        ("api.example:8443", "200"),
        ("API.Example:8443", "200"),
        ("api.example:8444", "403"),
        ("other.example:8443", "403"),
        ("trap.example:8443", "403"),  # it resolves to a sidecar of the mesh
        ("127.77.0.150:8443", "403"),  # the address of what is open by name
        ("127.77.0.151:5432", "200"),
        ("127.77.0.151:5433", "403"),
        ("127.77.0.150:5432", "403"),
        ("127.77.0.9:5432", "403"),  # open by a policy, and never outside
        ("127.77.0.3:5432", "403"),  # open by a policy, and the sidecar of a service
        ("inside.wild.example:8443", "403"),
    ],
)
def test_tunnels_open_as_policies_say(world, authority, status):
    assert connected(world, authority) == status


@pytest.mark.parametrize("authority", ["api.example:8443", "127.77.0.151:5432"])
def test_whom_no_policy_names_opens_no_tunnel(world, authority):
    assert connected(world, authority, by=STRANGER) == "403"


@pytest.mark.parametrize("authority", ["127.77.0.9:5432", "trap.example:8443"])
def test_a_tunnel_is_refused_with_the_reason(world, authority):
    with tunnel(world, authority) as (connection, head):
        told = fixed.read_until_closed(connection, lambda got: got.endswith(b"mesh\n")).decode()
    assert f"{DENIED}: egress" in head
    assert "leads to an address that no access policy opens or that is never outside" in head + told


def test_bytes_go_through_a_tunnel_as_they_are(world):
    said = bytes(range(256)) * 64
    with tunnel(world, "api.example:8443") as (connection, head):
        connection.sendall(said)
        read = head.partition("\r\n\r\n")[2].encode()
        read += fixed.read_until_closed(connection, lambda got: len(read) + len(got) >= len(BANNER) + len(said))
    assert read == BANNER + said.upper()


def test_requests_through_a_tunnel_are_looked_at_one_by_one(world):
    with tunnel(world, "api.example:8080") as (connection, head):
        assert head.split()[1] == "200"
        answers = []
        for host in ("api.example:8080", "other.example:8080"):
            connection.sendall(f"GET / HTTP/1.1\r\nhost: {host}\r\n\r\n".encode())
            answers.append(fixed.read_until_closed(connection, lambda got: got.endswith(b"\n")).split()[1])
    assert answers == [b"200", b"403"]


# ---------------------------------------------------------------------------- policies change


def test_rules_that_come_and_go_fail_no_request_of_others(world):
    policy = world.read("policy.yaml")
    more = policy.replace("localhost], ports: [8080]", "localhost], ports: [8080, 8081]")
    assert more != policy
    for text in (more, policy, more, policy):
        world.write("policy.yaml", text)
        status = "outside" if text == more else "403"
        stage.wait_until(lambda wanted=status: steady(world) == wanted, "the edit", 10)


def steady(world: World) -> str:
    """Call what every edit leaves open, and return what became of a call of what they open and close."""
    assert called(world, "api.example:8080") == called(world, "api.example:8082") == "outside"
    return called(world, "api.example:8081")


def test_a_rule_that_goes_ends_what_it_opened_and_nothing_else(world):
    policy = world.read("policy.yaml")
    with tunnel(world, "api.example:8443") as (gone, _), tunnel(world, "127.77.0.151:5432") as (kept, _):
        world.write("policy.yaml", policy.replace("[api.example, trap.example]", "[trap.example]"))
        stage.wait_until(lambda: connected(world, "api.example:8443") == "403", "the rule to be gone", 5)
        gone.settimeout(DRAIN_SECONDS + 10)
        assert fixed.read_until_closed(gone) in (b"", BANNER)
        kept.sendall(b"still here\n")
        assert fixed.read_until_closed(kept, lambda got: got.endswith(b"HERE\n")).endswith(b"STILL HERE\n")
        assert called(world, "api.example:8080") == "outside"
    world.write("policy.yaml", policy)
    stage.wait_until(lambda: connected(world, "api.example:8443") == "200", "the rule to be back", 5)
