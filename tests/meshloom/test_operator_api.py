"""The operator API: its shapes, which do not change, and what an answer about very many proxies costs the event loop."""

import asyncio
import time

import pytest

from mesh.problems import Ref
from meshloom import addresses, listening
from meshloom.identity import claim
from meshloom.operator import api, shapes
from tests.meshloom import asking, observed
from tests.xds import model
from xds import cache, peers

PROXIES, RESOURCES = 1_000, 300
MOST_SECONDS = 0.050

V1 = {
    "Proxies": {"version": "const", "proxies": "array"},
    "Proxy": {
        "kind": "enum", "namespace": "string", "name": "string", "node": "string", "stream": "integer", "envoy": "string",
        "variant": "enum", "capture": "enum", "address": "string", "connected": "date-time", "state": "enum",
        "types": "array", "deployment": "string",
    },
    "Type": {
        "type": "enum", "state": "enum", "since": "anyOf", "sent": "string", "acked": "string", "rejections": "array",
        "waits": "array", "more_waits": "integer",
    },
    "Rejection": {
        "resources": "array", "more": "integer", "message": "string", "version": "string", "since": "date-time",
    },
    "Wait": {"resource": "string", "withdrawn": "boolean", "behind": "array", "more": "integer", "since": "date-time"},
    "Configs": {"version": "const", "configs": "array"},
    "Config": {"proxy": "$ref", "resources": "array"},
    "Resource": {
        "type": "enum", "name": "string", "state": "enum", "should": "string", "sent": "string", "acked": "string",
        "message": "string", "body": "anyOf",
    },
}  # fmt: skip
"""What v1 says: fields may be added to it, and nothing else. Whoever must change more makes a v2."""


def kind(field: dict) -> str:
    """Return in one word what a field is."""
    for word in ("const", "enum", "anyOf", "$ref"):
        if word in field:
            return word
    return field.get("format") or field["type"]


def test_no_field_of_v1_is_lost_renamed_or_of_another_type():
    for name, fields in V1.items():
        schema = getattr(shapes, name).model_json_schema(mode="serialization")
        assert {field: kind(told) for field, told in schema["properties"].items() if field in fields} == fields
        assert {*fields} <= {*schema["required"]}, "each is always there"


def test_v1_is_listed_here_as_a_whole():
    for name, fields in V1.items():
        assert {*getattr(shapes, name).model_fields} == {*fields}


def test_states_and_names_of_v1_are_these():
    properties = shapes.Type.model_json_schema()["properties"]
    assert properties["state"]["enum"] == ["synced", "pending", "rejected", "unused"]
    assert properties["type"]["enum"] == ["CDS", "EDS", "LDS", "RDS", "ECDS", "SDS", "RTDS"]
    resource = shapes.Resource.model_json_schema()["properties"]
    assert resource["state"]["enum"] == ["synced", "pending", "rejected", "missing", "extra"]
    assert shapes.VERSION == "meshloom.operator/v1"


def test_who_reads_v1_ignores_what_it_does_not_know():
    assert shapes.Proxies.model_validate({"version": shapes.VERSION, "proxies": [], "new": 1}).proxies == ()


async def test_the_proxies_of_a_gateway_are_asked_for_by_its_name_or_by_one_of_its_deployments(short_folder):
    door = claim.gateway("shop/door", "0.0.0.0")
    far = door._replace(deployment=Ref("IngressGatewayDeployment", "edge", "far"))
    known, snapshots = peers.Peers(), cache.Cache()
    for number, proxy in enumerate((door, far)):
        peer = peers.Peer(
            number, proxy, f"{claim.node_id(proxy)}/{number}", "envoy", "1.40.0", "delta", "unix:", 1000.0
        )
        known.opened(peer, observed.Quiet(model.Delta(model.holding()).machine))
    async with listening.served(
        api.application(known, snapshots), addresses.Pipe(str(short_folder / "a.sock")), "--door"
    ):
        found = {
            name: [
                one["deployment"] for one in (await asking.asked(short_folder / "a.sock", target)).document["proxies"]
            ]
            for name in ("shop/door", "edge/far")
            if (target := f"/proxies/{name}")
        }
    assert found == {"shop/door": ["", "edge/far"], "edge/far": ["edge/far"]}


@pytest.fixture
def crowd() -> tuple[peers.Peers, cache.Cache]:
    """Very many proxies of one deployment, half of which have not answered yet."""
    names = [f"c{number}" for number in range(RESOURCES)]
    held = model.holding(*map(model.cluster, names), *map(model.endpoints, names))
    known, snapshots = peers.Peers(), cache.Cache()
    for number in range(PROXIES):
        proxy = claim.sidecar(f"shop/front-v{number % 20}", f"127.1.{number // 250}.{number % 250}", "127.0.0.1", {})
        client = model.Delta(held)
        (sent,) = model.sends(client.ask(model.CLUSTER))
        if number % 2:
            client.ack(sent)
        peer = peers.Peer(number, proxy, claim.node_id(proxy), "envoy", "1.40.0", "delta", "unix:", 1000.0)
        known.opened(peer, observed.Quiet(client.machine))
        snapshots.replace({proxy: held})
    return known, snapshots


@pytest.mark.slow
@pytest.mark.parametrize("target", ["/proxies", "/config/shop/front-v1", "/config/shop/front-v1?type=CDS"])
async def test_no_callback_takes_50_ms_while_very_many_proxies_are_looked_at(
    prepared, short_folder, crowd, target, monkeypatch, record_testsuite_property
):
    callbacks, run = [], asyncio.Handle._run

    def measured(handle):
        start = time.thread_time()
        run(handle)
        callbacks.append(time.thread_time() - start)

    async with listening.served(api.application(*crowd), addresses.Pipe(str(short_folder / "a.sock")), "--door"):
        monkeypatch.setattr(asyncio.Handle, "_run", measured)
        answer = await asking.asked(short_folder / "a.sock", target)
        monkeypatch.undo()
    record_testsuite_property(f"longest callback of {target}", f"{max(callbacks) * 1e3:.1f} ms")
    assert answer.status == 200
    several = answer.document.get("proxies") or answer.document["configs"]
    assert len(several) == (PROXIES if target == "/proxies" else PROXIES // 20)
    assert max(callbacks) < MOST_SECONDS
