"""Resources as people read them, without what is secret."""

import json

import pytest
from envoy_data_plane.envoy.config.cluster import v3 as cluster_v3
from envoy_data_plane.envoy.config.core import v3 as core_v3
from envoy_data_plane.envoy.extensions.transport_sockets.tls import v3 as tls_v3

from meshloom import decoding
from translator import wire
from xds import snapshot

KEY = b"-----BEGIN PRIVATE KEY-----"
SOURCES = [core_v3.DataSource(inline_bytes=KEY), core_v3.DataSource(inline_string=KEY.decode())]


def shown(message) -> dict:
    """Return what people see of a message."""
    body = wire.any_bytes(wire.type_url(type(message)), wire.encode(message))
    return decoding.resource(snapshot.Entry("x", "1", body, frozenset(), 1))


def certificate(key: core_v3.DataSource) -> tls_v3.TlsCertificate:
    return tls_v3.TlsCertificate(
        certificate_chain=core_v3.DataSource(inline_string="public"),
        private_key=key,
        password=core_v3.DataSource(inline_string="hunter"),
        pkcs12=core_v3.DataSource(inline_bytes=KEY),
    )


def secrets():
    for key in SOURCES:
        yield tls_v3.Secret(name="own", tls_certificate=certificate(key))
        yield tls_v3.Secret(name="own", generic_secret=tls_v3.GenericSecret(secret=key))
        yield tls_v3.Secret(name="own", session_ticket_keys=tls_v3.TlsSessionTicketKeys(keys=[key]))


@pytest.mark.parametrize("secret", list(secrets()), ids=lambda _: "secret")
def test_of_a_secret_nothing_private_is_shown(secret):
    document = shown(secret)
    assert document["name"] == "own"
    text = json.dumps(document)
    assert "[redacted]" in text
    assert all(hidden not in text for hidden in ("PRIVATE", "hunter", "LS0tLS1CRUdJTi"))


def test_a_certificate_and_what_is_trusted_are_shown():
    own = shown(tls_v3.Secret(name="own", tls_certificate=certificate(SOURCES[0])))
    assert own["tlsCertificate"]["certificateChain"] == {"inlineString": "public"}
    assert own["tlsCertificate"]["privateKey"] == "[redacted]"
    trusted = tls_v3.CertificateValidationContext(trusted_ca=core_v3.DataSource(inline_string="root"))
    assert shown(tls_v3.Secret(name="ca", validation_context=trusted))["validationContext"]["trustedCa"] == {
        "inlineString": "root"
    }


def test_a_key_that_stands_in_another_resource_is_not_shown_either():
    context = tls_v3.CommonTlsContext(tls_certificates=[certificate(SOURCES[0])])
    socket = core_v3.TransportSocket(
        name="tls", typed_config=wire.packed(tls_v3.UpstreamTlsContext(common_tls_context=context))
    )
    document = shown(cluster_v3.Cluster(name="c", transport_socket=socket))
    (found,) = document["transportSocket"]["typedConfig"]["commonTlsContext"]["tlsCertificates"]
    assert (found["privateKey"], found["password"]) == ("[redacted]", "[redacted]")
    assert found["certificateChain"] == {"inlineString": "public"}


def test_what_is_not_secret_is_shown_as_it_is():
    assert shown(cluster_v3.Cluster(name="c"))["name"] == "c"
