"""Text from strangers, made safe to print."""

import pytest

from meshloom import plain


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("plain words, ünïcode and 語", "plain words, ünïcode and 語"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("two\nlines\r", r"two\nlines\r"),
        ("title\x1b]0;x\x07", r"title\x1b]0;x\x07"),
        ("\x9b2J", r"\x9b2J"),
        ("turned \u202eround", r"turned \u202eround"),
        ("half \ud800", r"half \ud800"),
    ],
)
def test_what_a_terminal_would_act_upon_is_written_out(given, shown):
    assert plain.printable(given, 100) == shown


def test_nothing_is_longer_than_asked_for():
    assert plain.printable("a" * 50, 10) == "a" * 9 + "…"
    assert len(plain.printable("\x1b" * 50, 10)) == 10
    assert plain.printable("a" * 10, 10) == "a" * 10
