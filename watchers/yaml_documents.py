"""The documents of a YAML text, with the line of every value.

Law: total and bounded: any text gives documents or a flaw that says where; nothing recurses or grows without limit.
"""

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from mesh.rules import wording
from watchers import json_texts, scalars

DEEPEST = 100
"""Levels of nesting that are read; the nine kinds need about ten."""
MOST_ALIASED = 100_000
"""Values that all aliases of one text may stand for together."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_COLLECTION_TAGS = {None, "!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"}
_MARK = re.compile(r"^---(?=\s|$)", re.MULTILINE)
_REMEDIES = (
    ("mapping values are not allowed", "indent this line like its neighbours, or quote the text that holds a colon"),
    ("cannot start any token", "indent with spaces instead of tabs, and quote text that begins with @, ` or %"),
    ("control characters", "save the file as plain UTF-8 text"),
    ("special characters", "save the file as plain UTF-8 text"),
    ("unexpected end of stream", "close the quote or bracket that is still open"),
    ("could not find expected ':'", "write a colon and a space behind the key"),
    ("did not find expected key", "indent this line like its neighbours"),
    ("did not find expected ','", "close the bracket, or put a comma between the values"),
)


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong at a line (from 1; 0 for all) of a text, and what to do."""

    line: int
    fault: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Node:
    """A value and the line (from 1) of its key or beginning; `size` and `height` count what it holds, aliases too."""

    line: int
    value: Any
    parts: Mapping[str | int, "Node"] = field(default_factory=dict)
    size: int = 1
    height: int = 0

    def line_of(self, path: str) -> int:
        """Return the line of a field as `spec.hosts[0].port`, or of the nearest thing around it that is there."""
        node = self
        for step in re.findall(r"[^.\[\]]+", path):
            inner = node.parts.get(step) or (node.parts.get(int(step)) if step.isdecimal() else None)
            if inner is None:
                break
            node = inner
        return node.line


@dataclass(frozen=True, slots=True)
class Document:
    """One document that is not empty, and what is wrong within it while the text around it can be read."""

    root: Node
    flaws: tuple[Flaw, ...] = ()


@dataclass(frozen=True, slots=True)
class Text:
    """The documents of a text, or, where the text cannot be read at all, none and the flaw."""

    documents: tuple[Document, ...] = ()
    flaw: Flaw | None = None


def read(text: str) -> Text:
    """Return the documents of a YAML or JSON text, empty ones left out.

    If a document cannot be read, the others of the text can: it is then a document of nothing, with the flaw.
    """
    is_json = json_texts.is_json(text)
    whole = json_texts.with_whole_letters(text) if is_json else text
    found = _documents(whole, 0, 0)
    if isinstance(found, Flaw) and is_json:
        again = _documents(json_texts.with_long_keys(whole), 0, 0)
        found = found if isinstance(again, Flaw) else again
    return Text(found[0]) if not isinstance(found, Flaw) else _piecewise(whole, found)


def _piecewise(text: str, flaw: Flaw) -> Text:
    """Return the documents of a text with a flaw, each read for itself from one `---` to the next."""
    starts = [0, *(mark.start() for mark in _MARK.finditer(text) if mark.start())]
    line, aliased, documents = 0, 0, list[Document]()
    for start, end in itertools.pairwise((*starts, len(text))):
        piece = text[start:end]
        found = _documents(piece, line, aliased)
        if isinstance(found, Flaw):
            documents.append(Document(Node(found.line, None), (found,)))
        else:
            documents.extend(found[0])
            aliased = found[1]
        line += piece.count("\n")
    is_partly_good = len({document.root.value is None for document in documents}) == 2
    return Text(tuple(documents)) if is_partly_good else Text(flaw=flaw)


def _described(error: Exception, text: str, before: int) -> Flaw:
    """Return what keeps a text, with so many lines before it, from being read."""
    match error:
        case _UnreadableError(flaw=flaw):
            return flaw
        case yaml.reader.ReaderError():
            readable = text.encode(errors="replace")[: error.position]
            return _flaw(before + readable.count(b"\n") + 1, str(error.reason))
        case yaml.MarkedYAMLError():
            return _syntax_flaw(error, before)
        case _:
            return _flaw(before + 1, str(error))


class _UnreadableError(Exception):
    """Ends the reading of a text; never leaves this module."""

    def __init__(self, flaw: Flaw) -> None:
        super().__init__(flaw.fault)
        self.flaw = flaw


def _syntax_flaw(error: yaml.MarkedYAMLError, before: int) -> Flaw:
    mark = error.problem_mark or error.context_mark
    context = f" {error.context}" if error.context else ""
    if context and error.context_mark:
        context += f" that begins at line {before + error.context_mark.line + 1}"
    return _flaw(before + (mark.line if mark else 0) + 1, f"{error.problem or 'not valid YAML'}{context}")


def _flaw(line: int, fault: str) -> Flaw:
    remedies = (remedy for sign, remedy in _REMEDIES if sign in fault)
    return Flaw(line, fault, next(remedies, "mend the YAML at this line"))


def _documents(text: str, before: int, aliased: int) -> tuple[tuple[Document, ...], int] | Flaw:
    """Return the documents of a text and for how many values aliases stand; `before` counts the lines before it."""
    try:
        return _composed(_LOADER(text), before, aliased)
    except (_UnreadableError, yaml.YAMLError, UnicodeError) as error:
        return _described(error, text, before)


