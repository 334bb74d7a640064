"""JSON patches applied as RFC 6902 says, by hand: no product code has a part in it."""

import copy
from typing import Any


def applied(document: Any, operations: Any) -> Any:
    """Return a document after operations of the kinds add, remove and replace."""
    changed = copy.deepcopy(document)
    for one in operations:
        if one["path"] == "":
            assert one["op"] == "replace"
            changed = one["value"]
            continue
        *parents, last = (part.replace("~1", "/").replace("~0", "~") for part in one["path"].split("/")[1:])
        at = changed
        for part in parents:
            at = at[int(part)] if isinstance(at, list) else at[part]
        _change(at, last, one)
    return changed


def _change(at: Any, last: str, one: Any) -> None:
    value = copy.deepcopy(one.get("value"))
    match one["op"], at:
        case "add", list():
            assert int(last) <= len(at)
            at.insert(int(last), value)
        case "add", dict():
            at[last] = value
        case "replace", list():
            at[int(last)] = value
        case "replace", dict():
            assert last in at
            at[last] = value
        case "remove", dict():
            del at[last]
        case other:
            raise AssertionError(other)
