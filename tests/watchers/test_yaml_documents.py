"""YAML as kubectl reads it, with lines, and bounded whatever the text."""

import json
import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchers import yaml_documents


def values(text: str) -> list[object]:
    read = yaml_documents.read(text)
    assert read.flaw is None
    assert [document.flaws for document in read.documents] == [()] * len(read.documents)
    return [document.root.value for document in read.documents]


def flaw(text: str) -> yaml_documents.Flaw:
    """The one flaw of a text."""
    [found] = flaws(text)
    return found


def flaws(text: str) -> list[yaml_documents.Flaw]:
    """The flaw of a text as a whole, or those within its documents."""
    read = yaml_documents.read(text)
    if read.flaw:
        assert read.documents == ()
        return [read.flaw]
    return [found for document in read.documents for found in document.flaws]


@pytest.mark.parametrize(
    "text", ["", "\n\n", "# nothing\n", "---\n", "---\n---\n# a\n---\n", "\ufeff", "null\n---\n~\n"]
)
def test_a_text_without_content_has_no_documents(text: str) -> None:
    assert values(text) == []


@pytest.mark.parametrize(
    ("broken", "line", "fault"),
    [
        ("a: b: c", 4, "mapping values are not allowed"),
        ("a: 'b", 6, "unexpected end of stream"),
        ("a: [1, 2", 6, "did not find expected ',' or ']'"),
        ("\ta: 1", 4, "cannot start any token"),
        ("a: \x00", 4, "control characters"),
        ("a: *b", 4, "stands for nothing"),
        ("a: " + "[" * 200, 4, "nested more than 100 levels"),
    ],
)
def test_a_document_that_cannot_be_read_leaves_the_others_of_its_text(broken: str, line: int, fault: str) -> None:
    read = yaml_documents.read(f"# first\nx: 1\n---\n{broken}\n\n--- # third\nz:\n  - 3\n")
    assert read.flaw is None
    assert [document.root.value for document in read.documents] == [{"x": 1}, None, {"z": [3]}]
    assert read.documents[2].root.line_of("z[0]") == 8
    [found] = read.documents[1].flaws
    assert (found.line, fault in found.fault) == (line, True), found


def test_dashes_inside_of_a_text_begin_no_document() -> None:
    text = "a: |\n  ---\n  b\nc: '---'\n"
    assert values(text) == [{"a": "---\nb\n", "c": "---"}]
    read = yaml_documents.read(f"{text}---\n]\n")
    assert [document.root.value for document in read.documents] == [{"a": "---\nb\n", "c": "---"}, None]


def test_each_document_knows_its_line() -> None:
    read = yaml_documents.read("# first\na: 1\n---\n\nb: 2\n---\n---\n- c\n")
    assert [(item.root.value, item.root.line) for item in read.documents] == [({"a": 1}, 2), ({"b": 2}, 5), (["c"], 8)]


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("yes", True),
        ("off", False),
        ("True", True),
        ("y", "y"),
        ("~", None),
        ("", None),
        ("12", 12),
        ("-1_000", -1000),
        ("0x1F", 31),
        ("010", 8),
        ("-010", -8),
        ("0o17", 15),
        ("08", "08"),
        ("0b11", 3),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("-.inf", -math.inf),
        ("2023-01-01", "2023-01-01"),
        ("2023-01-01T00:00:00Z", "2023-01-01T00:00:00Z"),
        ("12:30", "12:30"),
        ("1.2.3.4", "1.2.3.4"),
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("'yes'", "yes"),
        ('"12"', "12"),
        ("!!str 12", "12"),
        ("!!timestamp 2023-01-01", "2023-01-01"),
        ("!!int 12", 12),
        ("!!float 12", 12),
        ("!!bool on", True),
        ("=", "="),
    ],
)
def test_a_scalar_means_what_kubectl_takes_it_for(text: str, meaning: object) -> None:
    [document] = values(f"a: {text}\n")
    assert document == {"a": meaning}
    assert type(document["a"]) is type(meaning)


def test_not_a_number_is_one() -> None:
    [document] = values("a: .nan")
    assert math.isnan(document["a"])


def test_a_number_of_a_thousand_digits_is_text_and_no_fault() -> None:
    assert values("a: " + "9" * 10_000) == [{"a": "9" * 10_000}]


def test_keys_are_text_as_in_json() -> None:
    assert values("1: a\nyes: b\n1.5: c\n'2': d") == [{"1": "a", "true": "b", "1.5": "c", "2": "d"}]


def test_aliases_and_merges_are_followed() -> None:
    text = "base: &base {a: 1, b: [x]}\none: *base\ntwo: {<<: *base, a: 2}\nthree: {<<: [{a: 3}, *base]}"
    [document] = values(text)
    assert document["one"] == {"a": 1, "b": ["x"]}
    assert document["two"] == {"a": 2, "b": ["x"]}
    assert document["three"] == {"a": 3, "b": ["x"]}


def test_a_quoted_merge_sign_is_an_ordinary_key() -> None:
    assert values("'<<': 1") == [{"<<": 1}]


def test_json_is_yaml_with_tabs_too() -> None:
    assert values('{\n\t"a": [1, true, null, "x\\/y"]\n}') == [{"a": [1, True, None, "x/y"]}]


