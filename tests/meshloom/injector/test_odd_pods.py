"""Pods that nobody should write: whatever they are, there is an outcome, and its patch can be applied."""

import copy
import json
import random

import hypothesis
from hypothesis import strategies

from meshloom.injector import facts, patch, terms
from meshloom.injector.pods import Pod
from tests.meshloom.injector import golden, json_patches, test_audit

TERMS = terms.Terms("meshloom-proxy:test", "meshloom.meshloom-system.svc:15012", is_native=False)
ODD = (
    None,
    True,
    0,
    -1,
    1337,
    2**70,
    "",
    "x",
    "\x00",
    "a" * 300,
    [],
    [None],
    [[]],
    {},
    {"name": 1},
    [{"name": []}],
    1.5,
)
PODS = [
    pod
    for case in ("many-containers", "probes-http", "probes-grpc", "hooks", "net-admin")
    for pod in golden.written(case)
]
KNOWN = facts.facts(test_audit.there())


def places(value, path=()):
    """Yield the path of everything in a document."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


def mutilated(pod, chance: random.Random):
    changed = copy.deepcopy(pod)
    for _ in range(chance.randint(1, 3)):
        *above, last = chance.choice([path for path in places(changed) if path])
        at = changed
        for key in above:
            at = at[key]
        at[last] = copy.deepcopy(chance.choice(ODD))
    return changed


@hypothesis.given(strategies.integers(0, 2**32))
@hypothesis.settings(max_examples=150, deadline=None)
def test_whatever_a_pod_is_there_is_an_outcome(seed):
    chance = random.Random(seed)
    pod = Pod(mutilated(chance.choice(PODS), chance), "shop")
    outcome = patch.patch(pod, KNOWN, TERMS)
    json.dumps(outcome.patch)
    if outcome.document is not None:
        assert json_patches.applied(pod.document, outcome.patch) == outcome.document
