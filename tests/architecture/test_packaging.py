"""What is installed is what the tree shows, nothing of it collides, and everything installed is locked."""

import ast
import importlib.metadata
import pathlib
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PACKAGES = {"mesh", "translator", "xds", "watchers", "meshloom"}
COMPANIONS = {"pydantic_core"}  # pydantic pins its exact version, and does not re-export all of it
LOCKS = ("requirements.txt", "requirements-dev.txt", "requirements-envoy-oldest.txt", "requirements-protos.txt")


@pytest.fixture(scope="module")
def project(root: pathlib.Path) -> dict:
    return tomllib.loads((root / "pyproject.toml").read_text())["project"]


def pins(lock: pathlib.Path) -> dict[str, str]:
    """Return version by name of what a lock pins."""
    found = re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", lock.read_text(), re.MULTILINE)
    return {canonicalize_name(name): version for name, version in found}


def test_the_wheel_holds_the_five_packages_and_nothing_else(root, tmp_path):
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path]
    subprocess.run(build, cwd=root, check=True, capture_output=True, timeout=60)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == PACKAGES
    modules = {name for name in names if name.endswith((".py", ".pyi"))}
    written = {str(path.relative_to(root)) for package in PACKAGES for path in (root / package).rglob("*.py*")}
    assert modules == {name for name in written if name.endswith((".py", ".pyi"))}
    assert any(name.endswith("/licenses/LICENSE") for name in names)


def test_no_package_of_ours_is_also_in_another_distribution():
    installed = importlib.metadata.packages_distributions()
    others = {package: set(installed.get(package, ())) - {"meshloom"} for package in PACKAGES}
    assert not any(others.values()), f"installs over one of our packages: {others}"


def test_xds_protos_is_never_in_our_environment():
    names = {canonicalize_name(each.metadata["Name"]) for each in importlib.metadata.distributions()}
    assert "xds-protos" not in names


def test_our_packages_are_imported_from_the_tree(root):
    code = f"import {', '.join(sorted(PACKAGES))}; print({', '.join(f'{name}.__file__' for name in sorted(PACKAGES))}, sep='\\n')"
    printed = subprocess.run(
        [sys.executable, "-P", "-c", code], check=True, capture_output=True, text=True, cwd="/"
    ).stdout
    assert printed.split() == [str(root / name / "__init__.py") for name in sorted(PACKAGES)]


def test_proto_holds_no_python(root):
    assert {path.suffix for path in (root / "proto").rglob("*") if path.is_file()} == {".proto"}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_hashes(root, lock):
    entries = re.split(r"^(?=[A-Za-z0-9])", (root / lock).read_text(), flags=re.MULTILINE)[1:]
    assert entries
    assert [entry.splitlines()[0] for entry in entries if "--hash=sha256:" not in entry] == []


@pytest.mark.parametrize(("lock", "extras"), [("requirements.txt", ()), ("requirements-dev.txt", ("dev",))])
def test_a_lock_is_what_the_project_asks_for(root, project, lock, extras):
    pinned = pins(root / lock)
    wanted = (*project["dependencies"], *(line for extra in extras for line in project["optional-dependencies"][extra]))
    for requirement in map(Requirement, wanted):
        version = pinned.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement.name} is not in {lock}: make lock"
        assert version in requirement.specifier, f"{requirement} and {lock} disagree: make lock"


def test_running_and_developing_use_the_same_versions(root):
    running, developing = pins(root / "requirements.txt"), pins(root / "requirements-dev.txt")
    assert running.items() <= developing.items()


def imported(module) -> Iterator[str]:
    """Yield the top-level names a module imports."""
    for node in ast.walk(module.syntax):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module.split(".")[0]


def test_what_the_product_imports_it_depends_on_itself(modules, project):
    distributions = importlib.metadata.packages_distributions()
    extras = (line for extra, lines in project["optional-dependencies"].items() if extra != "dev" for line in lines)
    declared = {canonicalize_name(Requirement(line).name) for line in (*project["dependencies"], *extras)}
    foreign = (
        {name for module in modules for name in imported(module)} - PACKAGES - COMPANIONS - set(sys.stdlib_module_names)
    )
    undeclared = {
        name for name in foreign if not declared & {canonicalize_name(each) for each in distributions.get(name, ())}
    }
    assert not undeclared, "add it to the dependencies in pyproject.toml, then make lock"
