"""What is wanted of gateways follows passes, and the terms on which proxies run."""

import asyncio
import dataclasses
from typing import Any, cast

import pytest

from mesh import resolve
from meshloom.cluster import gateways
from meshloom.gateways import operator, wanted
from meshloom.injector.terms import Terms
from tests.meshloom.gateways.test_manifests import FOLDER, TERMS, resolution


class Wishing:
    """Stands where the operator is, and keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[wanted.Wishes] = []

    def wish(self, wishes: wanted.Wishes) -> None:
        self.told.append(wishes)


@pytest.fixture
def wishing() -> Wishing:
    return Wishing()


@pytest.fixture
async def of_cluster(wishing: Wishing, monkeypatch: pytest.MonkeyPatch) -> gateways.Gateways:
    monkeypatch.setattr(operator, "Operator", lambda *_: wishing)
    made = gateways.Gateways(cast("Any", None), ())
    made.counted(cast("Any", None))
    return made


def given() -> resolve.Resolution:
    return resolution((FOLDER / "two-deployments" / "given.yaml").read_text())


def images(wishes: wanted.Wishes) -> set[str]:
    deployments = (one.objects[0] for one in wishes.values())
    return {one["spec"]["template"]["spec"]["containers"][0]["image"] for one in deployments}


async def passed(of_cluster: gateways.Gateways, found: resolve.Resolution) -> None:
    await asyncio.to_thread(of_cluster.passed, found, ())
    await asyncio.sleep(0)


async def test_what_is_wanted_is_told_once_and_again_when_something_is_new(
    of_cluster: gateways.Gateways, wishing: Wishing
) -> None:
    first = given()
    await of_cluster.agree(TERMS)
    await passed(of_cluster, first)
    await passed(of_cluster, first)
    assert [len(wishes) for wishes in wishing.told] == [2]
    item = next(iter(first.inventory.kinds["IngressGatewayDeployment"].values()))
    await passed(of_cluster, resolve.resolve(first.inventory.with_changes(deleted=[item.ref]), first, {item.ref}))
    assert [len(wishes) for wishes in wishing.told] == [2, 1]


async def test_other_terms_are_told_without_waiting_for_a_pass(of_cluster: gateways.Gateways, wishing: Wishing) -> None:
    await of_cluster.agree(TERMS)
    await passed(of_cluster, given())
    other: Terms = dataclasses.replace(TERMS, image="registry.example/other:2")
    await of_cluster.agree(other)
    await asyncio.sleep(0)
    assert [images(wishes) for wishes in wishing.told] == [{TERMS.image}, {other.image}]


async def test_nothing_is_wanted_before_it_is_known_on_which_terms(
    of_cluster: gateways.Gateways, wishing: Wishing
) -> None:
    await passed(of_cluster, given())
    assert wishing.told == []
    await of_cluster.agree(TERMS)
    await asyncio.sleep(0)
    assert [images(wishes) for wishes in wishing.told] == [{TERMS.image}]


async def test_a_fault_of_ours_keeps_nothing_from_proxies(
    of_cluster: gateways.Gateways, wishing: Wishing, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> wanted.Wishes:
        raise KeyError("ours")

    await of_cluster.agree(TERMS)
    with monkeypatch.context() as broken:
        broken.setattr(wanted, "wishes", fails)
        await passed(of_cluster, given())
    assert wishing.told == []
    await passed(of_cluster, given())
    assert len(wishing.told) == 1


def test_nobody_leads_before_it_is_said_who_counts() -> None:
    async def run() -> None:
        with pytest.raises(RuntimeError, match="who counts"):
            await gateways.Gateways(cast("Any", None), ()).run()

    asyncio.run(run())
