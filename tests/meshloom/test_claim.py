"""What a proxy says of itself: understood exactly as the bootstrap writes it, refused with the remedy otherwise."""

import pytest
from google.protobuf import json_format, struct_pb2

from meshloom.identity import claim, unproven, ways
from xds import node as nodes
from xds import ports

SIDECAR = claim.sidecar("shop/pets-v1", "127.0.1.1", "127.0.0.1", {9080: 8080})
DIALLING = claim.sidecar(
    "shop/pets-v1",
    "127.0.1.1",
    "127.0.0.1",
    {},
    [ways.parsed("shop/db=127.0.0.1:5432"), ways.parsed("zoo/db:5433=[::1]:6000")],
)
CAPTURED = claim.captured("shop/pets-v1", [9100, 22, 22], is_ipv4_only=True)
GATEWAY = claim.gateway("shop/door", "10.0.0.7")
PROXYLESS = claim.proxyless("shop/web")
GOOD = claim.metadata(SIDECAR)["meshloom"]


@pytest.mark.parametrize("proxy", [SIDECAR, DIALLING, CAPTURED, GATEWAY, PROXYLESS])
def test_what_is_written_is_read_back_even_as_protobuf_makes_it(proxy):
    struct = struct_pb2.Struct()
    struct.update(claim.metadata(proxy))
    assert claim.proxy(json_format.MessageToDict(struct)) == proxy


def test_of_one_proxy_every_pod_has_a_node_id_of_its_own():
    assert claim.instance(CAPTURED, "sidecar/shop/pets-v1") == ""
    assert claim.instance(CAPTURED, "sidecar/shop/pets-v1/pets-v1-abcde") == "pets-v1-abcde"
    assert claim.instance(CAPTURED, "sidecar/shop/pets-v1-abcde") is None


def test_a_node_id_names_kind_owner_and_address():
    assert claim.node_id(SIDECAR) == "sidecar/shop/pets-v1/127.0.1.1"
    assert claim.node_id(CAPTURED) == "sidecar/shop/pets-v1"
    assert claim.node_id(GATEWAY) == "gateway/shop/door/10.0.0.7"
    assert claim.node_id(PROXYLESS) == "proxyless/shop/web"


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (None, "the node says nothing under metadata.meshloom"),
        ("sidecar", "the node says nothing under metadata.meshloom"),
        ({}, "metadata.meshloom: Unable to extract tag using discriminator 'proxy'"),
        ({**GOOD, "proxy": "router"}, "does not match any of the expected tags"),
        ({**GOOD, "of": "pets-v1"}, "metadata.meshloom.of: is not of the form namespace/name"),
        ({**GOOD, "of": "shop/" + "x" * 300}, "metadata.meshloom.of: is not of the form namespace/name"),
        ({**GOOD, "of": "shop/Pets"}, "metadata.meshloom.of: is not of the form namespace/name"),
        ({**GOOD, "workload_address": "pets.shop"}, "'pets.shop' is not an IP address"),
        ({**GOOD, "workload_address": "1" * 100}, "at most 64 characters"),
        ({**GOOD, "application_address": 7}, "metadata.meshloom.application_address: "),
        ({**GOOD, "application_ports": {"9080": 0}}, "greater than or equal to 1"),
        ({**GOOD, "application_ports": {"9080": 80.5}}, "metadata.meshloom.application_ports.9080"),
        ({**GOOD, "application_ports": {"99999": 80}}, "is not a port"),
        ({**GOOD, "application_ports": {"a": 80}}, "metadata.meshloom.application_ports"),
        ({**GOOD, "application_ports": {str(port): 80 for port in range(1, 102)}}, "at most 100 items"),
        ({**GOOD, "address": "127.0.0.1"}, "metadata.meshloom.address: Extra inputs are not permitted"),
        ({"proxy": "proxyless", "of": "web"}, "metadata.meshloom.of: is not of the form namespace/name"),
        ({"proxy": "proxyless", "of": "shop/web", "address": "127.0.0.1"}, "metadata.meshloom.address: Extra inputs"),
        ({"proxy": "captured", "of": "web"}, "metadata.meshloom.of: is not of the form namespace/name"),
        ({"proxy": "captured", "of": "a/b", "passthrough_ports": [0]}, "metadata.meshloom.passthrough_ports.0"),
        ({"proxy": "captured", "of": "a/b", "passthrough_ports": [15000]}, "port 15000 is the proxy's own"),
        ({"proxy": "captured", "of": "a/b", "passthrough_ports": [*range(1, 102)]}, "at most 100 items"),
        ({"proxy": "captured", "of": "a/b", "ipv4_only": 1}, "metadata.meshloom.ipv4_only"),
        ({**GOOD, "outbound_tcp": {"127.0.0.1:5432": "db"}}, "'db' is not a service"),
        ({**GOOD, "outbound_tcp": {"127.0.0.1:5432": "shop/db:x"}}, "'shop/db:x' is not a service"),
        ({**GOOD, "outbound_tcp": {"127.0.0.1:5432": "shop/db/x"}}, "'shop/db/x' is not a service"),
        ({**GOOD, "outbound_tcp": {"localhost:5432": "shop/db"}}, "'localhost' is not an IP address"),
        ({**GOOD, "outbound_tcp": {"unix:/db": "shop/db"}}, "'unix:/db' is no address for TCP"),
        ({**GOOD, "outbound_tcp": {"127.0.1.1:15000": "shop/db"}}, "the sidecar itself listens on port 15000"),
        ({**GOOD, "outbound_tcp": {"127.0.0.1:1": "shop/a", "0.0.0.0:1": "shop/b"}}, "dialled at one place"),
        ({**GOOD, "outbound_tcp": {f"127.0.0.1:{one}": "shop/a" for one in range(1, 102)}}, "at most 100 items"),
        ({**GOOD, "application_address": "127.0.1.1", "application_ports": {}}, "would both listen on 127.0.1.1"),
    ],
)
def test_anything_else_is_refused_with_the_remedy(told, words):
    with pytest.raises(claim.ClaimError) as fault:
        claim.proxy({"meshloom": told})
    assert words in str(fault.value)
    assert str(fault.value).endswith("; make the bootstrap with `meshloom bootstrap`")
    assert "\n" not in str(fault.value)


