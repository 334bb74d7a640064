"""What the tests of the senses share: a folder followed live, and objects to put into it."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from mesh.problems import Ref
from mesh.resources import Resource
from tests import drained
from watchers import files


class Followed(drained.Drained[files.FileSource]):
    """What a folder has told."""

    def objects(self) -> dict[str, str]:
        """The label `v` of every object, by name."""
        return {item.metadata.name: item.metadata.labels.get("v", "") for item in self.store.inventory()}

    def get(self, name: str) -> Resource | None:
        return self.store.inventory().get(Ref("Service", "default", name))


Follow = Callable[..., Followed]


@pytest.fixture
async def follow() -> AsyncIterator[Follow]:
    """Follow a folder live; a poll of 60 s proves that the system's own notices are enough."""
    followed: list[Followed] = []

    def start(path: Path, poll: float = 60.0, **settings: object) -> Followed:
        followed.append(Followed(files.FileSource(path, poll=poll, **settings)))
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
