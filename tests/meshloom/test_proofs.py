"""The gatekeeper: what Kubernetes tokens and plain text prove; the rest is in tests/features/test_ads_proofs.py."""

import dataclasses

import pytest

from mesh.problems import Ref
from meshloom.identity import certificates, claim, proofs, register, tokens, unproven
from xds import node as nodes
from xds import ports

PETS = claim.sidecar("shop/pets-v1", "10.0.0.7", "127.0.0.1", {})
OWNER = claim.owner(PETS)
POD = proofs.Pod("shop", "pets-v1-abcde", "8f7c")
NODE = nodes.Node(claim.node_id(PETS), metadata=claim.metadata(PETS))


class Reviewer:
    """An API server that accepts one token, for one audience."""

    def __init__(self):
        self.is_down, self.asked = False, 0

    async def review(self, token, audience):
        self.asked += 1
        if self.is_down:
            raise proofs.ReviewError
        return (
            proofs.Reviewed(POD, 5000.0)
            if (token, audience) == ("eyJhbGciOiJSUzI1NiJ9.e30.Z29vZA", "meshloom")
            else None
        )


class Pods:
    """Which proxies run in which pod."""

    def __init__(self):
        self.of = {POD: frozenset({OWNER})}
        self.made_for = None

    def owners(self, pod):
        return self.of.get(pod, frozenset())

    def deployment(self, pod):
        return self.made_for if pod in self.of else None


class Nobody:
    """A mesh of which nothing is known."""

    def identity(self, owner):
        return None

    def roots(self, trust_domain):
        return b""


class Stored:
    """A store that is never read."""


@pytest.fixture
def kubernetes():
    return proofs.Kubernetes(Reviewer(), Pods())


@pytest.fixture
def gatekeeper(kubernetes):
    return proofs.Gatekeeper(register.Register(Stored()), Nobody(), lambda: 1000.0, kubernetes=kubernetes)


def caller(token, **fields):
    return ports.Caller("ipv4:10.0.0.7:1", {"authorization": token}, **{"encrypted": True, **fields})


async def test_a_pod_is_whose_proxy_runs_in_it(gatekeeper, kubernetes):
    proof = await gatekeeper.proof(caller("Bearer eyJhbGciOiJSUzI1NiJ9.e30.Z29vZA"))
    assert proof == ports.Proof(POD, 5000.0)
    key = gatekeeper.key(proof, NODE)
    assert key == PETS
    assert gatekeeper.denied(proof, key) is None
    kubernetes.pods.of = {POD: frozenset({Ref("VirtualDeployment", "shop", "pets-v2")})}  # the binding was changed
    denied = gatekeeper.denied(proof, key)
    assert (denied.code, denied.reason) == ("PERMISSION_DENIED", "deployment")
    kubernetes.pods.of = {}
    assert gatekeeper.denied(proof, key).code == "PERMISSION_DENIED"


EDGE, OTHER = (Ref("IngressGatewayDeployment", "edge", name) for name in ("edge", "other"))
GATE = claim.gateway("shop/door", "0.0.0.0")
GATE_NODE = nodes.Node(claim.node_id(GATE), metadata=claim.metadata(GATE))
BY_POD = ports.Proof(POD, 5000.0)


def test_for_which_deployment_a_gateway_runs_is_what_made_its_pod(gatekeeper, kubernetes):
    kubernetes.pods.of, kubernetes.pods.made_for = {POD: frozenset({GATE.gateway})}, EDGE
    key = gatekeeper.key(BY_POD, GATE_NODE)
    assert key == GATE._replace(deployment=EDGE)
    assert gatekeeper.denied(BY_POD, key) is None
    for other in (
        GATE,
        GATE._replace(deployment=OTHER),
        claim.gateway("shop/back", "0.0.0.0")._replace(deployment=EDGE),
    ):
        assert gatekeeper.denied(BY_POD, other).reason == "deployment"
    kubernetes.pods.made_for = OTHER  # its Deployment has another owner now
    assert gatekeeper.denied(BY_POD, key).reason == "deployment"
    kubernetes.pods.made_for = None
    assert gatekeeper.denied(BY_POD, gatekeeper.key(BY_POD, GATE_NODE)).reason == "deployment"


@pytest.mark.parametrize("field", ["deployment", "given_by", "namespace"])
def test_nobody_can_claim_for_which_deployment_he_runs(gatekeeper, kubernetes, field):
    kubernetes.pods.of, kubernetes.pods.made_for = {POD: frozenset({GATE.gateway})}, EDGE
    told = claim.metadata(GATE)
    claimed = {claim.KEY: {**told[claim.KEY], field: OTHER.key}}
    refusal = gatekeeper.key(BY_POD, dataclasses.replace(GATE_NODE, metadata=claimed))
    assert (refusal.code, refusal.reason) == ("UNAUTHENTICATED", "claim")
    assert claim.metadata(GATE._replace(deployment=EDGE)) == told