def test_two_listeners_never_share_an_address_and_a_port():
    with pytest.raises(ValueError, match="give the application an address of its own"):
        claim.sidecar("shop/pets-v1", "127.0.0.1", "127.0.0.1", {})
    with pytest.raises(ValueError, match="or ports of its own"):
        claim.sidecar("shop/pets-v1", "0.0.0.0", "127.0.0.1", {9080: 9080})
    with pytest.raises(ValueError, match="at the same port"):
        claim.sidecar("shop/pets-v1", "127.0.0.1", "127.0.0.1", {9080: 8080, 8080: 9090})
    with pytest.raises(ValueError, match="at the same port"):
        claim.sidecar("shop/pets-v1", "127.0.0.1", "127.0.0.1", {9080: 15006})


def test_one_address_serves_both_when_the_application_has_ports_of_its_own():
    proxy = claim.sidecar("shop/pets-v1", "127.0.0.1", "127.0.0.1", {9080: 8080})
    assert proxy.capture.application_port(9080) == 8080


def test_a_peer_is_taken_at_its_word():
    node = nodes.Node(claim.node_id(SIDECAR), metadata=claim.metadata(SIDECAR))
    assert unproven.claimed(node) == SIDECAR


@pytest.mark.parametrize("node_id", ["", "x" * 1025])
def test_a_peer_without_a_sensible_node_id_is_refused(node_id):
    answer = unproven.claimed(nodes.Node(node_id, metadata=claim.metadata(SIDECAR)))
    assert isinstance(answer, ports.Refusal)
    assert answer.code == "UNAUTHENTICATED"
    assert "meshloom bootstrap" in answer.message


def test_a_peer_that_says_nothing_is_refused_with_the_remedy():
    answer = unproven.claimed(nodes.Node("envoy-1"))
    assert answer == ports.Refusal(
        "UNAUTHENTICATED",
        "the node says nothing under metadata.meshloom; make the bootstrap with `meshloom bootstrap`",
        "claim",
    )
