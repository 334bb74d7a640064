"""The style that ruff cannot check, and what nobody may waive."""

import ast
import re
import statistics

LONGEST_FILE = 300
LONGEST_FUNCTION = 30
MEDIAN_FUNCTION = 10

TABLES = {
    "mesh.resources": "the nine kinds, field by field: a table of what people may write",
    "mesh.graph": "what they mean, value by value: a table as the one above",
}
"""Modules that may be longer, and why."""

NAMES_THAT_SAY_NOTHING = {"utils", "util", "helpers", "helper", "common", "manager", "handler", "misc", "base", "core"}


def lines(function: ast.FunctionDef) -> int:
    """Return the lines of a function's body, without its docstring."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def test_no_file_is_longer_than_300_lines_unless_it_is_a_table(modules):
    long = {module.name: module.text.count("\n") for module in modules if module.text.count("\n") > LONGEST_FILE}
    assert not {name: length for name, length in long.items() if name not in TABLES}


def test_every_table_is_still_there_and_long(modules):
    lengths = {module.name: module.text.count("\n") for module in modules}
    assert not [name for name in TABLES if lengths.get(name, 0) <= LONGEST_FILE], "it needs no exception any more"


def test_no_function_has_more_than_30_statements(modules):
    long = {
        f"{module.name}.{function.name}": count
        for module in modules
        for function in module.functions
        if (count := sum(isinstance(node, ast.stmt) for node in ast.walk(function)) - 1) > LONGEST_FUNCTION
    }
    assert not long


def test_half_of_all_functions_have_at_most_10_lines(modules):
    assert statistics.median(lines(function) for module in modules for function in module.functions) <= MEDIAN_FUNCTION


def test_every_module_says_what_it_is(modules):
    assert not [module.name for module in modules if not ast.get_docstring(module.syntax)]


def test_every_public_function_says_what_it_returns(modules):
    silent = [
        f"{module.name}.{node.name}"
        for module in modules
        for node in module.syntax.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
    ]
    assert not silent


def test_no_module_has_a_name_that_says_nothing(modules):
    assert not [module.name for module in modules if set(module.name.split(".")) & NAMES_THAT_SAY_NOTHING]


def test_imports_are_absolute(modules):
    relative = [
        module.name
        for module in modules
        for node in ast.walk(module.syntax)
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert not relative


def test_a_waived_rule_has_its_reason_beside_it(modules):
    """`# noqa: S104 - why` and `# type: ignore[arg-type]  # why`, each naming its rule."""
    waived = re.compile(r"#\s*(noqa|type:\s*ignore|fmt:\s*off)(?P<rest>.*)")
    reasoned = re.compile(r"(:\s*[A-Z0-9, ]+|\[[a-z, -]+\])\s*(-|—|#|:|\()\s*\w.*")
    silent = [
        f"{module.path.name}:{number}: {line.strip()}"
        for module in modules
        for number, line in enumerate(module.text.splitlines(), 1)
        if (found := waived.search(line)) and not reasoned.match(found["rest"].strip())
    ]
    assert not silent