@pytest.mark.parametrize(
    ("text", "line", "fault"),
    [
        ("a: 1\nb: c: d\n", 2, "mapping values are not allowed"),
        ("a:\n\t- b\n", 2, "cannot start any token"),
        ("a: 1\nb: 'c\n", 3, "unexpected end of stream while scanning a quoted scalar that begins at line 2"),
        ("a: [1,\n  2\nb: 3\n", 3, "did not find expected ',' or ']'"),
        ("a: 1\n\x00", 2, "control characters are not allowed"),
        ("a: 1\nb: *c\n", 2, "the alias *c stands for nothing that ends before it"),
        ("a: 1\nb: &b [*b]\n", 2, "the alias *b stands for nothing that ends before it"),
        ("a: 1\nb: 2\na: 3\n", 3, "the key 'a' is already written at line 1"),
        ("1: a\n'1': b\n", 2, "the key '1' is already written at line 1"),
        ("a: 1\n? [b]\n: c\n", 2, "a key is not text"),
        ("~: c\n", 1, "a key is not text"),
        ("a: !!python/object:os.system x\n", 1, "the tag !!python/object:os.system does not fit here"),
        ("a:\n  !vault x\n", 2, "the tag !vault does not fit here"),
        ("a: !!int x\n", 1, "the tag !!int does not fit here"),
        ("a: !!set {x}\n", 1, "the tag !!set does not fit here"),
        ("a: 1\n<<: [1]\n", 2, "<< merges what is no mapping"),
    ],
)
def test_a_flaw_says_line_fault_and_remedy(text: str, line: int, fault: str) -> None:
    found = flaw(text)
    assert found.line == line
    assert fault in found.fault
    assert found.remedy


def test_a_flaw_within_a_document_leaves_the_others_readable() -> None:
    read = yaml_documents.read("a: 1\na: 2\n---\nb: 1\n")
    assert [bool(document.flaws) for document in read.documents] == [True, False]
    assert read.documents[0].root.value == {"a": 1}


def test_the_line_of_a_field_is_found_by_its_path() -> None:
    text = "kind: Mesh\nspec:\n  hosts:\n    - name: x\n      port: 3\n    - name: y\n  flow: {a: 1,\n    b: 2}\n"
    root = yaml_documents.read(text).documents[0].root
    assert root.line_of("spec") == 2
    assert root.line_of("spec.hosts") == 3
    assert root.line_of("spec.hosts[0].port") == 5
    assert root.line_of("spec.hosts[1].name") == 6
    assert root.line_of("spec.flow.b") == 8


@pytest.mark.parametrize(("path", "line"), [("", 1), ("nothing.here", 1), ("spec.hosts[7].x", 3), ("spec.hosts[0]", 4)])
def test_the_line_of_a_missing_field_is_that_of_what_should_hold_it(path: str, line: int) -> None:
    root = yaml_documents.read("kind: Mesh\nspec:\n  hosts:\n    - name: x\n").documents[0].root
    assert root.line_of(path) == line


def bomb(levels: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (bomb(12), "the aliases stand for more than 100,000 values"),
        ("---\n".join(f"{bomb(4)}\n" for _ in range(60)), "the aliases stand for more than 100,000 values"),
        ("[" * 1_000_000, "nested more than 100 levels"),
        ("{a: " * 1_000_000, "nested more than 100 levels"),
        ("- " * 100_000, "nested more than 100 levels"),
        (f"a: &a {'[' * 60}{']' * 60}\nb: {'[' * 60}*a{']' * 60}", "nested more than 100 levels"),
    ],
)
def test_a_text_that_would_explode_is_refused_at_once(text: str, fault: str) -> None:
    begun = time.process_time()
    assert {fault in found.fault for found in flaws(text)} == {True}
    assert time.process_time() - begun < 5


def test_many_plain_values_are_no_explosion() -> None:
    [document] = values("[" + "1, " * 150_000 + "1]")
    assert len(document) == 150_001


@given(st.text(alphabet=st.sampled_from("ab:-[]{}&*!'\"#|>%@`, \n\t?~<1\x00é\ud7ff\U0001f600"), max_size=60))
def test_any_text_has_documents_or_a_flaw_with_a_line_of_the_text(text: str) -> None:
    read = yaml_documents.read(text)
    lines = range(1, len(text.splitlines()) + 2)
    assert all(document.root.line in lines for document in read.documents)
    assert read.flaw is None or (read.flaw.line in lines and not read.documents)


letters = st.characters(exclude_categories=["Cs"], exclude_characters="\x7f")
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(letters),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(letters), inner, max_size=4),
    max_leaves=20,
)


@given(json_values)
def test_what_is_written_as_json_is_read_back(value: object) -> None:
    assert values(json.dumps({"value": value})) == [{"value": value}]


def test_a_key_of_json_may_be_longer_than_one_of_yaml() -> None:
    value = {"a": [1, 2], "k" * 2_000: {'"' * 2_000: ": "}, ":": "v" * 2_000}
    assert values(json.dumps(value)) == [value]


def test_a_pair_of_escapes_is_one_letter_in_json_and_ordinary_text_in_yaml() -> None:
    assert values('{"a": "\\ud83d\\ude00 \\\\ud83d\\\\ude00"}') == [{"a": "\U0001f600 \\ud83d\\ude00"}]
    assert values("a: \\ud83d\\ude00") == [{"a": "\\ud83d\\ude00"}]
