"""Events about conditions, on a real API server."""

import pytest

from meshloom.cluster import events, status_duties, statuses, writes
from meshloom.status.documents import Condition
from tests.cluster import servers, telling, test_status, waiting
from tests.meshloom.status import shop
from watchers import api_server


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxies get no time to return, for there are none."""
    monkeypatch.setattr(statuses, "RETURN", 0.0)


async def said(api: api_server.ApiServer, namespace: str, kind: str = "VirtualService") -> dict[str, int]:
    found = await api.request("GET", api_server.path("v1", "events", namespace))
    return {
        f"{one['type']} {one['reason']} {one['message']}": one["count"]
        for one in found["items"]
        if one["involvedObject"]["kind"] == kind
    }


async def test_what_changes_is_told_in_the_words_of_the_condition_and_by_describe(
    cluster: servers.Cluster, api: api_server.ApiServer, namespace: str
) -> None:
    whole = test_status.the_shop(namespace)
    test_status.applied(cluster, namespace, *(one for one in whole if one["kind"] == "VirtualService"))
    fault = "Warning DependenciesNotResolved ServiceMeshDependenciesActive is False: spec.mesh: Mesh"
    good = "Normal Successful ServiceMeshDependenciesActive is True: all that it refers to is there"
    async with telling.telling(api, namespace) as replica:

        async def broken() -> bool:
            return any(one.startswith(fault) for one in await said(api, namespace))

        await waiting.until_told(broken)
        test_status.applied(cluster, namespace, *whole)

        async def mended() -> bool:
            return good in await said(api, namespace)

        await waiting.until_told(mended)
        described = cluster.kubectl("describe", "virtualservice/pets", "-n", namespace)
        assert "ServiceMeshDependenciesActive is True: all that it refers to is there" in described
        assert not replica.counted.of[status_duties.EVENT, "refused"]


async def test_the_same_thing_said_again_is_counted(api: api_server.ApiServer, namespace: str) -> None:
    counted = telling.Counted()
    due = writes.Writes("event", events.PACE, counted)
    told = events.Events(api, due, "meshloom-0")
    ref = shop.PETS._replace(namespace=namespace)
    condition = Condition("False", "InvalidParameter", "is broken", shop.NOW, 1)
    async with telling.running(due.run()):
        for count in (1, 2, 3):
            told.tell(ref, "uid-1", "ServiceMeshConfigured", condition)
            await waiting.until(lambda count=count: counted.of["event", "done"] == count)
    assert await said(api, namespace) == {"Warning InvalidParameter ServiceMeshConfigured is False: is broken": 3}
