"""Who may import whom, and that importing does nothing else."""

import ast
import pathlib
import subprocess
import sys

import pytest

PURE = ("mesh", "translator")
IMPURE = {
    "asyncio", "grpc", "kubernetes", "logging", "os", "pathlib", "random", "secrets", "socket", "structlog", "subprocess",
    "tempfile", "threading", "time",
}  # fmt: skip

WATCHED = """
import importlib, os, pkgutil, sys, threading

def watch(event, arguments):
    if event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        raise SystemExit(f"{name} opens {arguments[0]} for writing")
    if event in ("socket.connect", "socket.bind", "subprocess.Popen", "os.system", "os.putenv", "signal.signal"):
        raise SystemExit(f"{name} does {event} {arguments}")

names = sys.argv[1:]
importlib.import_module("grpc"), importlib.import_module("kubernetes")  # not ours, and not on trial
sys.addaudithook(watch)
for name in names:
    importlib.import_module(name)
name = "something"
assert threading.active_count() == 1, threading.enumerate()
"""


def test_the_import_contracts_hold(root: pathlib.Path):
    command = [pathlib.Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    run = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=100)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("package", PURE)
def test_a_pure_package_imports_nothing_that_acts(modules, package):
    found = {
        f"{module.name}: {name}"
        for module in modules
        if module.name.split(".")[0] == package
        for node in ast.walk(module.syntax)
        for name in _imported(node)
        if name.split(".")[0] in IMPURE
    }
    assert not found


def _imported(node) -> tuple[str, ...]:
    match node:
        case ast.Import(names=names):
            return tuple(alias.name for alias in names)
        case ast.ImportFrom(module=str(module), level=0):
            return (module,)
        case _:
            return ()


def test_importing_a_module_has_no_effects(modules):
    names = [module.name for module in modules if not module.name.endswith("__main__")]
    command = [sys.executable, "-B", "-c", WATCHED, *names]  # -B: nobody writes bytecode either
    run = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert run.returncode == 0, run.stderr
    assert not run.stdout
