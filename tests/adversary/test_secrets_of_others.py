"""A proven proxy asks for the secrets of others: whatever it names, it gets its own, and nothing tells it more."""

import contextlib

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from envoy_data_plane.envoy.extensions.transport_sockets.tls import v3 as tls_v3
from google.protobuf import any_pb2

from tests import secrets as secrets_of_people
from tests.adversary import adversaries, planes
from tests.features import ads
from translator import names
from xds import resource_types


def names_of_others(plane):
    others = [plane.identity(name).uri for name in planes.WORKLOADS]
    spelled = [f"{names.IDENTITY}{each}" for each in ("/pets", "~pets", ".t.pets", "\x00", " ", "%00", "/../identity")]
    return [
        *others,
        *spelled,
        planes.CERTIFICATE,
        f"{planes.CERTIFICATE}/authorities",
        "t/edge",
        "t.main",
        "u.other",
        "pets",
        "IDENTITY",
        "control-plane",
        "root",
        "",
        "*",
        "xdstp://x/*",
    ]


def secrets(bodies):
    """Return the secrets among the bodies of resources, by the name within."""
    parsed = [tls_v3.Secret.parse(any_pb2.Any.FromString(body).value) for body in bodies.values()]
    return {secret.name: secret for secret in parsed}


def belongs(secret):
    """Return the SPIFFE id of a secret, having seen that its key is that of its certificate."""
    own = secret.tls_certificate
    leaf = x509.load_pem_x509_certificate(own.certificate_chain.inline_bytes)
    key = serialization.load_pem_private_key(own.private_key.inline_bytes, None)
    assert key.public_key() == leaf.public_key()
    (uri,) = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return uri.value


@pytest.fixture(autouse=True)
async def others(plane):
    """Keep a proxy of each service connected, so that all have certificates that could be given away."""
    async with contextlib.AsyncExitStack() as stack:
        for name in planes.WORKLOADS:
            stream = adversaries.Stream(await stack.enter_async_context(adversaries.channel(plane)), plane.token(name))
            stack.callback(stream.cancel)
            await stream.ask(plane.proxy(name), adversaries.SECRET, names.IDENTITY)
            assert belongs(secrets(stream.bodies(await stream.receive()))[names.IDENTITY]) == plane.identity(name).uri
        token = plane.token_of(planes.EDGE)
        stream = adversaries.Stream(await stack.enter_async_context(adversaries.channel(plane)), token)
        stack.callback(stream.cancel)
        await stream.ask(planes.EDGE, adversaries.SECRET, planes.CERTIFICATE)
        shown = secrets(stream.bodies(await stream.receive()))[planes.CERTIFICATE].tls_certificate
        assert shown.private_key.inline_bytes == secrets_of_people.pair().key
        yield


async def all_that_comes(plane, name, asked, variant, pair=None, expected=0):
    """Ask for secrets as a proven proxy; return those that come until there are so many, and listeners, which follow
    upon secrets.
    """
    async with adversaries.channel(plane, pair) as channel:
        stream = adversaries.Stream(channel, None if pair else plane.token(name), variant)
        await stream.ask(plane.proxy(name), adversaries.SECRET, *asked)
        await stream.send(resource_types.LISTENER)
        found, is_over = {}, False
        while not is_over or len(found) < expected:
            response = await stream.receive()
            is_over |= response.type_url == resource_types.LISTENER
            if response.type_url == adversaries.SECRET:
                found.update(secrets(stream.bodies(response)))
            await stream.ack(response, *(asked if response.type_url == adversaries.SECRET else ()))
        stream.cancel()
        return found


@pytest.mark.parametrize("variant", ads.METHODS)
@pytest.mark.parametrize("door", ["token", "certificate"])
async def test_a_proxy_gets_its_own_secrets_and_those_of_nobody_else(plane, variant, door):
    asked = [names.IDENTITY, names.AUTHORITIES, *names_of_others(plane)]
    for name in ("web", "stranger", "zoo"):
        pair = plane.pair(name) if door == "certificate" else None
        found = await all_that_comes(plane, name, asked, variant, pair, expected=2)
        assert found.keys() == {names.IDENTITY, names.AUTHORITIES}
        assert belongs(found[names.IDENTITY]) == plane.identity(name).uri
        roots = found[names.AUTHORITIES].validation_context.trusted_ca.inline_bytes
        (root,) = x509.load_pem_x509_certificates(roots)
        assert root == plane.issuer(name).certificate


@pytest.mark.parametrize("variant", ads.METHODS)
async def test_names_of_others_alone_bring_nothing(plane, variant):
    asked = [each for each in names_of_others(plane) if each not in ("", "*")]
    assert await all_that_comes(plane, "stranger", asked, variant) == {}


@pytest.mark.parametrize("variant", ads.METHODS)
@pytest.mark.parametrize("wildcard", [[], ["*"]])
async def test_a_wildcard_brings_at_most_what_is_ones_own(plane, variant, wildcard):
    found = await all_that_comes(plane, "stranger", wildcard, variant)
    assert found.keys() <= {names.IDENTITY, names.AUTHORITIES}
    assert {belongs(each) for name, each in found.items() if name == names.IDENTITY} <= {plane.identity("stranger").uri}


@pytest.mark.parametrize("door", ["token", "certificate"])
@pytest.mark.parametrize("other", ["pets", "zoo"])
async def test_whoever_says_he_is_another_gets_no_stream_and_is_counted(plane, other, door):
    before = plane.counted("meshloom_proofs_refused_total", reason="deployment")
    pair = plane.pair("stranger") if door == "certificate" else None
    async with adversaries.channel(plane, pair) as channel:
        stream = adversaries.Stream(channel, None if pair else plane.token("stranger"))
        await stream.ask(plane.proxy(other), adversaries.SECRET, names.IDENTITY)
        code, message = await stream.end()
    assert code is grpc.StatusCode.PERMISSION_DENIED
    assert plane.identity(other).uri not in message
    assert plane.counted("meshloom_proofs_refused_total", reason="deployment") == before + 1


async def test_who_turns_into_another_on_an_open_stream_stays_who_he_is(plane):
    """Envoy says who it is in its first request only; what later requests say of the node counts for nothing."""
    async with adversaries.channel(plane) as channel:
        stream = adversaries.Stream(channel, plane.token("stranger"))
        await stream.ask(plane.proxy("stranger"), adversaries.SECRET, names.AUTHORITIES)
        await stream.ack(await stream.receive())
        await stream.ask(plane.proxy("pets"), adversaries.SECRET, names.IDENTITY)
        found = secrets(stream.bodies(await stream.receive()))
        assert belongs(found[names.IDENTITY]) == plane.identity("stranger").uri
        stream.cancel()
