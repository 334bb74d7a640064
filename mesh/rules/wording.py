"""How a message quotes what a user wrote and points at the place.

Law: whatever was written, the words about it are short, printable and never fail.
"""

import difflib
from collections.abc import Iterable, Mapping

LONGEST_QUOTE = 60
LONGEST_NAME = 253
_SIMPLE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


def quoted(value: object) -> str:
    """Return a short, printable form of a scalar, or the name of its type where it is none."""
    match value:
        case str():
            return repr(shortened(value))
        case bool():
            return str(value).lower()
        case int():
            return str(value) if value.bit_length() <= 64 else "a number of more than 64 bits"
        case float():
            return str(value)
        case _:
            return type_name(value)


def shortened(text: str) -> str:
    """Return a text, or its beginning where it is long."""
    return text if len(text) <= LONGEST_QUOTE else text[:LONGEST_QUOTE] + "…"


def printable(text: str) -> str:
    """Return a name as it is where it can be printed, otherwise quoted."""
    return text if text.isprintable() and len(text) <= LONGEST_NAME else quoted(text)


def type_name(value: object) -> str:
    """Return what a newcomer calls a value of this type."""
    return next((name for types, name in _TYPE_NAMES if isinstance(value, types)), "a date or another special value")


_TYPE_NAMES = (
    (type(None), "empty"),
    (str, "text"),
    (bool, "true or false"),  # before int: True is an int
    (int, "a whole number"),
    (float, "a number with a fraction"),
    (list | tuple, "a list"),
    (Mapping, "a set of fields"),
)


def field_path(steps: Iterable[object]) -> str:
    """Return `spec.hosts[0].name` for ("spec", "hosts", 0, "name"); unusual keys are put in brackets and quotes."""
    return "".join(_step(step) for step in steps).removeprefix(".")


def _step(step: object) -> str:
    if isinstance(step, str) and 0 < len(step) <= LONGEST_QUOTE and _SIMPLE.issuperset(step):
        return f".{step}"
    return f"[{quoted(step)}]"


def nearest(word: object, known: Iterable[str]) -> str | None:
    """Return the known word that was probably meant, or None."""
    if not isinstance(word, str) or len(word) > LONGEST_QUOTE:
        return None
    folded = {candidate.casefold(): candidate for candidate in known}
    close = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=0.7)
    return folded[close[0]] if close else None


def one_of(known: Iterable[str], word: object = None) -> str:
    """Return a remedy that lists the known words, and first the one that was probably meant."""
    words = tuple(known)
    choice = f"write {words[0]}" if len(words) == 1 else f"write one of {', '.join(words)}"
    meant = nearest(word, words)
    return f"did you mean {meant}? {choice}" if meant else choice


def both(words: Iterable[str]) -> str:
    """Return `a and b`, or `a, b and c`."""
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last
