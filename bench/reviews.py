"""Reviews of changes of the nine kinds, judged in a mesh of a thousand services; and what they leave to the event loop.

Law: changes are those people make: a new object, an edit. The loop is looked at while they are judged.
"""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from bench import large, rows
from mesh import resolve, resources
from meshloom import memory
from meshloom.admission import judge

SERVICES: Final = 1_000
EACH: Final = 200
"""Reviews of each kind, half of them creations."""
LIMIT_MS, LOOP_MS = 1000.0, 50.0
KINDS: Final = ("Mesh", "VirtualService", "VirtualDeployment", "VirtualServiceRouteTable", "AccessPolicy")
_LOOK_SECONDS = 0.005


def measure(say: Callable[[str], None]) -> Iterator[rows.Row]:
    """Yield how long reviews take, by kind, and for how long the event loop was held up."""
    say(f"a mesh of {SERVICES} services")
    memory.prepare()
    judging = judge.Judge(_Nobody())
    there = large.mesh(SERVICES, 10)
    judging.passed(resolve.resolve(there), ())
    for kind in KINDS:
        say(f"{EACH} reviews of {kind}")
        objects = [item for item in there if item.kind == kind]
        took, held = asyncio.run(_reviewed(judging, objects))
        of = f"admission: {kind}, {SERVICES} services"
        yield rows.row(f"{of}: p50", took[len(took) // 2] * 1000, "ms", LIMIT_MS)
        yield rows.row(f"{of}: p99", took[int(len(took) * 0.99)] * 1000, "ms", LIMIT_MS)
        yield rows.row(f"{of}: event loop held up", held * 1000, "ms", LOOP_MS)
    judging.close()


class _Nobody:
    def reviewed(self, _outcome: str, _seconds: float) -> None:
        """Count nothing."""


async def _reviewed(judging: judge.Judge, objects: list[resources.Resource]) -> tuple[list[float], float]:
    held: list[float] = [0.0]
    looking = asyncio.create_task(_look(held))
    took = [await _asked(judging, _review(objects[number % len(objects)], number)) for number in range(EACH)]
    looking.cancel()
    return sorted(took), max(held)


async def _look(held: list[float]) -> None:
    while True:
        begun = time.perf_counter()
        await asyncio.sleep(_LOOK_SECONDS)
        held.append(time.perf_counter() - begun - _LOOK_SECONDS)


async def _asked(judging: judge.Judge, body: bytes) -> float:
    begun = time.perf_counter()
    answer = json.loads(await judging.answer(body, time.monotonic()))
    if not answer["response"]["allowed"]:
        raise AssertionError(answer)
    return time.perf_counter() - begun


def _review(item: resources.Resource, number: int) -> bytes:
    """Return the review of an edit of an object, or of another that is new."""
    old = item.model_dump(mode="json", by_alias=True, exclude_none=True)
    new: dict[str, Any] = {**old, "spec": {**old["spec"], "description": f"the {number}th"}}
    if number % 2:
        new["metadata"] = {**old["metadata"], "name": f"new-{number}"}
    group, version = resources.API_VERSION.split("/")
    request = {
        "uid": f"{number}",
        "kind": {"group": group, "version": version, "kind": item.kind},
        "operation": "CREATE" if number % 2 else "UPDATE",
        "object": new,
        "oldObject": None if number % 2 else old,
    }
    return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}).encode()
