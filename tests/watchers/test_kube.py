"""The source of a cluster, on a clock of its own, before a server that says what the test wants."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from mesh.problems import Ref
from tests.watchers import test_feed
from watchers import api_server, events, following, kinds, kube, store

SERVICES = tuple(kind for kind in kinds.FOLLOWED if kind.name == "Service")
MESHES = tuple(kind for kind in kinds.FOLLOWED if kind.name == "Mesh")
PACE = following.Pace(patience=10.0)
REFUSED = api_server.ApiError(403, "Forbidden", "no")
AWAY = api_server.ApiError(0, "Unreachable", "GET /x: nobody")


def written(name: str, version: int, ports: Any = (), **metadata: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "shop", "resourceVersion": str(version), **metadata},
        "spec": {"ports": ports or []},
    }


def page(*items: dict[str, Any], version: str = "1") -> dict[str, Any]:
    return {"metadata": {"resourceVersion": version}, "items": list(items)}


def line(what: str, document: dict[str, Any]) -> bytes:
    return json.dumps({"type": what, "object": document}).encode()


@dataclass
class Server:
    """Answers lists and watches by what is in it, a function of how often it was asked. A number in a watch is a pause."""

    lists: Callable[[int], Any]
    watches: Callable[[int], Any] = lambda _: None
    definition: Callable[[], Any] = lambda: {"metadata": {}}
    asked: list[tuple[float, str]] = field(default_factory=list)

    def count(self, what: str) -> int:
        return sum(1 for _, each in self.asked if each == what)

    def note(self, what: str) -> int:
        self.asked.append((asyncio.get_running_loop().time(), what))
        return self.count(what) - 1

    async def request(self, _method: str, path: str, _query: object = None, **_: object) -> Any:
        if "customresourcedefinitions" in path:
            return raised(self.definition())
        return raised(self.lists(self.note("list")))

    async def lines(self, _path: str, _query: object, _silence: float, _accept: str) -> AsyncIterator[bytes]:
        told = raised(self.watches(self.note("watch")))
        yield b""
        for each in told or ():
            if isinstance(each, float):
                await asyncio.sleep(each)
            else:
                yield raised(each)
        await asyncio.sleep(1e6)


def raised(answer: Any) -> Any:
    if isinstance(answer, Exception):
        raise answer
    return answer


def followed(
    server: Server, seconds: float, kind: tuple[kinds.Kind, ...] = SERVICES, **wanted: Any
) -> tuple[store.Store, list[Any]]:
    """What the source has told after so many seconds: a store, and each event with its time."""
    held, told = store.Store(), []

    async def main() -> None:
        source = kube.KubeSource(server, kube.Wanted(followed=kind, pace=PACE, **wanted))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds), contextlib.aclosing(source.events()) as stream:
                async for event in stream:
                    held.apply(event)
                    told.append((asyncio.get_running_loop().time(), event))

    test_feed.run(main())
    return held, told


def names(held: store.Store) -> set[str]:
    return {item.metadata.name for item in held.inventory()}


def test_objects_are_told_before_the_source_is_synced() -> None:
    _, told = followed(Server(lambda _: page(written("a", 1))), 5)
    assert [type(event) for _, event in told] == [events.Applied, events.Synced]


def test_an_object_that_breaks_keeps_its_last_good_form_until_it_is_mended_or_gone() -> None:
    broken = written("a", 2, ports=[{"port": "many"}])
    steps = [line("MODIFIED", broken)]
    held, _ = followed(Server(lambda _: page(written("a", 1)), lambda _: steps), 5)
    assert names(held) == {"a"}
    assert "Service shop/a spec.ports[0].port" in str(held.problems()[0])
    mended, _ = followed(
        Server(lambda _: page(written("a", 1)), lambda _: [*steps, line("MODIFIED", written("a", 3))]), 5
    )
    gone, _ = followed(Server(lambda _: page(written("a", 1)), lambda _: [*steps, line("DELETED", broken)]), 5)
    assert (names(mended), mended.problems()) == ({"a"}, ())
    assert (names(gone), gone.problems()) == (set(), ())


def test_an_object_that_was_never_right_is_a_problem_and_holds_nothing_up() -> None:
    held, _ = followed(Server(lambda _: page(written("a", 1, ports=[{"port": "many"}]), written("b", 1))), 5)
    assert names(held) == {"b"}
    assert held.synced([following.SOURCE])
    assert len(held.problems()) == 1


def test_what_passes_by_itself_is_said_after_a_while_and_once() -> None:
    held, told = followed(Server(lambda asked: page() if asked == 0 else AWAY, lambda _: AWAY), 120)
    reports = [(at, event) for at, event in told if isinstance(event, events.Reported)]
    assert len(reports) == 1
    assert 10.0 <= reports[0][0] < 60.0
    assert "does not answer (nobody)" in str(held.problems()[0])


def test_a_refusal_is_said_at_once_and_taken_back_when_it_is_over() -> None:
    server = Server(lambda asked: REFUSED if asked < 3 else page(written("a", 1)))
    held, told = followed(server, 30)
    said = [event.problems for _, event in told if isinstance(event, events.Reported)]
    assert [len(problems) for problems in said] == [1, 0]
    assert names(held) == {"a"}


def test_pauses_grow_while_nobody_answers() -> None:
    server = Server(lambda _: AWAY)
    followed(server, 600)
    assert 20 < server.count("list") < 80, "about twice half a minute on average, after some short ones"


def test_who_waits_is_woken_when_another_kind_reaches_the_server() -> None:
    moments = []

    class Recovering(Server):
        async def request(self, method: str, path: str, query: object = None, **more: object) -> Any:
            now = asyncio.get_running_loop().time()
            if now < 300.0:
                raise AWAY
            moments.append(now)
            return page()

    followed(Recovering(lambda _: page()), 400, kinds.FOLLOWED)
    assert len(moments) == len(kinds.FOLLOWED)
    assert max(moments) - min(moments) < 0.001


def test_an_object_of_ours_is_gone_only_while_its_kind_is_defined() -> None:
    mesh = {"metadata": {"name": "main", "namespace": "shop", "resourceVersion": "1"}}
    mesh["spec"] = {"compartmentId": "any", "certificateAuthorities": [{"id": "any"}]}
    swept = Server(lambda asked: page(mesh) if asked == 0 else page(version="9"), lambda _: [line("DELETED", mesh)])
    swept.definition = lambda: {"metadata": {"deletionTimestamp": "now"}}
    held, _ = followed(swept, 60, MESHES)
    assert names(held) == {"main"}
    for doubted in (api_server.ApiError(404, "NotFound", ""), AWAY):
        swept.asked.clear()
        swept.definition = lambda doubted=doubted: doubted
        assert names(followed(swept, 60, MESHES)[0]) == {"main"}
    for believed in ({"metadata": {}}, REFUSED):
        swept.asked.clear()
        swept.definition = lambda believed=believed: believed
        assert names(followed(swept, 60, MESHES)[0]) == set()


def test_a_fault_of_ours_is_raised_to_whoever_reads_the_events() -> None:
    with pytest.raises(RuntimeError, match="odd"):
        followed(Server(lambda _: RuntimeError("odd")), 5)


def test_a_source_that_is_closed_lets_go_of_all_its_tasks() -> None:
    async def main() -> None:
        source = kube.KubeSource(Server(lambda _: page()), kube.Wanted(pace=PACE))
        async with contextlib.aclosing(source.events()) as stream:
            await anext(stream)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    test_feed.run(main())


def test_a_gateway_waits_for_its_new_secret_but_not_for_ever() -> None:
    wanted = Ref("Secret", "shop", "door")

    class Silent(Server):
        async def request(self, method: str, path: str, query: object = None, **more: object) -> Any:
            if path.endswith("/secrets"):
                await asyncio.sleep(1e6)
            return await super().request(method, path, query, **more)

    server = Silent(lambda _: page(), lambda asked: [] if asked else [2.0, line("ADDED", written("late", 5))])

    _, told = followed(server, 60, secrets=lambda _: (wanted,))
    assert [(at, type(event)) for at, event in told] == [(0.0, events.Synced), (2.0 + kube.HOLD, events.Applied)]
