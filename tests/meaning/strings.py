"""Matching of texts: `envoy.type.matcher.v3.StringMatcher`, and the patterns of RE2 that match as a whole."""

import re
from collections.abc import Mapping
from typing import Any

from tests.meaning.understood import NotUnderstoodError


def matches(matcher: Mapping[str, Any], text: str) -> bool:
    """Return whether a StringMatcher holds for a text. `ignore_case` has no effect on a regex, as its proto says."""
    if "safe_regex" in matcher:
        return whole(matcher["safe_regex"]["regex"], text)
    fold = str.lower if matcher.get("ignore_case") else str
    said = fold(text)
    match next(((kind, fold(value)) for kind, value in matcher.items() if kind != "ignore_case"), None):
        case ("exact", value):
            return said == value
        case ("prefix", value):
            return said.startswith(value)
        case ("suffix", value):
            return said.endswith(value)
        case ("contains", value):
            return value in said
        case _:
            raise NotUnderstoodError(f"a StringMatcher of {sorted(matcher)}")


def whole(pattern: str, text: str) -> bool:
    """Return whether a pattern matches all of a text; Envoy's regexes are never searched for inside."""
    return re.fullmatch(pattern, text) is not None
