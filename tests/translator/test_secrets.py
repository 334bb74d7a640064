"""Secrets hold what they were given, under the names that everything refers to, and are not printed."""

from envoy_data_plane.google import protobuf

from translator import names, resources, secrets

CHAIN, KEY, ROOTS = b"-leaf-", b"-key-of-the-leaf-", b"-roots-"


def message(item: resources.EncodedResource):
    return protobuf.Any.parse(item.body).unpack()


def test_an_identity_is_a_chain_and_its_key():
    item = secrets.identity_secret(CHAIN, KEY)
    found = message(item)
    assert (item.type_url, item.name, found.name) == (resources.SECRET, "identity", names.IDENTITY)
    assert found.tls_certificate.certificate_chain.inline_bytes == CHAIN
    assert found.tls_certificate.private_key.inline_bytes == KEY


def test_authorities_are_what_certificates_are_verified_with():
    item = secrets.authorities_secret(ROOTS)
    found = message(item)
    assert (item.type_url, item.name, found.name) == (resources.SECRET, "authorities", names.AUTHORITIES)
    assert found.validation_context.trusted_ca.inline_bytes == ROOTS


def test_nothing_prints_what_a_resource_holds():
    item = secrets.identity_secret(CHAIN, KEY)
    assert "key-of" not in f"{item} {item!r} {(item,)}"


def test_the_official_runtime_understands_secrets(official):
    items = [secrets.identity_secret(CHAIN, KEY), secrets.authorities_secret(ROOTS)]
    given = [(item.type_url.rpartition("/")[2], protobuf.Any.parse(item.body).value) for item in items]
    assert [(found.error, found.unknown) for found in official(given)] == [("", ())] * 2
