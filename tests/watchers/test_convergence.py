"""Whatever is done to a folder, what is told of it is what a plain account of the edits says."""

import asyncio
import contextlib
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from watchers import files, store

LABELS = ("a.yaml", "b.yml", "deep/c.yaml", "deep/d.json")
BROKEN = "a: b: c\n"
LINES = 6
"""Lines of each document below."""


@dataclass(frozen=True)
class Doc:
    """A document: good, faulty (its object can be told), or nameless (it cannot)."""

    name: str
    v: str
    state: str = "good"

    def text(self) -> str:
        name = "" if self.state == "nameless" else f"name: {self.name}, "
        ports = "oops" if self.state == "faulty" else "[]"
        return (
            f"---\napiVersion: v1\nkind: Service\nmetadata: {{{name}labels: {{v: '{self.v}'}}}}\n"
            f"spec:\n  ports: {ports}\n"
        )


docs = st.builds(
    Doc, st.sampled_from("xyz"), st.sampled_from("12"), st.sampled_from(["good"] * 4 + ["faulty", "nameless"])
)
labels = st.sampled_from(LABELS)
Edit = tuple[str, str, object]
edits = st.one_of(
    st.tuples(st.just("write"), labels, st.lists(docs, max_size=3)),
    st.tuples(st.just("break"), labels, st.none()),
    st.tuples(st.just("delete"), labels, st.none()),
    st.tuples(st.just("rename"), labels, labels),
    st.tuples(st.just("swap"), labels, labels),
)


def perform(root: Path, edit: Edit) -> None:
    """Do an edit on the disk."""
    what, label, other = edit
    path = root / label
    match what:
        case "write":
            path.write_text("".join(doc.text() for doc in other))
        case "break":
            path.write_text(BROKEN)
        case "delete":
            path.unlink(missing_ok=True)
        case "rename" if path.exists():
            path.rename(root / other)
        case "swap" if label != other and path.exists() and (root / other).exists():
            path.rename(root / ".aside")
            (root / other).rename(path)
            (root / ".aside").rename(root / other)


Content = list[Doc] | None
"""What is in a file; None: it is broken."""


def rewritten(content: dict[str, Content], edit: Edit) -> dict[str, Content]:
    """What is in the files after an edit."""
    what, label, other = edit
    match what:
        case "write":
            return {**content, label: other}
        case "break":
            return {**content, label: None}
        case "delete":
            return {key: value for key, value in content.items() if key != label}
        case "rename" if label in content:
            return {**{key: value for key, value in content.items() if key != label}, other: content[label]}
        case "swap" if label in content and other in content:
            return {**content, label: content[other], other: content[label]}
    return content


Entry = tuple[int, str, str]
"""Line, name, label v."""


def in_force(content: Content, before: list[Entry]) -> list[Entry]:
    """The objects of a file, given those it had before."""
    if content is None:
        return before
    good = [(LINES * at + 2, doc.name, doc.v) for at, doc in enumerate(content) if doc.state == "good"]
    names = {name for _, name, _ in good}
    faulty = {doc.name for doc in content if doc.state == "faulty"}
    is_uncertain = any(doc.state == "nameless" for doc in content)
    kept = [entry for entry in before if entry[1] not in names and (is_uncertain or entry[1] in faulty)]
    return sorted([*good, *kept], key=lambda entry: entry[0])


def account(entries: dict[str, list[Entry]]) -> dict[str, tuple[str, str]]:
    """For each name the label v and the place of the object that counts."""
    counting: dict[str, tuple[str, str]] = {}
    for label in sorted(entries):
        for line, name, v in entries[label]:
            counting.setdefault(name, (v, f"{label}:{line}"))
    return counting


def seen(look: files.Look) -> dict[str, tuple[str, str]]:
    return {ref.name: (entry.resource.metadata.labels["v"], entry.place) for ref, entry in look.entries.items()}


def fresh(root: Path) -> tuple[dict[str, tuple[str, str]], list[str]]:
    with contextlib.chdir(root):
        found = files.read(["."])
    objects = {item.metadata.name: (item.metadata.labels["v"], found.places[item.ref]) for item in found.resources}
    return objects, [str(problem) for problem in found.problems]


def problems_of(look: files.Look) -> list[str]:
    return [str(problem) for label in sorted(look.problems) for problem in look.problems[label]]


def new_root(name: str) -> Path:
    root = Path(name) / "mesh"
    (root / "deep").mkdir(parents=True)
    return root


@settings(max_examples=120, deadline=None)
@given(st.lists(edits, max_size=12))
def test_each_look_is_what_was_good_last_and_a_first_look_what_is_good_now(done: list[Edit]) -> None:
    with tempfile.TemporaryDirectory() as name:
        root = new_root(name)
        content: dict[str, Content] = {}
        entries: dict[str, list[Entry]] = {}
        look = files.Look()
        for edit in done:
            perform(root, edit)
            content = rewritten(content, edit)
            entries = {label: in_force(docs, entries.get(label, [])) for label, docs in content.items()}
            look = files.look(os.fspath(root), look)
            assert seen(look) == account(entries)
            assert fresh(root)[0] == account({label: in_force(docs, []) for label, docs in content.items()})


@settings(max_examples=100, deadline=None)
@given(st.lists(edits, max_size=8))
def test_when_everything_is_mended_the_past_has_left_no_trace(done: list[Edit]) -> None:
    with tempfile.TemporaryDirectory() as name:
        root = new_root(name)
        look = files.Look()
        content: dict[str, Content] = {}
        for edit in done:
            perform(root, edit)
            content = rewritten(content, edit)
            look = files.look(os.fspath(root), look)
        for label, docs in content.items():
            (root / label).write_text("".join(Doc(doc.name, doc.v).text() for doc in docs or []))
        look = files.look(os.fspath(root), look)
        assert (seen(look), problems_of(look)) == fresh(root)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(edits, st.booleans()), max_size=10))
def test_a_live_folder_converges_however_fast_it_is_edited(done: list[tuple[Edit, bool]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(_edited_live(new_root(name), done))


async def _edited_live(root: Path, done: list[tuple[Edit, bool]]) -> None:
    """Edit a folder that is followed, at some edits waiting for it to be noticed, mend it, and compare."""
    held, source = store.Store(), files.FileSource(root, poll=60)
    content: dict[str, Content] = {}
    async with asyncio.timeout(30), contextlib.aclosing(source.events()) as stream:

        async def until(expected: Callable[[], bool]) -> None:
            while not expected():
                held.apply(await anext(stream))

        def is_told(version: str) -> bool:
            return any(
                item.metadata.name == "mark" and item.metadata.labels["v"] == version for item in held.inventory()
            )

        await until(lambda: held.synced([source.name]))
        for number, (edit, is_awaited) in enumerate(done):
            perform(root, edit)
            content = rewritten(content, edit)
            if is_awaited:
                (root / "mark.yaml").write_text(Doc("mark", str(number)).text())
                await until(lambda number=number: is_told(str(number)))
        for label, docs in content.items():
            (root / label).write_text("".join(Doc(doc.name, doc.v).text() for doc in docs or []))
        (root / "mark.yaml").write_text(Doc("mark", "end").text())
        objects, said = fresh(root)
        await until(lambda: _is_as(held, source, objects, said))


def _is_as(held: store.Store, source: files.FileSource, objects: dict[str, tuple[str, str]], said: list[str]) -> bool:
    told = {item.metadata.name: item.metadata.labels["v"] for item in held.inventory()}
    return told == {name: v for name, (v, _) in objects.items()} and [str(item) for item in held.problems()] == said
