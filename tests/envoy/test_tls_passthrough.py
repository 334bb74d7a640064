"""TLS_PASSTHROUGH, TCP and HTTP side by side while the mesh changes: measured weights, open tunnels, a rule withdrawn."""

import contextlib
import http.client
import pathlib
import re

import hypothesis
import pytest
from hypothesis import strategies as st

from meshloom.demo import application, split, traffic
from meshloom.demo.waiting import wait_until
from tests.envoy import draining, fixed, talkers, worlds

MESH = (pathlib.Path(__file__).parent / "mtls" / "split.yaml").read_text()
WEB = 4
NAMES = ("a", "b", "c")
RULES = 3  # one of HTTP, one of TCP, one of TLS_PASSTHROUGH, in this order, all with the same weights
FALSE_ALARM = 1e-8

pytestmark = pytest.mark.parametrize("variant", [worlds.NEWEST_VARIANT, worlds.OLDEST_VARIANT], ids=str, indirect=True)


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    return talkers.OwnTls(tmp_path_factory.mktemp("own") / "files")


@pytest.fixture(scope="module")
def world(envoy, variant, own, tmp_path_factory):
    @contextlib.contextmanager
    def applications(pair):
        name, at = pair.deployment.name, pair.application
        with (
            worlds.serving([application.Server((at, 9080), application.Role(name, name))]),
            fixed.speaking_first(at, 5432, f"{name}\n".encode()),
            talkers.serving(at, 8443, own.talk(name)),
        ):
            yield

    with draining.running(tmp_path_factory.mktemp("split"), envoy, variant, MESH, applications) as found:
        wait_until(lambda: found.call("http://split:9080/", by=WEB).status == 200, "the service to answer", 20, [])
        yield found


def opened(world, port: int):
    """Return a connection through a tunnel to a port of the service."""
    answer = talkers.tunnel(world.block.address(WEB), f"split:{port}")
    assert answer.status == 200
    return answer.connection


def by_tcp(world) -> str:
    with opened(world, 5432) as connection:
        return talkers.line(connection)


def by_http_in_tunnel(world) -> str:
    client = http.client.HTTPConnection(world.block.address(WEB), 15000, timeout=20)
    client.set_tunnel("split", 9080)
    with contextlib.closing(client):
        client.request("GET", "/")
        return str(traffic.Reply(200, client.getresponse().read().decode(), 0).json()["version"])


def give(world, weights: tuple[int, ...]) -> None:
    """Write these weights into all rules, and wait until the caller's proxy has them."""
    text = world.read("mesh.yaml")
    for name, weight in zip(NAMES, weights, strict=True):
        text = re.sub(rf"(ref: {{name: {name}}}}}, weight: )\d+", rf"\g<1>{weight}", text)
    world.write("mesh.yaml", text)
    wait_until(lambda: given(world) == [weights] * RULES, "the proxy to have the weights", 20, [])


def given(world) -> list[tuple[int, ...]]:
    """Return the weights in each of the routes that the caller's proxy has."""
    dump = world.admin("/config_dump?resource=dynamic_route_configs&name_regex=outbound", WEB).text
    found = [each for each in re.findall(r'"route": \{(.*?)"timeout"', dump, re.DOTALL) if "t/" in each]
    named = [dict(re.findall(r'outbound/t/(\w)/\d+"(?:,\s+"weight": (\d+))?', each)) for each in found]
    return [
        tuple(int(shares.get(name) or 0) for name in NAMES) if len(shares) > 1 else only(shares) for shares in named
    ]


def only(shares: dict[str, str]) -> tuple[int, ...]:
    """Return the weights that mean a single cluster, which Envoy is told without a weight."""
    return tuple(100 * (name in shares) for name in NAMES)


weights = st.one_of(
    st.tuples(*[st.integers(5, 100)] * 3),
    st.permutations([0, 25, 75]).map(tuple),
    st.permutations([0, 0, 100]).map(tuple),
)


def test_the_measured_split_is_what_the_weights_say_whatever_they_are(world, own):
    """Weights are edited live; tunnels and a listener that were there before stay as they are."""
    before = world.stats("listener_manager.listener_modified", of=WEB)

    @hypothesis.settings(
        max_examples=4, deadline=None, derandomize=True, database=None, phases=[hypothesis.Phase.generate]
    )
    @hypothesis.given(weights)
    def holds(drawn):
        give(world, drawn)
        shares = split.shares(dict(zip(NAMES, drawn, strict=True)))
        seen = {
            "HTTP": [worlds.served_by(reply) for reply in world.calls("http://split:9080/", 400, WEB)],
            "HTTP in tunnels": [by_http_in_tunnel(world) for _ in range(60)],
            "TCP": [by_tcp(world) for _ in range(120)],
            "TLS_PASSTHROUGH": [own.said(opened(world, 8443)) for _ in range(120)],
        }
        for protocol, versions in seen.items():
            lines = split.lines(shares, versions, FALSE_ALARM)
            assert all(line.holds for line in lines), (protocol, drawn, lines)

    with opened(world, 5432) as tcp, own.client.wrap_socket(opened(world, 8443), server_hostname="split") as tls:
        assert {talkers.line(tcp), talkers.line(tls)} <= {*NAMES}
        holds()
        for kept in (tcp, tls):
            kept.sendall(b"still there\n")
            assert talkers.line(kept) == "STILL THERE"
    assert world.stats("listener_manager.listener_modified", of=WEB) == before


def test_a_rule_that_is_gone_refuses_new_tunnels_and_ends_open_ones_within_the_drain_time(world, own):
    give(world, (50, 30, 20))
    with opened(world, 5432) as tcp, own.client.wrap_socket(opened(world, 8443), server_hostname="split") as tls:
        assert {talkers.line(tcp), talkers.line(tls)} <= {*NAMES}
        world.edit(
            "destination: {virtualService: {ref: {name: split}}}", "destination: {virtualService: {ref: {name: web}}}"
        )
        refused = "new tunnels to be refused"
        wait_until(lambda: talkers.tunnel_status(world.block.address(WEB), "split:8443") == 403, refused, 20, [])
        assert (talkers.line(tcp), talkers.line(tls)) == ("", "")  # they end, well before the timeout of the sockets
