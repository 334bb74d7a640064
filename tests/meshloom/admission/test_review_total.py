"""Whatever an API server could send, or somebody in its place: an answer, or words; never an exception of another kind."""

import contextlib
import json
import string
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mesh import resources
from meshloom.admission import answers, asked, review
from tests.meshloom.admission import reviews

NOW = reviews.there()
KEYS = st.sampled_from(
    [
        "apiVersion",
        "kind",
        "metadata",
        "name",
        "namespace",
        "spec",
        "hosts",
        "mesh",
        "ref",
        "id",
        "mtls",
        "mode",
        "rules",
    ]
) | st.text(string.printable, max_size=4)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4))
DOCUMENTS = tuple(reviews.document(part) for part in reviews.PARTS)


@st.composite
def spoilt(draw: st.DrawFn) -> Any:
    """Return an object of the shop in which one place holds something else."""
    document: Any = json.loads(json.dumps(draw(st.sampled_from(DOCUMENTS))))
    at = document
    while True:
        key = draw(st.sampled_from(sorted(at)) if isinstance(at, dict) else st.integers(0, len(at) - 1))
        if not isinstance(at[key], dict | list) or not at[key] or draw(st.integers(0, 3)) == 0:
            at[key] = draw(JSON)
            return document
        at = at[key]


def answered(question: object) -> None:
    with contextlib.suppress(asked.UnreadableError):
        answer = review.review(question, NOW)
        response = json.loads(json.dumps(answer))["response"]
        assert response["allowed"] is not ("status" in response)
        assert all(len(one) <= answers.LONGEST_WARNING for one in response.get("warnings", ()))
        message = response.get("status", {}).get("message", "x")
        assert 0 < len(message) <= (answers.MOST_REFUSALS + 1) * (answers.LONGEST_REFUSAL + 1)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(["CREATE", "UPDATE", "DELETE", "CONNECT"]),
    spoilt() | JSON,
    spoilt() | JSON,
    st.sampled_from(sorted(resources.KINDS)),
)
def test_whatever_an_object_holds_there_is_an_answer(operation: str, new: Any, old: Any, kind: str) -> None:
    group, version = resources.API_VERSION.split("/")
    of = {"group": group, "version": version, "kind": kind}
    answered(reviews.asking(operation, None, None, object=new, oldObject=old, kind=of))


@settings(max_examples=60, deadline=None)
@given(JSON)
def test_whatever_is_sent_in_the_place_of_a_review_there_is_an_answer_or_words(document: Any) -> None:
    answered(document)
    answered({"apiVersion": asked.VERSION, "kind": "AdmissionReview", "request": document})
