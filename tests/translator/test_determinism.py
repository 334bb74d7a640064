"""The same mesh is the same bytes: at any hash seed, in whatever order its parts are found."""

import dataclasses
import os
import pathlib
import random
import subprocess
import sys

from mesh import graph
from tests.translator import changing
from translator import compile as compiler
from translator import resources, route_configurations

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


def test_versions_are_equal_where_bytes_are_and_nowhere_else():
    """Also those of routes, which are made of digests of their virtual hosts."""
    bodies = {}
    for one in range(len(changing.PARTS)):
        mesh = {**MESH, changing.PARTS[one]: 3}
        bundles = compiler.compiled(changing.graph_of(mesh), changing.proxies_of(mesh)).bundles
        for item in (item for bundle in bundles.values() for part in bundle for item in part):
            bodies.setdefault((item.type_url, item.name), {}).setdefault(item.version, set()).add(item.body)
    several = [versions for versions in bodies.values() if len(versions) > 1]
    assert len(several) > 10
    assert all(len(alike) == 1 for versions in bodies.values() for alike in versions.values())
    assert all(len(set.union(*versions.values())) == len(versions) for versions in several)


def test_the_version_of_routes_does_not_depend_on_how_they_are_joined():
    frames = compiler.compiled(changing.graph_of(MESH), changing.proxies_of(MESH)).outbound.frames.values.values()
    assert any(frame.is_plain for frame in frames)
    for frame in frames:
        other = dataclasses.replace(frame, is_plain=False)
        assert route_configurations.outbound(other) == route_configurations.outbound(frame)


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
    sys.stdout.write(digest(changing.graph_of(MESH), changing.proxies_of(MESH)))
