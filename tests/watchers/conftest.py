"""What the tests of the senses share: a folder followed live, and objects to put into it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from mesh.problems import Ref
from mesh.resources import Resource
from watchers import events, files, store

PATIENCE = 20.0
"""Seconds after which an awaited event is taken not to come; never waited for in a passing test."""


class Followed:
    """A file source, drained into a store; `until` waits for the store to look as expected."""

    def __init__(self, source: files.FileSource) -> None:
        self.source = source
        self.store = store.Store()
        self.told: list[events.Event] = []
        self._news = asyncio.Condition()
        self._task = asyncio.create_task(self._drain())

    async def _drain(self) -> None:
        async with contextlib.aclosing(self.source.events()) as stream:
            async for event in stream:
                async with self._news:
                    self.told.append(event)
                    self.store.apply(event)
                    self._news.notify_all()

    async def until(self, expected: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE), self._news:
            await self._news.wait_for(lambda: self._task.done() or expected())
        if self._task.done():
            await self._task

    async def until_synced(self) -> None:
        await self.until(lambda: self.is_synced)

    @property
    def is_synced(self) -> bool:
        return self.store.synced([self.source.name])

    def objects(self) -> dict[str, str]:
        """The label `v` of every object, by name."""
        return {item.metadata.name: item.metadata.labels.get("v", "") for item in self.store.inventory()}

    def complaints(self) -> list[str]:
        return [str(problem) for problem in self.store.problems()]

    def get(self, name: str) -> Resource | None:
        return self.store.inventory().get(Ref("Service", "default", name))

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


Follow = Callable[..., Followed]


@pytest.fixture
async def follow() -> AsyncIterator[Follow]:
    """Follow a folder live; a poll of 60 s proves that the system's own notices are enough."""
    followed: list[Followed] = []

    def start(path: Path, poll: float = 60.0, **settings: object) -> Followed:
        followed.append(Followed(files.FileSource(path, poll=poll, **settings)))  # type: ignore[arg-type]  # each test gives what it is about
        return followed[-1]

    yield start
    for item in followed:
        await item.stop()


def _service(name: str, v: object = "1") -> str:
    return f'---\napiVersion: v1\nkind: Service\nmetadata:\n  name: {name}\n  labels: {{v: "{v}"}}\n'


@pytest.fixture
def service() -> Callable[..., str]:
    """A YAML document of six lines: a Service of this name, with a label `v`."""
    return _service


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder whose parent belongs to the test."""
    path = tmp_path / "mesh"
    path.mkdir()
    return path