class Door:
    """A mesh of which one gateway is known."""

    def identity(self, owner):
        return "spiffe://main.shop.mesh/ns/shop/ig/door" if owner == GATE.gateway else None

    def roots(self, trust_domain):
        return b""


@pytest.mark.parametrize("is_cluster", [True, False])
def test_in_a_cluster_a_certificate_does_not_say_for_which_deployment_a_gateway_runs(
    kubernetes, monkeypatch, is_cluster
):
    monkeypatch.setattr(certificates, "fingerprints", lambda _: frozenset({"root"}))
    where = kubernetes if is_cluster else None
    gatekeeper = proofs.Gatekeeper(register.Register(Stored()), Door(), lambda: 1000.0, kubernetes=where)
    known = certificates.Certified(Door().identity(GATE.gateway), "main.shop.mesh", "root")
    refusal = gatekeeper.denied(ports.Proof(known, 5000.0), gatekeeper.key(ports.Proof(known, 5000.0), GATE_NODE))
    assert (refusal is not None) == is_cluster
    assert refusal is None or "show the token of its pod" in refusal.message


async def test_a_token_that_the_api_server_does_not_accept_is_refused(gatekeeper):
    refusal = await gatekeeper.proof(caller("eyJhbGciOiJSUzI1NiJ9.e30.ZXZpbA"))
    assert (refusal.code, refusal.reason) == ("UNAUTHENTICATED", "foreign")


async def test_an_api_server_that_does_not_answer_is_another_matter(gatekeeper, kubernetes):
    kubernetes.reviewer.is_down = True
    refusal = await gatekeeper.proof(caller("eyJhbGciOiJSUzI1NiJ9.e30.Z29vZA"))
    assert (refusal.code, refusal.reason) == ("UNAVAILABLE", "unavailable")


@pytest.mark.parametrize("token", ["", "Bearer", "x" * 5000, "no token at all", "é.é.é"])
async def test_what_is_no_token_does_not_reach_the_api_server(gatekeeper, kubernetes, token):
    assert (await gatekeeper.proof(caller(token))).reason == "malformed"
    assert kubernetes.reviewer.asked == 0


async def test_in_clear_nothing_is_believed_unless_that_was_asked_for(gatekeeper, kubernetes):
    in_clear = caller("eyJhbGciOiJSUzI1NiJ9.e30.Z29vZA", encrypted=False)
    assert (await gatekeeper.proof(in_clear)).reason == "plaintext"
    trusting = proofs.Gatekeeper(register.Register(Stored()), Nobody(), lambda: 1000.0, in_clear=True)
    proof = await trusting.proof(in_clear)
    assert proof.of == unproven.Unproven()
    assert trusting.denied(proof, trusting.key(proof, NODE)) is None


@pytest.mark.parametrize("what", ["a value", None])
def test_a_proof_that_nobody_knows_is_a_fault_and_opens_nothing(gatekeeper, what):
    with pytest.raises(TypeError, match="is no proof"):
        gatekeeper.denied(ports.Proof(what), PETS)


def test_what_a_peer_shows_is_not_printed():
    shown = caller("eyJhbGciOiJSUzI1NiJ9.e30.Z29vZA", certificate=b"certificate", chain=b"chain")
    assert not [word for word in ("Z29vZA", "certificate", "chain") if f"{word}'" in repr(shown)]
    assert dataclasses.replace(shown) == shown


@pytest.mark.parametrize(
    "pem", [b"", b"noise", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", b"x" * 100_000]
)
def test_a_certificate_that_is_none_is_refused(pem):
    with pytest.raises(certificates.CertificateError) as raised:
        certificates.verified(pem, b"", Nobody().roots, 1000.0)
    assert raised.value.reason == "malformed"


def test_a_token_of_a_key_that_is_gone_is_not_accepted():
    token = tokens.Token("0" * 32, OWNER, "gone", 0, 1 << 38)
    assert register.Known().fault(token, 1000.0).reason == "revoked"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("", None),
        ("/pets-v1-abcde", None),
        ("/pets-v1-fghij", "the node id names another pod than shop/pets-v1-abcde"),
        ("-canary", "the node id contradicts the node's metadata"),
    ],
)
async def test_a_node_id_may_name_the_pod_and_no_other(gatekeeper, more, words):
    proof = await gatekeeper.proof(caller("Bearer eyJhbGciOiJSUzI1NiJ9.e30.Z29vZA"))
    found = gatekeeper.key(proof, dataclasses.replace(NODE, id=NODE.id + more))
    if words is None:
        assert found == PETS
    else:
        assert (found.code, words in found.message) == ("PERMISSION_DENIED", True)
