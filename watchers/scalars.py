"""What a YAML scalar means: text, number, truth value or nothing, as kubectl reads it.

Law: YAML 1.1 booleans (`yes`, `off`) are booleans; dates and times of day stay text; nothing here raises.
"""

import math
import re
from collections.abc import Callable, Mapping

Scalar = str | int | float | bool | None

STRING, TIMESTAMP = "tag:yaml.org,2002:str", "tag:yaml.org,2002:timestamp"

_NULL = re.compile(r"~|null|Null|NULL|")
_TRUE = re.compile(r"yes|Yes|YES|true|True|TRUE|on|On|ON")
_FALSE = re.compile(r"no|No|NO|false|False|FALSE|off|Off|OFF")
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9_]*|0b[01][01_]*|0o[0-7][0-7_]*|0x[0-9a-fA-F][0-9a-fA-F_]*|0[0-7_]*[0-7])")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*([eE][-+]?[0-9]+)?|[eE][-+]?[0-9]+))|[-+]?\.(inf|Inf|INF)")
_NAN = re.compile(r"\.(nan|NaN|NAN)")
_LONGEST_INTEGER = 128


def plain(text: str) -> Scalar:
    """Return what an unquoted scalar means."""
    for pattern, meaning in _MEANINGS:
        if pattern.fullmatch(text):
            return meaning(text)
    return text


def tagged(tag: str, text: str) -> tuple[Scalar] | None:
    """Return in a tuple what a scalar with an explicit tag means, or None where the two do not go together."""
    if tag in {STRING, TIMESTAMP}:
        return (text,)
    value = plain(text)
    return (value,) if type(value) in _TYPES.get(tag, ()) else None


def key(value: object) -> str | None:
    """Return the text of a mapping's key, numbers and truth values as JSON writes them; None if it cannot be a key."""
    match value:
        case str():
            return value
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)
        case _:
            return None


def _integer(text: str) -> Scalar:
    digits = text.replace("_", "")
    if len(digits) > _LONGEST_INTEGER:
        return text
    octal = re.fullmatch(r"([-+]?)0([0-7]+)", digits)
    return int(f"{octal[1]}0o{octal[2]}" if octal else digits, 0)


def _float(text: str) -> Scalar:
    return float(text.replace(".inf", "inf").replace(".Inf", "inf").replace(".INF", "inf"))


_MEANINGS: tuple[tuple[re.Pattern[str], Callable[[str], Scalar]], ...] = (
    (_NULL, lambda _: None),
    (_TRUE, lambda _: True),
    (_FALSE, lambda _: False),
    (_INTEGER, _integer),
    (_FLOAT, _float),
    (_NAN, lambda _: math.nan),
)

_TYPES: Mapping[str, tuple[type, ...]] = {
    "tag:yaml.org,2002:null": (type(None),),
    "tag:yaml.org,2002:bool": (bool,),
    "tag:yaml.org,2002:int": (int,),
    "tag:yaml.org,2002:float": (float, int),
}
