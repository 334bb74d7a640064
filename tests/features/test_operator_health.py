"""The health port of a running program: when it is ready, why it is not, and what it has measured."""

import contextlib
import pathlib
import re
import socket
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from meshloom import passes
from meshloom.identity import claim
from tests.meshloom import ads, asking, running, shop

FRONT = claim.sidecar("shop/front-v1", "127.0.9.1", "127.0.0.1", {})
ROUTES = ("inbound/9080", "outbound")


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    return shop.laid_out(tmp_path / "mesh")


@pytest_asyncio.fixture
async def served(folder: pathlib.Path, tmp_path: pathlib.Path) -> AsyncIterator[running.Serving]:
    async with running.serving(folder, tmp_path / "ads.sock") as program:
        yield program


async def reasons(program: running.Serving, status: int) -> dict[str, tuple[bool, str]]:
    """Return name -> how each condition stands, of an answer with this status."""
    answer = await asking.asked(program.health, "/readyz")
    assert answer.status == status, answer.text
    assert answer.document["ready"] is (status == 200)
    return {each["name"]: (each["holds"], each["reason"]) for each in answer.document["conditions"]}


async def measured(program: running.Serving) -> dict[str, float]:
    """Return sample -> value of its metrics."""
    answer = await asking.asked(program.health, "/metrics")
    assert answer.status == 200
    samples = re.findall(r"^(meshloom\S*) (\S+)$", answer.text, re.MULTILINE)
    return {sample: float(value) for sample, value in samples}


async def test_before_its_folder_can_be_read_it_lives_but_is_not_ready_and_says_why(tmp_path):
    async with running.serving(tmp_path / "late", tmp_path / "ads.sock", until="health on") as program:
        assert (await asking.asked(program.health, "/livez")).status == 200
        found = await reasons(program, 503)
        assert found["sources"] == (False, f"folder {tmp_path}/late is not read yet; the log says what it waits for")
        assert found["configuration"] == (False, "no configuration is compiled yet")
        assert found["ads"] == (False, "ADS is not open yet; it opens with the first configuration")
        assert (await asking.asked(program.operator, "/proxies")).document["proxies"] == []
        shop.laid_out(tmp_path / "late")
        await program.log.until("serving ADS on")
        assert all(holds for holds, _ in (await reasons(program, 200)).values())


async def test_a_pass_that_fails_is_said_while_the_last_good_is_served(served, folder, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(passes.compiler, "compiled", lambda *_: 1 / 0)
        shop.write(folder, "weights.yaml", shop.weights(50, 50))
        await served.log.until("could not be compiled; the last one is served")
        found = await reasons(served, 200)
    assert found["configuration"] == (
        True, "the newest configuration could not be compiled and the last good one is served; the log says why"
    )  # fmt: skip
    assert (await measured(served))['meshloom_passes_total{outcome="failed"}'] == 1
    shop.write(folder, "weights.yaml", shop.weights(40, 60))
    await served.log.until("the newest configuration is served again")
    assert (await reasons(served, 200))["configuration"][1] == "the newest configuration is served"


async def test_without_a_first_configuration_it_is_not_ready(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(passes.compiler, "compiled", lambda *_: 1 / 0)
    async with running.serving(folder, tmp_path / "ads.sock") as program:
        found = await reasons(program, 503)
        assert found["configuration"] == (False, "the first configuration could not be compiled; the log says why")
        assert found["sources"][0]
        assert found["ads"][0]


@pytest.mark.parametrize("delta", [True, False], ids=["delta", "sotw"])
async def test_a_stream_is_measured_from_its_first_response_to_its_end(served, delta):
    variant = "delta" if delta else "sotw"
    client = ads.Client(FRONT, ROUTES, delta, refused={ads.LISTENER: "no such filter"})
    async with client.connected(served.address):
        await client.complete()
        await served.log.until("ads.nacked")
        found = await measured(served)
        assert found[f'meshloom_streams{{variant="{variant}"}}'] == 1
        assert found['meshloom_responses_sent_total{type="CDS"}'] == 1
        assert found['meshloom_response_bytes_total{type="CDS"}'] > 100
        assert found['meshloom_nacks_total{type="LDS"}'] == 1
        assert found['meshloom_ack_seconds_count{type="LDS"}'] == 0
        assert (found["meshloom_services"], found["meshloom_proxies"]) == (2, 1)
        assert found["meshloom_snapshots_published_total"] == 1
        assert found['meshloom_pass_seconds_count{stage="compile"}'] >= 1
    await served.log.until("ads.closed")
    found = await measured(served)
    assert found[f'meshloom_streams{{variant="{variant}"}}'] == 0
    assert found[f'meshloom_streams_opened_total{{variant="{variant}"}}'] == 1
    assert found['meshloom_ack_seconds_count{type="CDS"}'] == 1


async def test_a_stranger_is_counted_by_code(served):
    stranger = ads.Client(FRONT, ROUTES, delta=True)
    stranger.proxy = claim.gateway("shop/door", "127.0.9.9")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(claim, "metadata", lambda _: {})
        with contextlib.suppress(ads.grpc.aio.AioRpcError, ads.asyncio.InvalidStateError):
            async with stranger.connected(served.address):
                await served.log.until("ads.refused")
    found = await measured(served)
    assert found['meshloom_streams_refused_total{code="UNAUTHENTICATED",variant="delta"}'] == 1


async def test_problems_are_measured(served, folder):
    shop.write(folder, "weights.yaml", shop.weights(0, 0))
    await served.log.until("VirtualServiceRouteTable shop/pets")
    found = await measured(served)
    assert found['meshloom_problems{severity="warning"}'] + found['meshloom_problems{severity="error"}'] > 0


@pytest.mark.parametrize("target", ["/", "/proxies", "/config/shop/front-v1"])
async def test_the_health_port_tells_nothing_of_single_proxies(served, target):
    assert (await asking.asked(served.health, target)).status == 404


@pytest.mark.parametrize("target", ["/livez", "/readyz", "/metrics"])
async def test_the_health_port_only_reads(served, target):
    assert (await asking.asked(served.health, target, "POST")).status == 405
    assert (await asking.asked(served.health, target, "GET", data=b"x")).status == 413


async def test_the_operator_api_only_reads_and_says_what_it_does_not_know(served):
    assert (await asking.asked(served.operator, "/proxies", "DELETE")).status == 405
    assert (await asking.asked(served.operator, "/config/shop/none")).status == 404
    async with ads.Client(FRONT, ROUTES, delta=True).connected(served.address) as client:
        await client.complete()
        answer = await asking.asked(served.operator, "/config/shop/front-v1?type=XDS")
    assert answer == asking.Answer(400, "type is one of CDS, EDS, LDS, RDS, ECDS, SDS, RTDS")


async def test_who_stops_is_not_ready_until_its_last_stream_is_gone(served, monkeypatch):
    answers, stop = [], running.app.server.Server.stop

    async def watched(self, grace):
        answers.append(await reasons(served, 503))
        await stop(self, grace)

    monkeypatch.setattr(running.app.server.Server, "stop", watched)
    await served.stop()
    assert answers[0]["ads"] == (False, "the control plane is stopping")


async def test_health_is_served_on_a_port_too(folder, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with (
        running.serving(folder, tmp_path / "ads.sock", health=f"127.0.0.1:{port}"),
        asking.aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/readyz") as response,
    ):
        assert response.status == 200


async def test_both_doors_can_stay_closed(folder, tmp_path):
    async with running.serving(folder, tmp_path / "ads.sock", health="off", operator="off") as program:
        assert not program.health.exists()
        assert not program.operator.exists()
