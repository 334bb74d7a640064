"""The pure packages cannot reach the world outside in any test: here is the proof that the guard bites."""

import pathlib
import types

import pytest

from tests import unplugged


def named(module: str, source: str) -> types.FunctionType:
    """Return the function `run` of a module of this name, made of this source."""
    space = {"__name__": module}
    exec(compile(source, module, "exec"), space)
    return space["run"]


@pytest.mark.parametrize("module", ["mesh", "mesh.resolve.services", "translator.wire", "xds.delta"])
@pytest.mark.parametrize(
    "body",
    ["open('/dev/null')", "__import__('os').listdir('/')", "__import__('_socket').getaddrinfo('localhost', 1)"],
)
def test_a_pure_module_that_reaches_outside_fails_its_test(module: str, body: str) -> None:
    run = named(module, f"def run():\n    {body}\n")
    with pytest.raises(unplugged.PluggedInError, match=module):
        run()


@pytest.mark.parametrize("module", ["xds.server", "watchers.files", "meshloom.app", "meshes"])
def test_other_modules_may(module: str, tmp_path: pathlib.Path) -> None:
    named(module, f"def run():\n    open({str(tmp_path / 'x')!r}, 'w').close()\n")()
    assert (tmp_path / "x").exists()
