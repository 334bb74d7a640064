"""What is said of a kind that cannot be followed: the fault, what is served meanwhile, the remedy."""

import pytest

from watchers import kinds, reflector, standing

MESHES = next(kind for kind in kinds.FOLLOWED if kind.name == "Mesh")
SEEN, UNSEEN = standing.Standing(MESHES, is_synced=True), standing.Standing(MESHES)
NAME = "meshes.servicemesh.oci.oracle.com"


def said(of: standing.Standing, status: int, reason: str = "", message: str = "") -> str:
    return str(standing.problem(of, reflector.Fault(status, reason, message)))


@pytest.mark.parametrize(
    ("of", "status", "words"),
    [
        (SEEN, 401, "Server Kubernetes API: does not accept meshloom's credentials, so what was seen last is served"),
        (SEEN, 403, f"Resource {NAME}: meshloom may not list and watch it, so what was seen last is served"),
        (UNSEEN, 403, "so nothing is served before it has been listed; give its ServiceAccount the verbs"),
        (SEEN, 404, "the API server does not know it, so what was seen last is served; apply its Custom"),
        (SEEN, 429, "Server Kubernetes API: turns requests away"),
        (SEEN, 500, "Server Kubernetes API: answers 500 Oops"),
    ],
)
def test_each_fault_has_its_words_and_its_remedy(of, status, words):
    assert words in said(of, status, "Oops")


def test_who_does_not_answer_is_said_with_what_the_system_says_and_without_the_path():
    words = said(SEEN, 0, "Unreachable", "GET /api/v1/pods: Cannot connect to host 10.0.0.1:443")
    assert words.startswith("Server Kubernetes API: does not answer (Cannot connect to host 10.0.0.1:443), so")
    assert "/api/v1" not in words


def test_the_same_fault_of_the_server_is_one_problem_whatever_the_kind():
    services = standing.Standing(next(kind for kind in kinds.FOLLOWED if kind.name == "Service"), is_synced=True)
    assert said(SEEN, 401) == said(services, 401)


def test_a_secret_that_may_not_be_read_is_named_to_whoever_reads_the_log():
    secret = standing.Standing(kinds.SECRET, "shop", "door")
    assert said(secret, 403).startswith("Secret shop/door: meshloom may not list and watch it, so it counts as absent")
    assert str(secret) == "secrets", "readiness is open to strangers"
