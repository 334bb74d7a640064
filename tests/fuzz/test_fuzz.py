"""Whatever goes wrong in a document: no exception, no hang, no flood of memory, and nobody else suffers."""

import random
import resource

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.fuzz import mutations, worlds

DOCUMENTS = 10_000
PARTS = 4
BATCH = 50
MOST_MEMORY = 400 * 2**20
"""Bytes by which a test may raise the memory of the process."""

MESH = "tests/fuzz/everything.yaml"
HEAD = "apiVersion: servicemesh.oci.oracle.com/v1beta1\nkind: {kind}\nmetadata: {{name: {name}, namespace: animals}}\n"
SERVICE = HEAD.format(kind="VirtualService", name="odd") + "spec:\n  compartmentId: any\n  mesh: {ref: {name: zoo}}\n"
MANY, LISTED = 100_000, 20_000


SETTINGS = settings(
    max_examples=DOCUMENTS // PARTS // BATCH, deadline=None, database=None, derandomize=True, phases=[Phase.generate]
)
"""The same documents each time, and other ones by `python -m tests.fuzz.endless`; `worlds.culprits` makes them fewer."""


def memory() -> int:
    """Return the most bytes that this process has had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@pytest.mark.parametrize("part", [0, *(pytest.param(part, marks=pytest.mark.load) for part in range(1, PARTS))])
def test_of_ten_thousand_odd_documents_none_harms_anybody(part: int) -> None:
    before = memory()

    @SETTINGS
    @given(st.integers(min_value=0))
    def judge(number: int) -> None:
        assert worlds.culprits(*worlds.drawn(random.Random(f"{part}/{number}"), BATCH)) == []

    judge()
    assert memory() - before < MOST_MEMORY


def test_the_documents_are_odd_in_every_way_and_yet_many_of_them_are_used() -> None:
    draw = random.Random(1)
    kept = [worlds.outcome(text) for _ in range(20) for text in worlds.drawn(draw, BATCH)[1]]
    assert {state: kept.count(state) > 100 for state in ("used", "refused", "unreadable")} == {
        "used": True,
        "refused": True,
        "unreadable": True,
    }


def listed(item: str) -> str:
    return ", ".join([item] * LISTED)


BOMBS = {
    "a billion laughs": mutations.LAUGHS,
    "laughs in a resource": SERVICE + "  hosts: &h [x, x]\n" + mutations.LAUGHS.replace("a0:", "  a0:", 1),
    "aliases without end": "a: &a x\nb: [" + listed("*a") + ", *a]",
    "a list that holds itself": SERVICE + "  hosts: &h [a, *h]",
    "lists in lists": "[" * MANY,
    "lists in lists, closed": "[" * MANY + "]" * MANY,
    "fields in fields": "{a: " * MANY,
    "blocks in blocks": "- " * MANY,
    "an endless indentation": "\n".join(" " * depth + "a:" for depth in range(2000)),
    "a name without end": HEAD.format(kind="Mesh", name="a" * MANY),
    "a namespace without end": SERVICE.replace("animals", "a" * MANY),
    "a kind without end": HEAD.format(kind="Mesh" * MANY, name="a"),
    "a key without end": f"? {'a' * MANY}\n: 1",
    "a host without end": SERVICE + f"  hosts: [{'a.' * MANY}]",
    "a reference without end": SERVICE.replace("zoo", "a" * MANY),
    "hosts without end": SERVICE + "  hosts: [" + ", ".join(f"h{number}" for number in range(LISTED)) + "]",
    "the same host without end": SERVICE + f"  hosts: [{listed('lions')}]",
    "numbers instead of hosts": SERVICE + f"  hosts: [{listed('1')}]",
    "fields that nobody knows": SERVICE + "\n".join(f"  f{number}: 1" for number in range(LISTED)),
    "the same field again and again": SERVICE + "  hosts: [a]\n" * LISTED,
    "ports without end": HEAD.format(kind="IngressGatewayDeployment", name="odd")
    + "spec: {ingressGateway: {ref: {name: gate}}, deployment: {autoscaling: {minPods: 1, maxPods: 1}}, ports: ["
    + f"{listed('{port: 8080, name: a, serviceport: 80}')}], secrets: [{listed('{secretName: a}')}]}}",
    "rules without end": SERVICE.replace("VirtualService", "AccessPolicy")
    + f"  rules: [{listed('{action: ALLOW, source: {}, destination: {}}')}]",
    "a number without end": SERVICE + f"  hosts: [{'9' * MANY}]",
    "documents without end": "---\n" * MANY + "---\na: 1\n" * 1000,
    "the same document again and again": f"{SERVICE}---\n" * 5000,
    "an open quote": SERVICE + "  hosts: ['" + "a\n" * MANY,
    "tabs": SERVICE.replace("  ", "\t"),
    "nothing but zeros": "\0" * MANY,
    "half a letter": SERVICE + '  hosts: ["\\ud800"]',
    "a merge of itself": SERVICE + "  x: &x {<<: *x}",
    "merges without end": "a: &a {x: 1}\nb:\n" + "  <<: *a\n" * LISTED,
    "labels without end": SERVICE.replace("{name", "{labels: {" + listed("a: b") + "}, name", 1),
    "comments": "#\n" * MANY,
    "directives": "%TAG ! tag:x,2000:\n" * MANY,
    "letters that turn around": SERVICE + "  hosts: ['\u202eabc\u2066']",
}


@pytest.mark.parametrize("name", sorted(BOMBS))
def test_a_bomb_does_not_go_off(name: str) -> None:
    world = next(one for one in worlds.worlds() if one.name == MESH)
    before = memory()
    assert worlds.faults(world, (BOMBS[name],)) == []
    assert memory() - before < MOST_MEMORY
