"""What the evaluator of `tests/meaning` says of configuration is what real Envoys do with it.

A mesh is drawn, always the same, and played; then each question is put to both.
"""

import itertools
import json

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.envoy import played, worlds
from tests.meaning import drawn, evaluate, test_meaning
from tests.meaning import written_mesh as w
from tests.meaning.payloads import Bytes, Place, Request

DRAWN, LARGEST = 50, 5
pytestmark = pytest.mark.parametrize("variant", [worlds.NEWEST_VARIANT, worlds.OLDEST_VARIANT], ids=str, indirect=True)


def playable(shorts):
    """Return a mesh with a service of each mode, and HTTP/1 in place of HTTP/2, which no application here speaks."""
    given = json.loads(json.dumps(shorts).replace('"HTTP2"', '"HTTP"').replace('"GRPC"', '"HTTP"'))
    wanted = itertools.cycle(["STRICT", "PERMISSIVE", "DISABLED"])
    return [_in_clear(one) if "Mesh" in one else _in(next(wanted), one) if w.SERVICE in one else one for one in given]


def _in_clear(mesh):
    return {**mesh, "mtls": {"minimum": "DISABLED"}}


def _in(mode, service):
    return {**service, "mtls": {"mode": mode}}


def drawn_mesh():
    """Return one of some meshes: of those with at most five proxies that with the most modes, and the most to say."""
    found = []

    @settings(
        max_examples=DRAWN,
        database=None,
        derandomize=True,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(drawn.meshes())
    def draw(shorts):
        found.append(playable(shorts))

    draw()
    small = [shorts for shorts in found if sum("VirtualDeployment" in one for one in shorts) <= LARGEST]
    return max(small, key=lambda shorts: (len(modes(w.read(shorts))), len(json.dumps(shorts))))


def modes(written):
    """Return the modes of the services that have listeners."""
    found = ((key, w.deployments(written, key)) for key in written.of(w.SERVICE))
    return {w.mode(written, key) for key, each in found if any(each.values())}


@pytest.fixture(scope="module")
def playing(envoy, tmp_path_factory):
    with played.playing(tmp_path_factory.mktemp("played"), envoy, drawn_mesh()) as found:
        yield found


def differing(playing, questions):
    found = ((*question, playing.outcome(*question)) for question in questions)
    predicted = (
        (place, payload, one, evaluate.sent(playing.mesh.network, place, payload)) for place, payload, one in found
    )
    return [each for each in predicted if not played.is_predicted(each[2], each[3])]


def test_requests_of_applications_become_what_is_predicted(playing):
    questions = [
        (Place(address, 15000), Request(asked.authority, asked.path, headers=kind))
        for number, address in enumerate(playing.mesh.workloads.values())
        for asked in test_meaning.ASKED[number::4]
        for kind in [(("content-type", "application/grpc"),) if asked.is_grpc else ()]
    ]
    assert len(questions) > 100
    assert differing(playing, questions) == []


def test_connections_of_applications_become_what_is_predicted(playing):
    questions = [
        (Place(address, way), Bytes(is_first))
        for address in playing.mesh.workloads.values()
        for way in playing.mesh.ways.values()
        for is_first in (True, False)
    ]
    assert questions
    assert differing(playing, questions) == []


def test_whoever_dials_a_proxy_itself_meets_what_is_predicted(playing):
    dialled = [*test_meaning.dialled(playing.mesh)]
    assert len(dialled) > 20
    assert differing(playing, [(place, payload) for _, place, payload in dialled]) == []
    assert len(modes(playing.mesh.written)) > 1
