"""What the program says while it runs."""

import json
import logging

import pytest
import structlog

from mesh import problems
from meshloom import choices, logs

ERROR = problems.error(problems.Ref("VirtualService", "shop", "pets"), "spec.mesh", "is missing", "name a Mesh")
WARNING = problems.warning(problems.Ref("Mesh", "shop", "main"), "", "is lonely", "add a service")


@pytest.fixture(autouse=True)
def as_before():
    """Put the configuration of both loggers back."""
    before, root = structlog.get_config(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.configure(**before)
    root.handlers[:], root.level = handlers, level


def test_problems_are_said_when_they_appear_and_when_they_are_resolved(capsys):
    logs.configure(choices.Lines.JSON, debug=False)
    logs.report((), (ERROR, WARNING))
    logs.report((ERROR, WARNING), (WARNING,))
    logs.report((WARNING,), (WARNING,))
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["level"], line["event"]) for line in lines] == [
        ("warning", "Mesh shop/main: is lonely; add a service"),
        ("error", "VirtualService shop/pets spec.mesh: is missing; name a Mesh"),
        ("info", "resolved: VirtualService shop/pets spec.mesh: is missing; name a Mesh"),
    ]
    assert lines[1]["resource"] == "VirtualService shop/pets"


def test_what_is_no_terminal_gets_json(capsys):
    logs.configure(choices.Lines.AUTO, debug=False)
    structlog.get_logger().info("hello")
    assert json.loads(capsys.readouterr().err)["event"] == "hello"


def test_people_get_lines(capsys):
    logs.configure(choices.Lines.CONSOLE, debug=False)
    structlog.get_logger().info("hello", answer=42)
    line = capsys.readouterr().err
    assert "hello" in line
    assert "answer=42" in line


def test_libraries_speak_in_the_same_form(capsys):
    logs.configure(choices.Lines.JSON, debug=False)
    logging.getLogger("asyncio").warning("slow")
    assert json.loads(capsys.readouterr().err)["event"] == "slow"


@pytest.mark.parametrize("lines", [choices.Lines.JSON, choices.Lines.CONSOLE])
def test_a_traceback_shows_no_values(capsys, lines):
    logs.configure(lines, debug=False)
    secret = "hunter" + "2"
    try:
        raise RuntimeError("broken")
    except RuntimeError:
        structlog.get_logger().exception("a fault")
    said = capsys.readouterr().err
    assert "RuntimeError: broken" in said
    assert secret not in said


@pytest.mark.parametrize("lines", [choices.Lines.JSON, choices.Lines.CONSOLE])
def test_what_a_stranger_says_moves_no_cursor_and_starts_no_line(capsys, lines):
    logs.configure(lines, debug=False)
    structlog.get_logger().warning("ads.nacked", message="\x1b[2Jno\nlevel=error", resources=("a\x07", "b"))
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "\x07" not in said
    assert "\x1b[2J" not in said
    assert "x1b[2Jno" in said


def test_one_value_cannot_fill_the_log(capsys):
    logs.configure(choices.Lines.JSON, debug=False)
    structlog.get_logger().warning("ads.nacked", message="a" * 100_000)
    assert len(capsys.readouterr().err) < 10_000
