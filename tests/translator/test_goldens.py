"""What proxies are given, read from files; and other encoders take our bytes for what they are.

That real Envoys load all of it is shown in tests/envoy.
"""

import pytest
from envoy_data_plane.google import protobuf

from tests import written
from tests.translator import golden
from translator import wire

CASES = golden.cases()

NEWER = {"envoy.extensions.common.dynamic_forward_proxy.v3.DnsCacheConfig:16"}
"""What is younger than the official definitions that are at hand."""


@pytest.mark.parametrize("case", CASES)
def test_a_mesh_compiles_to_what_is_expected(case, request):
    produced = golden.produced(case)
    if request.config.getoption("--update-golden"):
        golden.rewrite(case, produced)
    assert produced == golden.expected(case)


@pytest.mark.parametrize("case", CASES)
def test_a_case_says_in_its_first_line_what_it_shows(case):
    assert written.says_what_it_shows(golden.FOLDER / case / "mesh.yaml")


@pytest.mark.parametrize("case", CASES)
def test_betterproto2_encodes_every_golden_byte_for_byte_as_we_do(case):
    for resource in golden.encoded(case):
        message = protobuf.Any.parse(resource.body).unpack()
        assert wire.encode(message) == bytes(message), f"{resource.type_url} {resource.name}"


@pytest.mark.parametrize("case", CASES)
def test_the_official_runtime_understands_every_golden(case, official):
    for resource in golden.encoded(case):
        anything = protobuf.Any.parse(resource.body)
        (found,) = official([(resource.type_url.rpartition("/")[2], anything.value)])
        assert (found.error, {*found.unknown} - NEWER) == ("", set()), f"{resource.type_url} {resource.name}"
        again = type(anything.unpack()).parse(found.body)
        assert again == anything.unpack()
