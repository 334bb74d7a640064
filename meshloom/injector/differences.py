"""What turns one document into another, as a JSON patch (RFC 6902).

Law: applied in order, the operations give exactly the other document; what is the same in both is not mentioned.
"""

from collections.abc import Iterator, Mapping
from typing import Any

Operation = dict[str, Any]


def differences(old: Any, new: Any, path: str = "") -> Iterator[Operation]:
    """Yield the operations that turn `old` into `new`."""
    match old, new:
        case Mapping(), Mapping():
            yield from _in_objects(old, new, path)
        case list(), list() if _are_kept(old, new):
            yield from _in_lists(old, new, path)
        case _ if old != new:
            yield {"op": "replace", "path": path, "value": new}


def _in_objects(old: Mapping[str, Any], new: Mapping[str, Any], path: str) -> Iterator[Operation]:
    for key in old.keys() - new.keys():
        yield {"op": "remove", "path": f"{path}/{_escaped(key)}"}
    for key, value in new.items():
        inside = f"{path}/{_escaped(key)}"
        if key in old:
            yield from differences(old[key], value, inside)
        else:
            yield {"op": "add", "path": inside, "value": value}


def _in_lists(old: list[Any], new: list[Any], path: str) -> Iterator[Operation]:
    """Yield what makes of named things others: those that are new are put in place from the left to the right."""
    known = {one["name"]: one for one in old}
    for number, one in enumerate(new):
        if one["name"] in known:
            yield from differences(known[one["name"]], one, f"{path}/{number}")
        else:
            yield {"op": "add", "path": f"{path}/{number}", "value": one}


def _are_kept(old: list[Any], new: list[Any]) -> bool:
    """Return whether both are lists of named things, and all of the old ones are among the new, in their order."""
    before, after = _names(old), _names(new)
    if before is None or after is None:
        return False
    return before == [name for name in after if name in {*before}] and len({*after}) == len(after)


def _names(things: list[Any]) -> list[str] | None:
    names = [one["name"] for one in things if isinstance(one, Mapping) and isinstance(one.get("name"), str)]
    return names if len(names) == len(things) else None


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
