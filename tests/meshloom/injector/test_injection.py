"""Who answers reviews of pods: by the newest pass, and with as little work as a burst of them takes."""

import asyncio
import base64
import itertools
import json
import time

import pytest

from mesh import documents, inventory, resolve
from meshloom.admission import asked, judge
from meshloom.injector import facts, injection, review, terms
from tests.meshloom.injector import golden

TERMS = terms.Terms("meshloom-proxy:test", "meshloom.meshloom-system.svc:15012")


class Counted:
    """Remembers how reviews ended."""

    def __init__(self) -> None:
        self.reasons: list[str] = []
        self.counts: asyncio.Queue[int] = asyncio.Queue()

    def reviewed(self, reason: str, seconds: float) -> None:
        assert seconds >= 0
        self.reasons.append(reason)

    def lacked(self, count: int) -> None:
        self.counts.put_nowait(count)


def there() -> resolve.Resolution:
    written = golden.yaml.safe_load_all((golden.HERE / "mesh.yaml").read_text())
    return resolve.resolve(inventory.inventory_of(item for one in written if (item := documents.parsed(one).resource)))


def body(labels=None, namespace="shop", dry_run=False, **spec) -> bytes:
    metadata = {"generateName": "pets-", "labels": {"app": "pets", **(labels or {})}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}
    request = {
        "uid": "7",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "operation": "CREATE",
        "namespace": namespace,
        "dryRun": dry_run,
        "object": {**pod, "spec": {"containers": [{"name": "app", "image": "app"}], **spec}},
    }
    return json.dumps({"apiVersion": asked.VERSION, "kind": "AdmissionReview", "request": request}).encode()


@pytest.fixture
def counted() -> Counted:
    return Counted()


@pytest.fixture
def missed() -> list[str]:
    return []


@pytest.fixture
def injecting(counted, missed):
    made = injection.Injection(counted, lambda pod, outcome: missed.append(f"{pod.ref} {outcome.reason.value}"))
    made.passed(there(), ())
    made.agree(TERMS)
    yield made
    made.close()


async def response(injecting, *args, **kwargs):
    return json.loads(await injecting.answer(body(*args, **kwargs), time.monotonic()))["response"]


async def test_pods_are_answered_and_counted(injecting, counted, missed):
    assert "patch" in await response(injecting)
    assert "patch" not in await response(injecting, hostNetwork=True)
    assert not (await response(injecting, securityContext={"runAsUser": 1337}))["allowed"]
    assert counted.reasons == ["Injected", "HostNetwork", "ProxyUser"]
    assert missed == ["Pod shop/pets- HostNetwork", "Pod shop/pets- ProxyUser"]


async def test_of_rehearsals_nobody_is_told(injecting, missed):
    await response(injecting, hostNetwork=True, dry_run=True)
    assert missed == []


async def test_pods_that_want_none_are_not_judged(injecting, counted, missed):
    assert (await response(injecting, {"servicemesh.oci.oracle.com/sidecar-injection": "disabled"}))["allowed"]
    assert (counted.reasons, missed) == (["NotAsked"], [])


async def test_pods_of_namespaces_that_are_not_followed_are_nobody_s_here(counted):
    made = injection.Injection(counted, followed=("shop",))
    made.passed(there(), ())
    made.agree(TERMS)
    assert "patch" in await response(made)
    assert (await response(made, namespace="elsewhere"))["allowed"]
    assert counted.reasons == ["Injected", "NotAsked"]
    made.close()


@pytest.mark.parametrize("lacking", ["pass", "terms"])
async def test_nothing_is_answered_before_everything_is_known(counted, lacking, monkeypatch):
    monkeypatch.setattr(injection, "EARLY_SECONDS", 0.1)
    made = injection.Injection(counted)
    if lacking == "terms":
        made.passed(there(), ())
    else:
        made.agree(TERMS)
    assert not (await response(made))["allowed"]
    assert counted.reasons == ["TooEarly"]
    made.close()


async def test_a_pod_waits_a_moment_for_its_namespace_to_be_seen(counted):
    made = injection.Injection(counted)
    made.agree(TERMS)
    answering = asyncio.create_task(response(made))
    await asyncio.sleep(0)
    made.passed(there(), ())
    assert "patch" in await answering
    made.close()


