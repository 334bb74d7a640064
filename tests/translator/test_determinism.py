"""The same mesh is the same bytes: at any hash seed, in whatever order its parts are found."""

import os
import pathlib
import random
import subprocess
import sys

from mesh import graph
from tests.translator import changing
from translator import compile as compiler
from translator import resources

MESH = {part: 2 + number % 4 for number, part in enumerate(changing.PARTS)} | {"proxies": 2}
ROOT = pathlib.Path(__file__).parents[2]


def digest(of: graph.Graph, asked: list[object]) -> str:
    """Return a digest of all that these proxies get."""
    bundles = compiler.compiled(of, asked).bundles
    items = [item for proxy in sorted(bundles, key=repr) for part in bundles[proxy] for item in part]
    return resources.content_version(item.name.encode() + item.version.encode() + item.body for item in items)


def shuffled(of: graph.Graph, seed: int) -> graph.Graph:
    """Return an equal graph whose mappings were filled in another order."""
    dice = random.Random(seed)

    def mixed(values):
        return dict(dice.sample([*values.items()], len(values)))

    return graph.Graph(*(mixed(getattr(of, name)) for name in graph.Graph.__slots__))


def test_the_order_in_which_a_graph_was_filled_does_not_count():
    of, asked = changing.graph_of(MESH), changing.proxies_of(MESH)
    assert {digest(shuffled(of, seed), random.Random(seed).sample(asked, len(asked))) for seed in range(5)} == {
        digest(of, asked)
    }


def test_the_hash_seed_does_not_count():
    found = {
        subprocess.run(
            [sys.executable, "-W", "ignore", "-m", "tests.translator.test_determinism"],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2", "3")
    }
    assert found == {digest(changing.graph_of(MESH), changing.proxies_of(MESH))}


if __name__ == "__main__":
    print(digest(changing.graph_of(MESH), changing.proxies_of(MESH)))  # noqa: T201 - the answer to the test above
