"""The protocol half of xds has no I/O: what it may import, and that it works with the network unplugged."""

import ast
import pathlib

import pytest
import pytest_socket

from tests.xds import model

XDS = pathlib.Path(__file__).parents[2] / "xds"
SHELL = {"cache", "doors", "tenure", "peers", "ports", "session", "server", "together", "__init__"}
"""Modules below the line: they may know of the event loop, though only server.py and doors.py of gRPC."""

OUTSIDE = {"asyncio", "grpc", "time", "random", "secrets", "os", "logging", "structlog", "socket", "threading", "uuid"}
PURE = sorted(path.stem for path in XDS.glob("*.py") if path.stem not in SHELL)


@pytest.mark.parametrize("module", PURE)
def test_a_pure_module_imports_nothing_that_touches_the_world(module):
    assert not imports(module) & OUTSIDE


@pytest.mark.parametrize("module", sorted(SHELL - {"server", "doors"}))
def test_only_the_server_and_its_doors_speak_grpc(module):
    assert "grpc" not in imports(module)


@pytest.mark.parametrize("client", [model.Sotw, model.Delta])
def test_a_stream_works_with_the_network_unplugged(client):
    pytest_socket.disable_socket()
    try:
        assert model.names(client(model.holding(model.cluster("a"))).ask(model.CLUSTER)) == [("a",)]
    finally:
        pytest_socket.enable_socket()


def imports(module):
    nodes = list(ast.walk(ast.parse((XDS / f"{module}.py").read_text())))
    named = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return {name.partition(".")[0] for name in named | {n.module for n in nodes if isinstance(n, ast.ImportFrom)}}