def without(kind: str) -> resolve.Resolution:
    """Return the mesh as it is before the objects of one kind have come."""
    seen = there().inventory
    return resolve.resolve(inventory.inventory_of(item for item in written_in(seen) if item.kind != kind))


def written_in(seen):
    return (item for items in seen.kinds.values() for item in items.values())


@pytest.mark.parametrize("kind", ["VirtualDeploymentBinding", "Service", "VirtualDeployment"])
async def test_a_pod_waits_a_moment_for_what_came_just_before_it(counted, missed, kind, monkeypatch):
    judged, before, loop = asyncio.Event(), review.reviewed, asyncio.get_running_loop()

    def reviewed(*arguments):
        loop.call_soon_threadsafe(judged.set)
        return before(*arguments)

    monkeypatch.setattr(review, "reviewed", reviewed)
    made = injection.Injection(counted, lambda pod, outcome: missed.append(outcome.reason.value))
    made.agree(TERMS)
    made.passed(without(kind), ())
    answering = asyncio.create_task(response(made))
    await asyncio.wait_for(judged.wait(), 20)
    made.passed(there(), ())
    assert "patch" in await asyncio.wait_for(answering, 20)
    assert (counted.reasons, missed) == (["Injected"], [])
    made.close()


async def test_of_very_many_that_would_wait_most_are_answered_at_once_and_hold_up_nobody(counted, monkeypatch):
    monkeypatch.setattr(injection, "EARLY_SECONDS", 3600.0)
    made = injection.Injection(counted)
    made.agree(TERMS)
    made.passed(there(), ())
    odd = [asyncio.create_task(response(made, {"app": "nobody"})) for _ in range(injection.WAITING + 3)]
    async with asyncio.timeout(20):
        for each in itertools.islice(asyncio.as_completed(odd), 3):
            assert (await each)["allowed"]
        assert "patch" in await response(made)
    assert counted.reasons == ["NoBinding"] * 3 + ["Injected"]
    for task in odd:
        task.cancel()
    await asyncio.gather(*odd, return_exceptions=True)
    made.close()


@pytest.mark.parametrize("text", [b"", b"{", b"[" * 100_000, b"\xff\xfe", b"{}", b"[]"])
async def test_what_is_no_review_is_said_to_be_none(injecting, text):
    with pytest.raises(asked.UnreadableError):
        await injecting.answer(text, time.monotonic())


async def test_a_fault_of_ours_is_logged_and_told_to_nobody(injecting, counted, monkeypatch):
    def broken(*_arguments):
        raise ZeroDivisionError

    monkeypatch.setattr(review, "reviewed", broken)
    with pytest.raises(judge.FaultError):
        await response(injecting)
    assert counted.reasons == ["Failed"]


async def test_a_burst_of_pods_reads_the_mesh_once(injecting, monkeypatch):
    made = []
    original = facts.facts

    def once(resolution):
        made.append(resolution)
        return original(resolution)

    monkeypatch.setattr(facts, "facts", once)
    injecting.passed(there(), ())
    answers = await asyncio.gather(*(response(injecting) for _ in range(500)))
    assert len(made) == 1
    assert len({one["patch"] for one in answers}) == 1
    assert base64.b64decode(answers[0]["patch"]).startswith(b"[{")


async def test_pods_that_come_and_go_have_the_mesh_not_read_again(injecting):
    first = there()
    injecting.passed(first, ())
    await response(injecting)
    known = injecting._known
    item = {"metadata": {"name": "pets-1", "namespace": "shop", "labels": {"app": "pets"}}, "apiVersion": "v1"}
    pod = documents.parsed({**item, "kind": "Pod"}).resource
    injecting.passed(resolve.resolve(first.inventory.with_changes([pod]), first), ())
    await response(injecting)
    assert injecting._known is known


async def test_pods_without_their_proxies_are_counted_while_it_leads(injecting, counted):
    auditing = asyncio.create_task(injecting.audit())
    assert await asyncio.wait_for(counted.counts.get(), 20) == 0
    auditing.cancel()
    await asyncio.wait([auditing])
    assert counted.counts.get_nowait() == 0
