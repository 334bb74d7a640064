"""The tree these tests are about, and its modules as syntax."""

import ast
import pathlib
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

ROOT = pathlib.Path(__file__).parents[2]
PACKAGES = ("mesh", "translator", "xds", "watchers", "meshloom")
NOT_OURS = {".git", "build", "dist", "__pycache__", ".hypothesis", ".idea", ".vscode"}


@dataclass(frozen=True, slots=True)
class Module:
    """A module of the product: its dotted name, its file, its text and its syntax."""

    name: str
    path: pathlib.Path
    text: str
    syntax: ast.Module

    @property
    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        """Yield every function and method in it."""
        return (node for node in ast.walk(self.syntax) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.fixture(scope="session")
def root() -> pathlib.Path:
    """Return the top of the tree."""
    return ROOT


@pytest.fixture(scope="session")
def modules() -> tuple[Module, ...]:
    """Return the product's modules, without those that are generated."""
    return tuple(
        _module(path) for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")) if _is_written(path)
    )


def _is_written(path: pathlib.Path) -> bool:
    return not path.is_relative_to(ROOT / "xds" / "wire")


def _module(path: pathlib.Path) -> Module:
    text = path.read_text()
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    return Module(name, path, text, ast.parse(text, path))


@pytest.fixture(scope="session")
def tree() -> tuple[pathlib.Path, ...]:
    """Return every file of the tree that belongs in the repository."""
    return tuple(_files(ROOT))


def _files(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    for path in sorted(folder.iterdir()):
        if path.name in NOT_OURS or path.name.startswith(".venv") or path.name.endswith("_cache"):
            continue
        if path.is_dir():
            yield from _files(path)
        elif path.suffix != ".pyc":
            yield path
