"""Faults one after the other while objects come, change and go: in the end what was seen is what is there."""

import asyncio
import contextlib
import pathlib
import random
import signal
import time

import pytest

from mesh import workloads
from tests.cluster import relay, servers, watched
from tests.cluster.watched import applied, service
from watchers import api_server, following, kube, reflector

NAMES = [f"s{number}" for number in range(12)]
PACE = following.Pace(watch=(1.0, 3.0), silence=0.5, answer=1.0, patience=0.2)


async def edited(api: api_server.ApiServer, namespace: str, dice: random.Random, until: float) -> None:
    """Make, change and delete Services at random; what the server does not take is not taken back."""
    while time.monotonic() < until:
        name = dice.choice(NAMES)
        with contextlib.suppress(api_server.ApiError):
            if dice.random() < 0.3:
                await api.request("DELETE", api_server.path("v1", "services", namespace, name))
            else:
                await applied(api, service(namespace, name, dice.randrange(1, 60_000)))
        await asyncio.sleep(0.01)


async def disturbed(way: relay.Relay, cluster: servers.Cluster, dice: random.Random, until: float) -> list[str]:
    """Disturb the way to the server, and once the server; return what was done."""
    done = []
    while time.monotonic() < until:
        done.append(dice.choice(["cut", "stall", "slow", "kill" if "kill" not in done else "cut"]))
        match done[-1]:
            case "cut":
                way.cut()
            case "stall":
                way.stall()
            case "slow":
                way.pause = 0.02
            case "kill":
                await asyncio.to_thread(cluster.stop, "kube-apiserver", signal.SIGKILL)
                await asyncio.to_thread(cluster.start)
        await asyncio.sleep(dice.uniform(0.05, 0.8))
        way.pause = 0.0
        way.flow()
        await asyncio.sleep(dice.uniform(0.05, 0.5))
    return done


async def there(api: api_server.ApiServer, namespace: str) -> dict[str, int]:
    """Return the port of each Service."""
    found = await api.request("GET", api_server.path("v1", "services", namespace))
    return {item["metadata"]["name"]: item["spec"]["ports"][0]["port"] for item in found["items"]}


def seen_of(seen: watched.Watched) -> dict[str, int]:
    found = seen.store.inventory().of(workloads.Service).values()
    return {item.metadata.name: item.spec.ports[0].port for item in found}


@pytest.mark.parametrize(
    ("seed", "seconds"), [(1, 6.0), *(pytest.param(seed, 40.0, marks=pytest.mark.load) for seed in range(2, 6))]
)
@pytest.mark.timeout(300)
async def test_whatever_is_done_to_the_way_and_the_server_nothing_is_lost(
    cluster: servers.Cluster,
    api: api_server.ApiServer,
    namespace: str,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
    seconds: float,
) -> None:
    monkeypatch.setattr(reflector, "LONGEST", 0.5)
    dice, until = random.Random(seed), time.monotonic() + seconds
    wanted = kube.Wanted((namespace,), followed=watched.kinds_of("Service"), pace=PACE)
    async with relay.relayed(cluster, tmp_path) as (way, access), watched.watching(access, wanted) as seen:
        editing = edited(api, namespace, random.Random(seed), until)
        _, done = await asyncio.gather(editing, disturbed(way, cluster, dice, until))
        assert done
        now = await there(api, namespace)
        await seen.until(lambda: seen_of(seen) == now)
        await seen.until(lambda: not seen.problems())
        assert seen.standing("Service").faults
