"""The feed, on a clock of its own: time passes only when everybody waits."""

import asyncio
import contextlib
import logging
import selectors
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import pytest

from mesh import problems, workloads
from mesh.problems import Ref
from watchers import events, feed


class _Clock(selectors.DefaultSelector):
    """Passes the time that a loop would wait for, in no time."""

    now = 0.0

    def select(self, timeout=None):
        assert timeout is not None, "everybody waits for ever"
        self.now += timeout
        return super().select(0)


def virtual_loop() -> asyncio.AbstractEventLoop:
    clock = _Clock()
    loop = asyncio.SelectorEventLoop(clock)
    loop.time = lambda: clock.now
    return loop


def run(main):
    with asyncio.Runner(loop_factory=virtual_loop) as runner:
        return runner.run(main)


def service(name: str, v: str = "1") -> workloads.Service:
    return workloads.Service.model_validate({"kind": "Service", "metadata": {"name": name, "labels": {"v": v}}})


def ref(name: str) -> Ref:
    return Ref("Service", "default", name)


def applied(name: str, v: str = "1") -> events.Applied:
    return events.Applied(service(name, v))


FAULT = problems.error(ref("a"), "spec", "is odd", "mend it")
END = object()


@dataclass
class Scripted:
    """Tells what its script says, at the second it says; an exception is raised, END ends it."""

    script: Sequence[tuple[float, object]]
    name: str = "script"
    closed: list[str] = field(default_factory=list)

    async def events(self) -> AsyncIterator[events.Event]:
        try:
            for at, what in self.script:
                await asyncio.sleep(at - asyncio.get_running_loop().time())
                if isinstance(what, Exception):
                    raise what
                if what is END:
                    return
                yield what
            await asyncio.Event().wait()
        finally:
            self.closed.append(self.name)


def observed(*sources: Scripted, settle: float = 1.0, at_most: float = 5.0) -> list[tuple[float, feed.Observation]]:
    """All observations of the first 100 seconds and when they came."""

    async def main():
        seen = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(100), contextlib.aclosing(feed.observations(sources, settle, at_most)) as stream:
                async for item in stream:
                    seen.append((asyncio.get_running_loop().time(), item))  # noqa: PERF401 - a comprehension is lost when time is up
        return seen

    return run(main())


SYNCED = events.Synced("script")


def test_nothing_is_told_before_every_source_is_synced() -> None:
    one = Scripted([(0, applied("a")), (1, events.Synced("one"))], "one")
    other = Scripted([(0, applied("b")), (40, events.Synced("other"))], "other")
    [(at, first)] = observed(one, other)
    assert at == pytest.approx(41)
    assert {item.metadata.name for item in first.inventory} == {"a", "b"}


def test_a_source_that_is_never_synced_keeps_everything_back() -> None:
    assert observed(Scripted([(0, applied("a"))])) == []


def test_what_keeps_a_source_from_being_synced_is_logged(caplog) -> None:
    with caplog.at_level(logging.WARNING):
        observed(Scripted([(0, events.Reported("x", (FAULT,)))]))
    assert str(FAULT) in caplog.text


def test_what_keeps_sources_from_being_synced_is_logged_once_however_many_say_it(caplog) -> None:
    script = [(float(number * 9), events.Reported(f"place {number}", (FAULT,))) for number in range(5)]
    with caplog.at_level(logging.WARNING):
        assert observed(Scripted(script)) == []
    assert len(caplog.messages) == 1


def test_an_empty_mesh_is_an_observation_too() -> None:
    [(at, first)] = observed(Scripted([(3, SYNCED)]))
    assert at == pytest.approx(4)
    assert tuple(first.inventory) == ()
    assert first.changed == frozenset()


def test_the_first_observation_changes_everything() -> None:
    [(_, first)] = observed(Scripted([(0, applied("a")), (0, applied("b")), (0, SYNCED)]))
    assert first.changed == {ref("a"), ref("b")}


def test_a_burst_is_told_once_when_it_has_settled() -> None:
    burst = [(10 + number / 10, applied(f"s{number}")) for number in range(20)]
    (_, _), (at, second) = observed(Scripted([(0, SYNCED), *burst]))
    assert at == pytest.approx(11.9 + 1)
    assert len(second.changed) == 20


