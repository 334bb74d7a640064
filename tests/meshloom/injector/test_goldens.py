"""What becomes of pods, read from files."""

import pytest

from tests import written
from tests.meshloom.injector import golden, json_patches

CASES = golden.cases()


@pytest.mark.parametrize("case", CASES)
def test_a_pod_becomes_what_is_expected(case, request):
    produced = golden.produced(case)
    if request.config.getoption("--update-golden"):
        golden.rewrite(case, produced)
    assert produced == golden.expected(case)


@pytest.mark.parametrize("case", CASES)
def test_a_case_says_in_its_first_line_what_it_shows(case):
    assert written.says_what_it_shows(golden.FOLDER / case / "pod.yaml")


@pytest.mark.parametrize("case", CASES)
def test_the_patch_makes_exactly_the_pod(case):
    for document, outcome in golden.outcomes(case):
        pod = golden.templates.pod(document)
        if outcome.document is None:
            assert outcome.patch == ()
        else:
            assert json_patches.applied(pod.document, outcome.patch) == outcome.document


def test_there_are_more_than_forty():
    assert len(CASES) >= 40
