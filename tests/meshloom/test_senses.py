"""To which Secrets an object refers: those are followed, and no others."""

import pytest

from mesh.problems import Ref
from meshloom import senses
from tests import written

GATEWAY = """
IngressGateway: shop/door
mesh: {ref: {name: main}}
hosts:
- name: all
  hostnames: [shop.example]
  listeners:
  - protocol: HTTP
    port: 8443
    tls:
      mode: MUTUAL_TLS
      serverCertificate: {kubeSecretTlsCertificate: {secretName: own}}
      clientValidation: {trustedCaBundle: {ociCaBundle: {caBundleId: clients}}}
  - {protocol: HTTP, port: 8080}
"""


@pytest.fixture
def references():
    gateway_secrets = {
        "clients": Ref("Secret", "platform", "client-roots"),
        "other": Ref("Secret", "platform", "other"),
    }
    return senses.references({"corporate": "platform/ca", "unused": "platform/unused"}, gateway_secrets)


def found(references, text):
    (item,) = written.objects(text)
    return sorted(ref.key for ref in references(item))


def test_a_gateway_refers_to_what_its_listeners_name_and_to_what_their_ids_stand_for(references):
    assert found(references, GATEWAY) == ["platform/client-roots", "shop/own"]


def test_a_deployment_of_a_gateway_refers_to_what_it_lists_in_its_own_namespace(references):
    text = (
        "IngressGatewayDeployment: edge/door\ningressGateway: {ref: {namespace: shop, name: door}}\n"
        "deployment: {autoscaling: {minPods: 1, maxPods: 1}}\nports: []\nsecrets: [{secretName: own}, {secretName: spare}]"
    )
    assert found(references, text) == ["edge/own", "edge/spare"]
    assert found(references, text.partition("secrets")[0]) == []


def test_a_mesh_refers_to_the_authority_that_its_id_stands_for(references):
    text = "Mesh: shop/main\nmtls: {minimum: STRICT}\ncertificateAuthorities: [{id: %s}]"
    assert found(references, text % "corporate") == ["platform/ca"]
    assert found(references, text % "built-in") == []


def test_other_objects_refer_to_none(references):
    assert found(references, "VirtualService: shop/pets\nmesh: {ref: {name: main}}\nhosts: [pets]") == []
