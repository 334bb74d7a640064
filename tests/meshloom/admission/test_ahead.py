"""What was let in counts from then on, although it has not been seen yet."""

import json
import time

import pytest

from mesh import resolve
from mesh.problems import Ref
from meshloom.admission import ahead, judge
from tests import written
from tests.meshloom.admission import reviews

EMPTY = resolve.resolve(written.of(""))
MESH, PETS = "Mesh: shop/main", "VirtualService: shop/pets\nmesh: {ref: {name: main}}\nhosts: [pets]"
AT = Ref("Mesh", "shop", "main")


class Nobody:
    def reviewed(self, outcome: str, seconds: float) -> None:
        """Not asked here."""


@pytest.fixture
def judging():
    made = judge.Judge(Nobody())
    made.passed(EMPTY, ())
    yield made
    made.close()


async def told(judging, text, operation="CREATE", old=None, **more):
    before = reviews.document(old) if old else None
    body = json.dumps(reviews.asking(operation, reviews.document(text), before, **more)).encode()
    response = json.loads(await judging.answer(body, time.monotonic()))["response"]
    assert response["allowed"], response
    return response.get("warnings", [])


async def test_objects_of_one_file_are_not_told_that_those_before_them_do_not_exist(judging):
    parts = [part for part in reviews.PARTS if not part.startswith("IngressGatewayDeployment")]
    assert [await told(judging, part) for part in parts] == [[]] * len(parts)


async def test_a_change_that_was_let_in_counts_too(judging):
    low = PETS + "\nmtls: {mode: DISABLED}"
    assert await told(judging, MESH) == []
    assert await told(judging, MESH + "\nmtls: {minimum: DISABLED}", "UPDATE", MESH) == []
    assert await told(judging, low) == []


async def test_of_a_rehearsal_nothing_comes(judging):
    await told(judging, MESH, dryRun=True)
    [warning] = await told(judging, PETS)
    assert "Mesh shop/main does not exist" in warning


async def test_an_object_that_has_no_name_yet_is_nobody(judging):
    document = reviews.document(MESH)
    document["metadata"] = {"namespace": "shop", "generateName": "main"}
    body = json.dumps(reviews.asking("CREATE", document)).encode()
    await judging.answer(body, time.monotonic())
    assert len(await told(judging, PETS)) == 1


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_what_does_not_come_is_forgotten():
    clock = Clock()
    made = ahead.Ahead(clock)
    made.let_in(AT, resolve.resolve(written.of(MESH), made.of(EMPTY)))
    assert made.of(EMPTY).inventory.get(AT)
    clock.now += ahead.SECONDS
    assert made.of(EMPTY) is EMPTY


def test_what_is_seen_is_no_news_and_what_is_not_yet_stays():
    made = ahead.Ahead(Clock())
    both = written.of(MESH + "\n---\n" + PETS)
    after = resolve.resolve(both, made.of(EMPTY))
    made.let_in(AT, after)
    made.let_in(Ref("VirtualService", "shop", "pets"), after)
    mesh = resolve.resolve(written.of(MESH), EMPTY)
    found = made.of(mesh)
    assert found.inventory.get(Ref("VirtualService", "shop", "pets"))
    assert found.problems == resolve.resolve(both).problems
    seen = resolve.resolve(both, mesh)
    assert made.of(seen) is seen


def test_an_older_state_of_an_object_does_not_hide_the_newer():
    made = ahead.Ahead(Clock())
    newer = resolve.resolve(written.of(MESH + "\nmtls: {minimum: DISABLED}"))
    made.of(EMPTY)
    made.let_in(AT, newer)
    older = resolve.resolve(written.of(MESH))
    assert made.of(older).graph.meshes[AT].minimum is newer.graph.meshes[AT].minimum


def test_there_is_an_end_to_it(monkeypatch):
    monkeypatch.setattr(ahead, "MOST", 1)
    made = ahead.Ahead(Clock())
    both = resolve.resolve(written.of(MESH + "\n---\nMesh: shop/other"))
    made.of(EMPTY)
    made.let_in(AT, both)
    made.let_in(Ref("Mesh", "shop", "other"), both)
    assert made.of(resolve.resolve(written.of(""))).inventory.get(Ref("Mesh", "shop", "other")) is None
