"""JSON texts, written so that a reader of YAML takes them for what they say.

Law: where JSON is YAML already, nothing changes.
"""

import re
from typing import Final

_PAIR: Final = re.compile(r"(?<!\\)((?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")
_QUOTED: Final = re.compile(r'("(?:[^"\\]|\\.)*")(\s*:)?')

_LONGEST_KEY: Final = 1_000
"""Characters of a key that YAML knows as one without a mark; its limit is a little higher."""


def is_json(text: str) -> bool:
    """Return whether a text may be JSON: whether it begins like it."""
    return text.lstrip().startswith(("{", "["))


def with_whole_letters(text: str) -> str:
    """Return JSON in which the two escapes of a letter beyond the 16-bit range are the one that YAML knows."""
    return _PAIR.sub(_whole_letter, text)


def with_long_keys(text: str) -> str:
    """Return JSON in which keys are marked that are longer than YAML knows them by themselves."""
    return _QUOTED.sub(lambda found: f"? {found[0]}" if len(found[1]) > _LONGEST_KEY and found[2] else found[0], text)


def _whole_letter(pair: re.Match[str]) -> str:
    high, low = int(pair[2], 16) - 0xD800, int(pair[3], 16) - 0xDC00
    return rf"{pair[1]}\U{0x10000 + (high << 10) + low:08x}"
