"""Faults of form, as a newcomer would say them: a field is missing, a number is text, a list is too long.

Law: no word of the validation library reaches a user, and no value of a Secret.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pydantic

from mesh import problems, resources
from mesh.problems import Problem, Ref
from mesh.rules import wording

Words = tuple[str, str]
"""Fault and remedy."""

_WHY_MISSING: Mapping[str, str] = {
    "compartmentId": "add it; meshloom asks for it as the original API does but does not use it, so any text will do",
    "certificateAuthorities": "add a list of one item, as `- id: my-ca`; meshloom maps the id to an authority",
    "weight": "add a whole number from 0 to 100, the share of the traffic",
    "action": "add `action: ALLOW`, the only action there is",
    "name": "add a name",
}
"""Remedies for fields that are missing, where more can be said than `add it`."""


def shape_problems(subject: Ref, fault: pydantic.ValidationError, document: object) -> tuple[Problem, ...]:
    """Return one problem for each place at which the document has not the form of its kind."""
    places: dict[str, Words] = {}
    items = tuple(filter(_is_real, fault.errors(include_url=False)))
    for item in items[: problems.MOST_ALIKE]:
        places.setdefault(wording.field_path(_steps(item, document)), _words(item))
    told = tuple(problems.error(subject, field, *words) for field, words in places.items())
    return (*told, *problems.rest_of(told[:1] * len(items[problems.MOST_ALIKE :])))


def _is_real(item: Any) -> bool:
    """Return whether a list is as short as is claimed: the library counts only items that are without fault."""
    return bool(item["type"] != "too_short" or len(item["input"]) < item["ctx"]["min_length"])


def _steps(item: Any, value: object) -> Iterator[object]:
    """Follow a location through the document; the library's own marks (union members, keys) lead nowhere and end it."""
    for step in item["loc"]:
        match value:
            case Mapping() if step in value or item["type"] == "missing":
                value = value.get(step)
            case list() | tuple() if isinstance(step, int):
                value = value[step]
            case _:
                return
        yield step


def _words(item: Any) -> Words:
    words = _WORDS.get(item["type"], _other)
    return words(item)


def _missing(item: Any) -> Words:
    return "is missing", _WHY_MISSING.get(item["loc"][-1], "add it")


def _not_text(item: Any) -> Words:
    if isinstance(item["input"], bool | int | float):
        return f"is {wording.type_name(item['input'])}, not text", "put it in quotes"
    return f"is {wording.type_name(item['input'])}, not text", "write text"


def _not_a_number(item: Any) -> Words:
    fault = f"is {wording.type_name(item['input'])}, not a whole number"
    return fault, "remove the quotes" if _is_digits(item["input"]) else "write a whole number"


def _is_digits(value: object) -> bool:
    return isinstance(value, str) and value.isascii() and value.isdigit()


def _not_a_flag(item: Any) -> Words:
    return f"is {wording.type_name(item['input'])}, not true or false", "write true or false, without quotes"


def _not_a_list(item: Any) -> Words:
    return f"is {wording.type_name(item['input'])}, not a list", "write each item on a line of its own after `- `"


def _not_fields(item: Any) -> Words:
    return f"is {wording.type_name(item['input'])}, not a set of fields", "write `name: value` lines under it"


def _too_small(item: Any) -> Words:
    return f"is {wording.quoted(item['input'])}, below the minimum {item['ctx']['ge']}", "raise it"


def _too_great(item: Any) -> Words:
    return f"is {wording.quoted(item['input'])}, above the maximum {item['ctx']['le']}", "lower it"


def _too_few(item: Any) -> Words:
    return f"has {len(item['input'])} items", f"list at least {item['ctx']['min_length']}"


def _too_many(item: Any) -> Words:
    return f"has {len(item['input'])} items", f"list at most {item['ctx']['max_length']}"


def _empty(item: Any) -> Words:
    return "is empty", "write at least one character"


def _too_long(item: Any) -> Words:
    return f"has {len(item['input'])} characters", f"shorten it to {item['ctx']['max_length']} or fewer"


def _not_a_value(item: Any) -> Words:
    allowed = re.findall(r"'([^']*)'", item["ctx"]["expected"])
    return f"is {wording.quoted(item['input'])}, which has no meaning here", wording.one_of(allowed, item["input"])


def _not_unicode(item: Any) -> Words:
    return "contains a character that is not valid Unicode", "write it anew in UTF-8"


def _not_a_time(item: Any) -> Words:
    return "is not a point in time", "write it as 2030-01-31T12:00:00Z, or leave it out"


def _not_a_quantity(item: Any) -> Words:
    return f"is {wording.quoted(item['input'])}, not a quantity", "write an amount such as 100m, 0.5 or 128Mi"


def _other(item: Any) -> Words:
    return f"is {wording.type_name(item['input'])} in a form that meshloom cannot read", "compare it with the reference"


_WORDS: Mapping[str, Callable[[Any], Words]] = {
    "missing": _missing,
    "string_type": _not_text,
    "string_unicode": _not_unicode,
    "string_too_short": _empty,
    "string_too_long": _too_long,
    "int_type": _not_a_number,
    "int_parsing": _not_a_number,
    "int_from_float": _not_a_number,
    "bool_type": _not_a_flag,
    "bool_parsing": _not_a_flag,
    "tuple_type": _not_a_list,
    "dict_type": _not_fields,
    "mapping_type": _not_fields,
    "model_type": _not_fields,
    "greater_than_equal": _too_small,
    "less_than_equal": _too_great,
    "too_short": _too_few,
    "too_long": _too_many,
    "enum": _not_a_value,
    "literal_error": _not_a_value,
    "datetime_type": _not_a_time,
    "datetime_parsing": _not_a_time,
    "datetime_from_date_parsing": _not_a_time,
    resources.NOT_A_QUANTITY: _not_a_quantity,
}
"""What each fault of the validation library means. A type that is missing here gets the words of `_other`."""
