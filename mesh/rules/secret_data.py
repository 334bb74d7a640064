"""The values of a Secret: text under `stringData`, base64 under `data`.

Law: a message names the key and never the value.
"""

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import Any

from mesh import problems
from mesh.problems import Problem, Ref
from mesh.rules import wording

Document = Mapping[str, Any]


def with_string_data(document: Document) -> Document:
    """Return a Secret in which the text of `stringData` stands as base64 under `data`, over what stood there before."""
    text, data = document.get("stringData"), document.get("data")
    if not isinstance(text, Mapping) or not (data is None or isinstance(data, Mapping)):
        return document
    encoded = {key: _base64(value) for key, value in text.items() if isinstance(value, str)}
    return {**document, "data": {**(data or {}), **encoded}}


def _base64(text: str) -> str:
    return base64.b64encode(text.encode("utf-8", "surrogatepass")).decode("ascii")


def secret_problems(subject: Ref, document: Document) -> Iterator[Problem]:
    """Yield an error for each value that is not what its field holds; the library judges the form of `data` itself."""
    text, data = document.get("stringData"), document.get("data")
    if isinstance(text, Mapping):
        yield from (_not_text(subject, key) for key, value in text.items() if not isinstance(value, str))
    elif text is not None:
        fault = f"is {wording.type_name(text)}, not a set of fields"
        yield problems.error(subject, "stringData", fault, "write `name: value` lines under it")
    if isinstance(data, Mapping):
        values = ((key, value) for key, value in data.items() if isinstance(value, str))
        yield from (_not_base64(subject, key) for key, value in values if not _is_base64(value))


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode("".join(text.split()), validate=True)
    except (ValueError, binascii.Error):
        return False
    return True


def _not_text(subject: Ref, key: object) -> Problem:
    field = wording.field_path(("stringData", key))
    return problems.error(subject, field, "is not text", "put it in quotes")


def _not_base64(subject: Ref, key: object) -> Problem:
    field = wording.field_path(("data", key))
    return problems.error(subject, field, "is not base64", "encode it, or move it to stringData as plain text")