def test_changes_without_end_are_told_at_most_so_long_after_the_first() -> None:
    storm = [(10 + number / 2, applied("a", str(number))) for number in range(40)]
    times = [at for at, _ in observed(Scripted([(0, SYNCED), *storm]))]
    assert times == pytest.approx([1, 15, 20.5, 26, 30.5])


def test_only_what_differs_from_the_last_observation_has_changed() -> None:
    script = [(0, applied("a")), (0, applied("b")), (0, SYNCED)]
    script += [(10, applied("a")), (10, applied("b", "2")), (10, applied("c")), (20, events.Deleted(ref("a")))]
    (_, first), (_, second), (_, third) = observed(Scripted(script))
    assert second.changed == {ref("b"), ref("c")}
    assert third.changed == {ref("a")}
    assert second.inventory.get(ref("a")) is first.inventory.get(ref("a"))


def test_what_changed_and_changed_back_is_not_told() -> None:
    script = [(0, applied("a")), (0, SYNCED), (10, applied("a", "2")), (10.5, applied("a"))]
    assert len(observed(Scripted(script))) == 1


def test_what_is_told_again_is_not_told() -> None:
    assert len(observed(Scripted([(0, applied("a")), (0, SYNCED), (10, applied("a")), (20, SYNCED)]))) == 1


def test_problems_alone_are_an_observation_in_which_nothing_changed() -> None:
    script = [(0, applied("a")), (0, SYNCED), (10, events.Reported("x", (FAULT,)))]
    (_, first), (_, second) = observed(Scripted(script))
    assert first.problems == ()
    assert second.problems == (FAULT,)
    assert second.changed == frozenset()
    assert second.inventory is first.inventory


def test_two_sources_make_one_inventory() -> None:
    one = Scripted([(0, events.Synced("one")), (10, applied("a"))], "one")
    other = Scripted([(0, events.Synced("other")), (10.5, applied("b"))], "other")
    (_, _), (at, second) = observed(one, other)
    assert at == pytest.approx(11.5)
    assert second.changed == {ref("a"), ref("b")}


@pytest.mark.parametrize("when", [0, 20])
def test_a_source_that_raises_is_raised_by_name(when: float) -> None:
    with pytest.raises(feed.SourceFailedError, match="source broken failed: no more sockets") as raised:
        observed(Scripted([(1, SYNCED)]), Scripted([(when, OSError("no more sockets"))], "broken"))
    assert isinstance(raised.value.__cause__, OSError)


def test_a_failure_is_raised_at_once_though_changes_have_not_settled() -> None:
    async def main() -> float:
        source = Scripted([(0, SYNCED), (1, applied("a")), (2, OSError())])
        with pytest.raises(feed.SourceFailedError):
            async for _ in feed.observations([source], 50, 90):
                pass
        return asyncio.get_running_loop().time()

    assert run(main()) == pytest.approx(2)


@pytest.mark.parametrize("script", [[(0, END)], [(0, SYNCED), (20, END)]])
def test_a_source_that_ends_is_a_failure(script) -> None:
    with pytest.raises(feed.SourceFailedError, match="source script ended"):
        observed(Scripted(script))


def test_a_closed_feed_lets_go_of_its_sources() -> None:
    source = Scripted([(0, SYNCED)])

    async def main() -> None:
        stream = feed.observations([source], 1, 5)
        await anext(stream)
        await stream.aclose()
        assert source.closed == ["script"]

    run(main())


def test_a_failed_source_lets_go_of_the_others() -> None:
    source = Scripted([(0, SYNCED)])
    with pytest.raises(feed.SourceFailedError):
        observed(source, Scripted([(5, OSError())], "broken"))
    assert source.closed == ["script"]


def test_ten_thousand_events_at_once_do_not_hold_up_the_loop() -> None:
    class Flood:
        name = "script"

        async def events(self):
            for number in range(10_000):
                yield applied(f"s{number}")
            yield SYNCED
            await asyncio.Event().wait()

    async def main() -> int:
        beats = 0

        async def beat() -> None:
            nonlocal beats
            while True:
                beats += 1
                await asyncio.sleep(0)

        async with contextlib.aclosing(feed.observations([Flood()], 0, 0)) as stream:
            heart = asyncio.create_task(beat())
            assert len((await anext(stream)).changed) == 10_000
            heart.cancel()
        return beats

    assert run(main()) > 70
