"""What becomes of open TCP connections when the mesh changes: weights leave them alone, a rule that is gone ends them."""

import collections
import json
import pathlib
import socket

import pytest

from mesh.problems import Ref
from meshloom.demo import cast
from meshloom.demo.waiting import wait_until
from tests.envoy import draining, fixed

MESH = (pathlib.Path(__file__).parent / "mtls" / "weights.yaml").read_text()
PORT, WEB = 5432, 3
DB = Ref("VirtualService", "t", "db")


class World(draining.World):
    """The mesh, seen by an application that dials its database."""

    def dial(self) -> socket.socket:
        return socket.create_connection((self.block.address(WEB), draining.DIALLED), timeout=20)

    def answer(self) -> str:
        """Return who answers a new connection, empty where nobody does."""
        with self.dial() as connection:
            return line(connection)

    def logged(self) -> list[dict[str, object]]:
        """Return the access log of the caller's proxy."""
        lines = self.site.log("sidecar-web").read_text().splitlines()
        return [json.loads(each) for each in lines if each.startswith("{")]

    def answers(self, count: int) -> dict[str, int]:
        return collections.Counter(self.answer() for _ in range(count))


def line(connection: socket.socket) -> str:
    return fixed.read_until_closed(connection, lambda got: got.endswith(b"\n")).decode().strip()


def speaking_first(pair: cast.Pair):
    return fixed.speaking_first(pair.application, PORT, f"{pair.deployment.name}\n".encode())


@pytest.fixture
def world(envoy, variant, tmp_path):
    with draining.running(tmp_path, envoy, variant, MESH, speaking_first, DB) as found:
        yield World(found.site, found.block, found.processes)


def test_a_change_of_weights_is_for_new_connections_and_closes_none(world):
    wait_until(lambda: world.answer() in ("one", "two"), "the service to answer", 20, [])
    before = world.stats("listener_manager.listener_modified", of=WEB)
    with world.dial() as kept:
        first = line(kept)
        other = {"one": "two", "two": "one"}[first]
        world.edit("name: one}}, weight: 80", f"name: one}}}}, weight: {100 * (other == 'one')}")
        world.edit("name: two}}, weight: 20", f"name: two}}}}, weight: {100 * (other == 'two')}")
        wait_until(lambda: world.answers(10) == {other: 10}, "new connections to follow the weights", 20, [])
        assert world.stats("listener_manager.listener_modified", of=WEB) == before
        kept.sendall(b"still there\n")
        assert line(kept) == "STILL THERE"


BOUND = """
apiVersion: servicemesh.oci.oracle.com/v1beta1
kind: VirtualDeploymentBinding
metadata: {namespace: t, name: one}
spec: {virtualDeployment: {ref: {name: one}}, target: {service: {ref: {name: db}}}}
---
apiVersion: v1
kind: Service
metadata: {namespace: t, name: db}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {namespace: t, name: db-1, labels: {kubernetes.io/service-name: db}}
addressType: IPv4
endpoints: [{addresses: [127.77.0.PLACE]}]
"""


def test_connections_to_an_endpoint_that_is_gone_go_on_and_new_ones_are_led_elsewhere(world):
    world.edit("name: two}}, weight: 20", "name: two}}, weight: 0")
    # so many that they are not all the first's by chance, with four fifths of them: that would be once in a million
    wait_until(lambda: world.answers(60) == {"one": 60}, "all connections to reach the first", 20, [])
    with world.dial() as by_dns:
        assert line(by_dns) == "one"
        world.write("endpoints.yaml", BOUND.replace("PLACE", "1"))
        bound = "cluster.outbound/t/one/5432.update_success"
        wait_until(lambda: world.stats(bound, of=WEB), "the endpoints to come", 20, [])
        with world.dial() as by_endpoint:
            assert line(by_endpoint) == "one"
            world.write("endpoints.yaml", BOUND.replace("PLACE", "2"))
            wait_until(lambda: world.answers(10) == {"two": 10}, "new connections to follow", 20, [])
            for kept in (by_dns, by_endpoint):
                kept.sendall(b"still there\n")
                assert line(kept) == "STILL THERE"


def test_a_log_that_is_turned_on_closes_no_connection_touches_no_listener_and_says_of_open_ones_how_they_end(world):
    wait_until(lambda: world.answer() in ("one", "two"), "the service to answer", 20, [])
    before = world.stats("listener_manager.listener_modified", of=WEB)
    with world.dial() as kept:
        line(kept)
        assert world.logged() == []
        world.edit("name: web}\nspec:\n  compartmentId: any\n  virtualService", "name: web}\nspec:\n"
                   "  accessLogging: {isEnabled: true}\n  compartmentId: any\n  virtualService")  # fmt: skip
        wait_until(lambda: world.answer() and world.logged(), "connections to be logged", 20, [])
        kept.sendall(b"still there\n")
        assert line(kept) == "STILL THERE"
    wait_until(lambda: [one for one in world.logged() if one["bytes_received"] == 12], "the end to be logged", 20, [])
    assert world.stats("listener_manager.listener_modified", of=WEB) == before


def test_a_rule_that_is_gone_refuses_new_connections_and_ends_open_ones_within_the_drain_time(world):
    wait_until(lambda: world.answer() in ("one", "two"), "the service to answer", 20, [])
    with world.dial() as kept:
        assert line(kept) in ("one", "two")
        world.edit("- {action: ALLOW, source: {virtualService: {ref: {name: web}}}, destination: "
                   "{virtualService: {ref: {name: db}}}}",
                   "- {action: ALLOW, source: {virtualService: {ref: {name: web}}}, destination: "
                   "{virtualService: {ref: {name: hidden}}}}")  # fmt: skip
        wait_until(lambda: world.answer() == "", "new connections to be refused", 20, [])
        assert fixed.read_until_closed(kept) == b""  # it ends, well before the timeout of this socket
