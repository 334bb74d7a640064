"""The evaluator passes over nothing: each golden is understood as a whole, and what is new in one is refused."""

import ast
import pathlib

import pytest

from tests.meaning import configuration, understood
from tests.translator import golden
from translator import proxies

HERE = pathlib.Path(__file__).parent
COMPILING = {"meshes.py", "configuration.py"}
"""The modules beside the tests that may know the compiler: one asks it, one reads its bytes."""


@pytest.mark.parametrize("case", golden.cases())
def test_everything_that_envoys_are_sent_is_understood(case):
    for proxy, parts in golden.compilation(case)[1].bundles.items():
        if not isinstance(proxy, proxies.Proxyless):
            assert configuration.proxy(case, (item for part in parts for item in part), {}).listeners


@pytest.mark.parametrize(
    ("message", "named"),
    [
        ({"name": "a", "use_original_dst": True, "bypass": 1}, "Listener.bypass"),
        (
            {"filter_chains": [{"filter_chain_match": {"source_ports": [1]}}]},
            "Listener.filter_chains.filter_chain_match",
        ),
        ({"listener_filters": [{"typed_config": {"@type": "type.googleapis.com/envoy.New"}}]}, "envoy.New"),
    ],
)
def test_what_is_not_understood_is_refused(message, named):
    with pytest.raises(understood.NotUnderstoodError, match=named):
        understood.check(message, "envoy.config.listener.v3.Listener")


def test_the_evaluator_knows_nothing_of_the_compiler():
    modules = [path for path in HERE.glob("*.py") if not path.name.startswith("test_") and path.name not in COMPILING]
    imported = {
        f"{path.name}: {name}"
        for path in modules
        for node in ast.walk(ast.parse(path.read_text()))
        for name in _imported(node)
        if name.split(".")[0] in ("translator", "mesh", "meshloom") or name.startswith("tests.translator")
    }
    assert not imported


def _imported(node):
    match node:
        case ast.Import(names=names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module=str(module), names=names):
            return [f"{module}.{alias.name}" for alias in names]
        case _:
            return []
