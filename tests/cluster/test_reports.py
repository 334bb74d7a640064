"""What replicas tell each other, on a real API server: whoever says nothing for long is not listened to."""

import asyncio

import pytest

from meshloom.cluster import reports
from tests.cluster import telling, waiting
from watchers import api_server


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports are looked at and told more often than in earnest."""
    monkeypatch.setattr(reports, "EVERY", 0.05)


def told_by(api: api_server.ApiServer, namespace: str, name: str, text: list[str]) -> reports.Reports:
    async def own() -> str:
        return text[-1]

    return reports.Reports(api, reports.Replica(namespace, name), own)


async def version(api: api_server.ApiServer, namespace: str) -> str:
    path = api_server.path("v1", "configmaps", namespace, "meshloom-report-a")
    return str((await api.request("GET", path))["metadata"]["resourceVersion"])


async def test_a_replica_hears_the_others_and_not_itself(api: api_server.ApiServer, namespace: str) -> None:
    said = ["one"]
    one, other = told_by(api, namespace, "a", said), told_by(api, namespace, "b", ["two"])

    async def heard(text: str) -> bool:
        return await other.others() == (text,)

    async with telling.running(one.run()), telling.running(other.run()):
        await waiting.until_told(lambda: heard("one"))
        before = await version(api, namespace)
        await asyncio.sleep(reports.EVERY * 5)  # in which something could be written that is not new
        assert await version(api, namespace) == before
        said.append("new")
        await waiting.until_told(lambda: heard("new"))


async def test_a_report_in_which_nothing_moves_is_nobodys(
    api: api_server.ApiServer, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = reports.document(reports.Replica(namespace, "dead"), "meshloom-report-dead", "last words", "0")
    await api.applied(api_server.path("v1", "configmaps", namespace, "meshloom-report-dead"), body)
    listening = told_by(api, namespace, "b", [""])
    assert await listening.others() == ("last words",)
    monkeypatch.setattr(reports, "STALE", 0.2)

    async def silent() -> bool:
        return await listening.others() == ()

    await waiting.until_told(silent)
