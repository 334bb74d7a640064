"""Edits of mesh files as a person would make them: a number changes, comments and layout stay.

Law: a file is replaced whole, so that whoever watches it never reads half of an edit.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml


def replace_file(path: Path, text: str) -> None:
    """Put this text in place of the file, at once."""
    draft = path.with_name(f".{path.name}.draft")
    draft.write_text(text)
    os.replace(draft, path)


def with_weights(text: str, table: str, weights: Mapping[str, int]) -> str:
    """Return YAML text in which the named route table gives these deployments these weights."""
    edited = text
    for node, weight in reversed(tuple(_weights(text, table, weights))):  # from the end, so that places stay right
        edited = f"{edited[: node.start_mark.index]}{weight}{edited[node.end_mark.index :]}"
    return edited


def _weights(text: str, table: str, weights: Mapping[str, int]) -> Iterator[tuple[yaml.Node, int]]:
    for document in yaml.compose_all(text, Loader=yaml.SafeLoader):
        if _text(document, "kind") == "VirtualServiceRouteTable" and _text(document, "metadata", "name") == table:
            for destination in _destinations(document):
                name, weight = _text(destination, "virtualDeployment", "ref", "name"), _at(destination, "weight")
                if name in weights and weight is not None:
                    yield weight, weights[name]


def _destinations(document: yaml.Node) -> Iterator[yaml.Node]:
    for rule in _items(_at(document, "spec", "routeRules")):
        yield from _items(_at(rule, "httpRoute", "destinations"))


def _items(node: yaml.Node | None) -> list[yaml.Node]:
    return node.value if isinstance(node, yaml.SequenceNode) else []


def _at(node: yaml.Node | None, *path: str) -> yaml.Node | None:
    for step in path:
        pairs = node.value if isinstance(node, yaml.MappingNode) else ()
        node = next((value for key, value in pairs if key.value == step), None)
    return node


def _text(node: yaml.Node | None, *path: str) -> str:
    found = _at(node, *path)
    return str(found.value) if isinstance(found, yaml.ScalarNode) else ""
