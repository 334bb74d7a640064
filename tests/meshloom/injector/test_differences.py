"""What turns one document into another."""

import hypothesis
import pytest
from hypothesis import strategies

from meshloom.injector import differences
from tests.meshloom.injector import json_patches

KEYS = strategies.sampled_from(["a", "b/c", "d~e", "name", "~1"])
LEAVES = strategies.none() | strategies.booleans() | strategies.integers(0, 3) | strategies.sampled_from(["x", ""])
NAMED = strategies.lists(
    strategies.fixed_dictionaries({"name": strategies.sampled_from("pqrs")}, optional={"a": LEAVES}), max_size=4
)
DOCUMENTS = strategies.recursive(
    LEAVES | NAMED,
    lambda inner: strategies.lists(inner, max_size=3) | strategies.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@hypothesis.given(DOCUMENTS, DOCUMENTS)
@hypothesis.settings(max_examples=300, deadline=None)
def test_the_operations_make_of_the_one_document_the_other(old, new):
    assert json_patches.applied(old, differences.differences(old, new)) == new


@hypothesis.given(DOCUMENTS)
@hypothesis.settings(max_examples=50, deadline=None)
def test_equal_documents_differ_in_nothing(document):
    assert list(differences.differences(document, document)) == []


@pytest.mark.parametrize(
    ("old", "new", "operations"),
    [
        ([{"name": "b"}], [{"name": "a"}, {"name": "b"}], [("add", "/0")]),
        ([{"name": "b"}], [{"name": "b", "x": 1}, {"name": "c"}], [("add", "/0/x"), ("add", "/1")]),
        ({"m": {"a/b": 1}}, {"m": {"a/b": 2}}, [("replace", "/m/a~1b")]),
        ([{"name": "a"}, {"name": "b"}], [{"name": "b"}, {"name": "a"}], [("replace", "")]),
        ([1], [1, 2], [("replace", "")]),
    ],
)
def test_what_stays_is_not_mentioned(old, new, operations):
    assert [(one["op"], one["path"]) for one in differences.differences(old, new)] == operations
