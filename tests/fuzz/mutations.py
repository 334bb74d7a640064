"""Documents that went wrong: YAML of the examples, cut, doubled, shuffled and filled with what nobody should write.

Law: everything is drawn from the `random.Random` that is handed in, so that a seed gives the same documents again.
"""

import copy
import datetime
import functools
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import yaml

ODD_TEXT = (
    "\u0000", "\ufeff", "\u202e", "\u2028", "\u0085", "\ud7ff", "\U0001f600", "e\u0301", "\t", "\r", "\r\n", "\u00a0",
    "&", "*", "!", "%", "@", "`", "|", ">", "?", ":", "-", "{", "}", "[", "]", ",", "#", "'", '"', "\\", "~", "<<",
    "---\n", "...\n", "%YAML 9.9\n---\n", "${HOME}", "\x7f", "\ufffe", "\u0130",
)  # fmt: skip
VALUES = (
    "1e999", "-.inf", ".nan", "0x7fffffffffffffffffff", "9" * 400, "-1", "0", "65536", "1_0_0", "0b2", "08", "12:30:45",
    "2030-01-31", "2030-13-45T99:99:99Z", "yes", "~", "''", '"\\ud800"', "!!binary aGVsbG8=", "!!binary '*'", "!!set {a}",
    "!!python/object/apply:os.getcwd []", "!!int no", "!!float '1'", "!<tag:x> 1", "!!omap [a: 1]", "[[[[[]]]]]",
    "{a: {b: {c: {d: 1}}}}", "[1, two, 3.0, null, true]", "- a", "|\n  text", "&a [*a]", "&a {b: *a}", "*nowhere", "{}",
    "[]", "?", "? [a, b]\n: c", "'*'", "'*.*'", "10.0.0.0/99", "::1/0", "'a..b'", "'[::1]:80'", "'/' ", "'%zz'", "STRICT",
    "'\U0001f600'", "ocid1.mesh.meshloom..1", "!!timestamp x", "!!null ''", "!!str", "0.1e-400", "1.5", "+.5e5",
)  # fmt: skip
NAMES = (
    "a",
    "pets",
    "-",
    "A.b",
    "..",
    "a" * 64,
    "a" * 191,
    "a" * 254,
    "",
    "a/b",
    "a b",
    "pets-v1",
    "default",
    "\u00e9",
)
LAUGHS = "\n".join(
    ["a0: &a0 [x, x, x, x, x, x, x, x, x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
)
Draw = random.Random
TextMutation = Callable[[Draw, str], str]
DocumentMutation = Callable[[Draw, Any], object]


def mutated(draw: Draw, text: str, others: tuple[str, ...]) -> str:
    """Return a text that is made of the text of one document, sometimes of a second one too, by some mutations."""
    kind = draw.random()
    if kind < 0.7:
        text = _rewritten(draw, text, draw.choice(others))
    if draw.random() < 0.02:
        text = f"{text}\n---\n{draw.choice(others)}"
    for _ in range(0 if kind < 0.6 else draw.choice((1, 1, 1, 2, 4))):
        text = draw.choice(_ON_TEXT)(draw, text)
    return text


# ---------------------------------------------------------------------------- on the text


def _place(draw: Draw, text: str) -> int:
    return draw.randrange(len(text) + 1)


def _cut(draw: Draw, text: str) -> str:
    first, last = sorted((_place(draw, text), _place(draw, text)))
    return text[:first] if draw.random() < 0.3 else text[:first] + text[last:]


def _inserted(draw: Draw, text: str) -> str:
    at = _place(draw, text)
    return text[:at] + draw.choice(ODD_TEXT) * draw.choice((1, 1, 1, 50)) + text[at:]


def _on_lines(change: Callable[[Draw, list[str], int], object]) -> TextMutation:
    def changed(draw: Draw, text: str) -> str:
        lines = text.split("\n")
        change(draw, lines, draw.randrange(len(lines)))
        return "\n".join(lines)

    return changed


def _doubled(draw: Draw, lines: list[str], at: int) -> None:
    lines[at:at] = [lines[at]] * draw.choice((1, 2, 30))


def _swapped(draw: Draw, lines: list[str], at: int) -> None:
    other = draw.randrange(len(lines))
    lines[at], lines[other] = lines[other], lines[at]


def _dropped(draw: Draw, lines: list[str], at: int) -> None:
    del lines[at : at + draw.choice((1, 1, 3))]


def _indented(draw: Draw, lines: list[str], at: int) -> None:
    lines[at] = draw.choice((" ", "  ", "\t", "    ", "- ", "")) + lines[at].removeprefix(draw.choice(("", " ", "  ")))


def _revalued(draw: Draw, lines: list[str], at: int) -> None:
    key, colon, _ = lines[at].partition(":")
    lines[at] = f"{key}: {draw.choice(VALUES)}" if colon else f"{key} {draw.choice(VALUES)}"


def _rekeyed(draw: Draw, lines: list[str], at: int) -> None:
    key, colon, value = lines[at].partition(":")
    space = key[: len(key) - len(key.lstrip())]
    lines[at] = f"{space}{draw.choice((*NAMES, '? x', '1', 'null', '<<', '[a]', '*a', '&b c'))}{colon}{value}"


def _anchored(draw: Draw, lines: list[str], at: int) -> None:
    key, colon, value = lines[at].partition(":")
    lines[at] = f"{key}{colon} &a{value}"
    other = draw.randrange(len(lines))
    key, colon, _ = lines[other].partition(":")
    lines[other] = f"{key}{colon} *a"


def _laughing(draw: Draw, lines: list[str], at: int) -> None:
    lines[at:at] = LAUGHS.split("\n")


def _nested(draw: Draw, lines: list[str], at: int) -> None:
    depth = draw.choice((5, 98, 101, 3000))
    lines[at] += draw.choice(("[" * depth + "]" * depth, "{a: " * depth + "}" * depth, "[" * depth, "- " * depth))


def _lengthened(draw: Draw, lines: list[str], at: int) -> None:
    lines[at] += draw.choice(("a", "9", "a.", "\u00e9", "*", "/", " ", "\\")) * draw.choice((64, 300, 5000))


_LINES = (_doubled, _swapped, _dropped, _indented, _revalued, _revalued, _rekeyed, _anchored, _nested, _lengthened)
_ON_TEXT: tuple[TextMutation, ...] = (_cut, _inserted, _inserted, *map(_on_lines, (*_LINES, *_LINES, _laughing)))

# ---------------------------------------------------------------------------- on what it says


@functools.cache
def _said(text: str) -> Any:
    """Return what a document of the examples says; nobody may change it."""
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def _rewritten(draw: Draw, text: str, other: str) -> str:
    document = copy.deepcopy(_said(text))
    for _ in range(draw.choice((1, 1, 1, 2, 3, 6))):
        places = [at for at in _places(document) if at]
        if places and draw.random() < 0.4:
            _exchanged(draw, document, draw.choice(places), _said(other))
        elif places:
            _changed(draw, document, draw.choice(places))
    if draw.random() < 0.05:
        return "\n---\n".join([_written(draw, document)] * 2)
    return _written(draw, document)


def _places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield at
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from _places(item, (*at, key))


def _inside(value: Any, at: tuple[Any, ...]) -> Any:
    for step in at:
        value = value[step]
    return value


def _exchanged(draw: Draw, document: Any, at: tuple[Any, ...], other: Any) -> None:
    """Write what another document says under the same key: names, references, hosts and ports get mixed up."""
    alike = [place for place in _places(other) if place and place[-1] == at[-1]]
    if alike:
        _inside(document, at[:-1])[at[-1]] = copy.deepcopy(_inside(other, draw.choice(alike)))


def _changed(draw: Draw, document: Any, at: tuple[Any, ...]) -> None:
    owner, key = _inside(document, at[:-1]), at[-1]
    match draw.randrange(9):
        case 0:
            del owner[key]
        case 1 if isinstance(owner, dict):
            owner[draw.choice((*NAMES, str(key).upper(), f"{key}s", "ref", "id", "name", "spec"))] = owner.pop(key)
        case 2:
            owner[key] = draw.choice((owner[key], [owner[key]], {"name": owner[key]}, str(owner[key])))
        case 3 if isinstance(owner, list):
            owner.extend(copy.deepcopy(owner[key]) for _ in range(draw.choice((1, 1, 3, 12))))
        case 4 if isinstance(owner[key], str):
            owner[key] = draw.choice((*NAMES, owner[key].upper(), owner[key] + "x", owner[key][::-1]))
        case 5 if isinstance(owner[key], int):
            owner[key] = draw.choice((-1, 0, 1, 80, 1023, 15000, 65535, 65536, 2**31, 2**63, 10**40, 1.5, True))
        case 6 if isinstance(owner, dict):
            owner[draw.choice(("spec", "metadata", "ref", "port", "tls", "mtls", "hosts", "x"))] = _anything(draw)
        case _:
            owner[key] = _anything(draw)


_STRANGE: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, float("nan"), float("inf"), 10**60, "", "x", "*", [], {}, [None], {"": None},
    {"ref": {"name": "pets"}}, {"id": "x"}, {"ref": None}, datetime.date(2030, 1, 31), b"\x00\xff",
    datetime.datetime(2030, 1, 31, tzinfo=datetime.UTC), "2030-01-31T00:00:00Z", "-v-", {2: 2, None: 3, True: 4},
)  # fmt: skip


def _anything(draw: Draw) -> Any:
    return copy.deepcopy(draw.choice(_STRANGE))


def _written(draw: Draw, document: Any) -> str:
    if draw.random() < 0.2:
        return json.dumps(_json(document))
    return str(yaml.safe_dump(document, sort_keys=False, allow_unicode=draw.random() < 0.5, width=10**6))


def _json(value: Any) -> Any:
    match value:
        case dict():
            return {str(key): _json(item) for key, item in value.items()}
        case list():
            return [_json(item) for item in value]
        case None | bool() | int() | float() | str():
            return value
        case _:
            return str(value)
