"""The table of attacks in SECURITY.md: each test that it names exists, and each attack of this folder is in it."""

import ast
import pathlib
import re

TESTS = pathlib.Path(__file__).parents[1]
PAGE = (TESTS.parent / "SECURITY.md").read_text()
NAMED = re.findall(r"`([\w/]+\.py)::(\w+)`", PAGE)
CHECKS = {"test_whoever_is_allowed_is_served_so_that_the_others_are_refused_for_who_they_are"}
"""Tests of this folder that are no attack: that those who are allowed are served."""


def written(path):
    """Return the names of the tests of a file."""
    tree = ast.parse(path.read_text())
    functions = (node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return {node.name for node in functions if node.name.startswith("test_")}


def test_every_test_that_the_page_names_exists():
    missing = [f"{file}::{name}" for file, name in NAMED if name not in written(TESTS / file)]
    assert NAMED
    assert not missing


def test_every_attack_says_what_shows_it():
    tables = PAGE.partition("## Attacks")[2].partition("## What is not promised")[0]
    rows = [line for line in tables.splitlines() if line.startswith("| ") and not line.startswith("| Attack ")]
    assert len(rows) > 20
    assert not [row for row in rows if "::test_" not in row.rpartition(" | ")[2]]


def test_every_attack_of_this_folder_is_on_the_page():
    here = pathlib.Path(__file__).parent
    files = [path for path in here.glob("test_*.py") if path != pathlib.Path(__file__)]
    made = {(f"{here.name}/{path.name}", name) for path in files for name in written(path)}
    assert {name for _, name in made.difference(NAMED)} == CHECKS | {"test_the_workload_s_address_has_no_other_doors"}