def _composed(loader: Any, before: int, aliased: int) -> tuple[tuple[Document, ...], int]:
    try:
        loader.get_event()
        documents = []
        while not loader.check_event(yaml.StreamEndEvent):
            composer = _Composer(loader, before, aliased)
            documents.append(composer.document())
            aliased = composer.aliased
        return tuple(item for item in documents if item.root.value is not None or item.flaws), aliased
    finally:
        loader.dispose()


class _Composer:
    """Reads one document from a loader's events."""

    def __init__(self, loader: Any, before: int, aliased: int) -> None:
        self.loader = loader
        self.before = before
        self.aliased = aliased
        self.anchors: dict[str, Node] = {}
        self.flaws: list[Flaw] = []

    def document(self) -> Document:
        self.loader.get_event()
        root = self.node(0)
        self.loader.get_event()
        return Document(root, tuple(self.flaws))

    def node(self, depth: int) -> Node:
        event = self.loader.get_event()
        line = event.start_mark.line + 1 + self.before
        if isinstance(event, yaml.AliasEvent):
            return self.alias(str(event.anchor), line, depth)
        if depth > DEEPEST:
            raise _UnreadableError(_too_deep(line))
        node = self.composed(event, line, depth)
        if event.anchor:
            self.anchors[event.anchor] = node
        return node

    def alias(self, anchor: str, line: int, depth: int) -> Node:
        node = self.anchors.get(anchor)
        if node is None:
            shown = wording.shortened(anchor)
            fault = f"the alias *{shown} stands for nothing that ends before it"
            raise _UnreadableError(Flaw(line, fault, f"write &{shown} before the value it shall stand for"))
        if depth + node.height > DEEPEST:
            raise _UnreadableError(_too_deep(line))
        self.aliased += node.size
        if self.aliased > MOST_ALIASED:
            fault = f"the aliases stand for more than {MOST_ALIASED:,} values together"
            raise _UnreadableError(Flaw(line, fault, "write the values out, or split the file"))
        return node

    def composed(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent, line: int, depth: int) -> Node:
        if isinstance(event, yaml.ScalarEvent):
            return self.scalar(event, line)
        is_list = isinstance(event, yaml.SequenceStartEvent)
        composed = self.sequence(line, depth) if is_list else self.mapping(line, depth)
        if event.tag not in _COLLECTION_TAGS:
            self.flaws.append(_bad_tag(line, event.tag))
        return composed

    def scalar(self, event: yaml.ScalarEvent, line: int) -> Node:
        if event.implicit[0]:
            return Node(line, scalars.plain(event.value))
        if event.tag is None or event.implicit[1]:
            return Node(line, event.value)
        meaning = scalars.tagged(event.tag, event.value)
        if meaning is None:
            self.flaws.append(_bad_tag(line, event.tag))
            return Node(line, event.value)
        return Node(line, meaning[0])

    def sequence(self, line: int, depth: int) -> Node:
        items = []
        while not self.loader.check_event(yaml.SequenceEndEvent):
            items.append(self.node(depth + 1))
        self.loader.get_event()
        return _collection(line, [item.value for item in items], dict(enumerate(items)))

    def mapping(self, line: int, depth: int) -> Node:
        own: dict[str, Node] = {}
        merged: list[Node] = []
        while not self.loader.check_event(yaml.MappingEndEvent):
            is_merge = _is_merge(self.loader.peek_event())
            key, value = self.node(depth + 1), self.node(depth + 1)
            if is_merge:
                merged.extend(self.mergeable(value, key.line))
            else:
                self.enter(own, key, value)
        self.loader.get_event()
        parts: Mapping[Any, Node] = own
        for source in merged:
            parts = {**source.parts, **parts}
        return _collection(line, {key: node.value for key, node in parts.items()}, parts)

    def enter(self, own: dict[str, Node], key: Node, value: Node) -> None:
        name = scalars.key(key.value)
        if name is None:
            self.flaws.append(Flaw(key.line, "a key is not text", "write one word or a quoted text before the colon"))
        elif name in own:
            fault = f"the key {wording.quoted(name)} is already written at line {own[name].line}"
            self.flaws.append(Flaw(key.line, fault, "remove one of the two"))
        else:
            own[name] = value if value.line == key.line else replace(value, line=key.line)

    def mergeable(self, value: Node, line: int) -> tuple[Node, ...]:
        sources = tuple(value.parts.values()) if isinstance(value.value, list) else (value,)
        if all(isinstance(source.value, dict) for source in sources):
            return sources
        self.flaws.append(Flaw(line, "<< merges what is no mapping", "let it stand for a mapping, or a list of them"))
        return ()


def _is_merge(event: yaml.Event) -> bool:
    return isinstance(event, yaml.ScalarEvent) and event.value == "<<" and bool(event.implicit[0])


def _collection(line: int, value: Any, parts: Mapping[Any, Node]) -> Node:
    size = 1 + sum(part.size for part in parts.values())
    return Node(line, value, parts, size, 1 + max((part.height for part in parts.values()), default=0))


def _too_deep(line: int) -> Flaw:
    return Flaw(line, f"values are nested more than {DEEPEST} levels deep", "write them with fewer levels")


def _bad_tag(line: int, tag: str | None) -> Flaw:
    shown = (tag or "").replace("tag:yaml.org,2002:", "!!")
    fault = f"the tag {wording.shortened(shown)} does not fit here"
    return Flaw(line, fault, "remove it; meshloom reads plain YAML values")
