"""What a proxy gets: parts, which it has in common with others, each a tuple of encoded resources.

Law: a part is one object for all proxies that have it, and stays that object for as long as its content does.
"""

from translator.resources import EncodedResource

Part = tuple[EncodedResource, ...]
Bundle = tuple[Part, ...]
"""The parts of one proxy; no resource stands in two of them, and none of them is empty."""


def bundle(*parts: Part) -> Bundle:
    """Return the bundle of these parts, without the empty ones."""
    return tuple(filter(None, parts))


def merged(*parts: Part) -> Part:
    """Return one part of several, each resource once."""
    return tuple({(item.type_url, item.name): item for part in parts for item in part}.values())
