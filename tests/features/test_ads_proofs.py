"""Who may open an ADS stream, over real sockets: what is let in, what is refused, and what has to leave."""

import asyncio
import base64
import hashlib
import hmac
import json
import time

import grpc
import jwt
import pytest
import structlog.testing

from mesh import identity
from mesh.problems import Ref
from meshloom import errors
from meshloom.identity import claim, register, tokens
from meshloom.identity.authority import issue
from tests.features import entrance
from tests.meshloom import running
from tests.xds import model

DENIED, UNKNOWN = grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED
LONG = tokens.LARGEST


@pytest.fixture
async def plane(tmp_path):
    async with entrance.guarded(tmp_path / "state") as running:
        yield running


async def turned_away(plane, token=None, pair=None):
    """Return how the server ends the stream of a peer that shows this, before it has said anything."""
    address = plane.by_certificate if pair else plane.by_token
    async with plane.channel(address, plane.trusting(pair=pair)) as channel:
        return await entrance.Stream(channel, token).end()


async def refused_with(plane, token=None, proxy=entrance.PETS, node_id=None, pair=None):
    """Return how the server ends the stream of a peer that shows this, and says that it is this proxy."""
    address = plane.by_certificate if pair else plane.by_token
    async with plane.channel(address, plane.trusting(pair=pair)) as channel:
        stream = entrance.Stream(channel, token)
        await stream.ask(proxy, node_id)
        return await stream.end()


async def let_in(plane, token=None, proxy=entrance.PETS, pair=None):
    address = plane.by_certificate if pair else plane.by_token
    async with plane.channel(address, plane.trusting(pair=pair)) as channel:
        return await entrance.Stream(channel, token).asked(proxy)


# ---------------------------------------------------------------------------- tokens


@pytest.mark.parametrize("around", ["{}", "Bearer {}", "bearer {}", "Bearer  {}"])
async def test_a_token_opens_the_door_with_and_without_bearer(plane, around):
    assert await let_in(plane, around.format(plane.token())) == ["a"]


def forged(plane, **changes):
    """Return a token signed with the right key that says something else."""
    key = plane.store.signing()
    claims = {
        "iss": "meshloom",
        "aud": "meshloom",
        "sub": "VirtualDeployment/shop/pets-v1",
        "jti": "0" * 32,
        "iat": 1,
        "exp": 1 << 38,
    }
    claims = {name: value for name, value in {**claims, **changes}.items() if value is not None}
    return jwt.encode(claims, key.key, algorithm="EdDSA", headers={"kid": key.id})


STRANGE = {
    "another audience": {"aud": "kubernetes"},
    "several audiences": {"aud": ["meshloom", "kubernetes"]},
    "another issuer": {"iss": "somebody"},
    "no end": {"exp": None},
    "an end that is text": {"exp": "9999999999"},
    "an end that is infinite": {"exp": 1e300},
    "no id": {"jti": None},
    "an id that leads elsewhere": {"jti": "../../signing.pem"},
    "no subject": {"sub": None},
    "a subject of another kind": {"sub": "Mesh/shop/main"},
    "a subject with more parts": {"sub": "VirtualDeployment/shop/pets-v1/x"},
    "from the future": {"iat": 1 << 37},
}


@pytest.mark.parametrize("what", STRANGE)
async def test_a_token_that_says_something_strange_is_refused(plane, what):
    code, message = await turned_away(plane, forged(plane, **STRANGE[what]))
    assert code is UNKNOWN
    assert "Traceback" not in message


def without_signature(plane):
    head, body, _ = plane.token().split(".")
    return f"{head}.{body}."


def of_no_algorithm(plane):
    claims = jwt.decode(plane.token(), options={"verify_signature": False})
    return jwt.encode(claims, None, algorithm="none", headers={"kid": plane.store.signing().id})


def by_the_public_key_as_a_secret(plane):
    """The old trick: the public key, which is known, taken for the secret of another algorithm."""
    (public,) = (plane.store.path / "verifying").iterdir()
    claims = jwt.decode(plane.token(), options={"verify_signature": False})

    def part(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=")

    head = part(json.dumps({"alg": "HS256", "kid": plane.store.signing().id}).encode())
    signed = head + b"." + part(json.dumps(claims).encode())
    return (signed + b"." + part(hmac.digest(public.read_bytes(), signed, hashlib.sha256))).decode()


BROKEN = {
    "nothing": lambda plane: "",
    "Bearer alone": lambda plane: "Bearer ",
    "noise": lambda plane: "abc.def.ghi",
    "too long": lambda plane: plane.token() + "x" * LONG,
    "deep": lambda plane: "WyI" * 1200 + ".e30.e30",
    "no signature": without_signature,
    "no algorithm": of_no_algorithm,
    "another algorithm": by_the_public_key_as_a_secret,
    "a flipped letter": lambda plane: (
        plane.token()[:-9] + ("A" if plane.token()[-9] != "A" else "B") + plane.token()[-8:]
    ),
}


@pytest.mark.parametrize("what", BROKEN)
async def test_a_token_that_is_broken_or_forged_is_refused(plane, what):
    assert (await turned_away(plane, BROKEN[what](plane)))[0] is UNKNOWN


async def test_a_token_of_another_control_plane_is_refused(plane, tmp_path):
    key = register.Folder(tmp_path / "elsewhere").signing()
    token = tokens.signed(tokens.issued(entrance.PETS_V1, key.id, time.time(), 60), key.key)
    assert await turned_away(plane, token) == (UNKNOWN, "the token is not signed by a key of this control plane")


async def test_an_expired_token_is_refused(plane):
    token = plane.token(valid=60)
    plane.now.ahead = 60
    assert await turned_away(plane, token) == (
        UNKNOWN, "the token has expired; make a new one with `meshloom token create`"
    )  # fmt: skip


async def test_no_token_is_refused_with_the_remedy(plane):
    code, message = await turned_away(plane)
    assert code is UNKNOWN
    assert "meshloom token create" in message


@pytest.mark.parametrize("owner", [entrance.PETS_V2, entrance.DOOR, Ref("IngressGateway", "shop", "pets-v1")])
async def test_the_token_of_another_proxy_is_denied(plane, owner):
    code, message = await refused_with(plane, plane.token(owner))
    assert (code, str(owner) in message) == (DENIED, True)


@pytest.mark.parametrize("node_id", ["proxyless/shop/pets-v2", "sidecar/shop/pets-v1/127.0.0.1", "anything"])
async def test_a_node_id_that_contradicts_the_proof_is_denied(plane, node_id):
    assert (await refused_with(plane, plane.token(), node_id=node_id))[0] is DENIED


async def test_nothing_is_read_of_a_stream_without_proof(plane):
    async with plane.channel(plane.by_token, plane.trusting()) as channel:
        assert (await entrance.Stream(channel).end())[0] is UNKNOWN  # though it sent no request


async def test_each_refusal_is_logged_and_counted_and_holds_no_token(plane):
    token = plane.token(entrance.PETS_V2)
    with structlog.testing.capture_logs() as logs:
        _, message = await refused_with(plane, token)
    assert token not in message
    (line,) = (each for each in logs if each["event"] == "ads.refused")
    assert (line["code"], line["reason"]) == ("PERMISSION_DENIED", "deployment")
    assert not [each for each in logs for part in token.split(".") if part in str(each)]
    assert ("refused", "PERMISSION_DENIED") in plane.observer.seen


# ---------------------------------------------------------------------------- revocation and expiry


async def test_the_streams_of_a_revoked_token_end_within_a_second_and_others_do_not_notice(plane):
    token, other = plane.token(), plane.token()
    async with plane.channel(plane.by_token, plane.trusting()) as channel:
        revoked, kept = entrance.Stream(channel, token), entrance.Stream(channel, other)
        assert await revoked.asked() == await kept.asked() == ["a"]
        start = time.monotonic()
        plane.store.revoke(tokens.read(token, plane.store.read().keys).id)
        assert await revoked.end() == (
            UNKNOWN, "the token was revoked; make a new one with `meshloom token create`"
        )  # fmt: skip
        assert time.monotonic() - start < 1
        assert [view.peer.node_id for view in plane.server.peers.views()] == [claim.node_id(entrance.PETS)]
    assert (await turned_away(plane, token))[0] is UNKNOWN  # replayed
    assert await let_in(plane, other) == ["a"]


async def test_a_peer_that_reads_nothing_has_to_leave_as_well(plane):
    """It is sent more than it takes, so that a write to it is under way for ever."""
    token = plane.token()
    plane.snapshots.replace({entrance.PETS: model.holding(model.resource(model.CLUSTER, "a", 1, padding=32 << 20))})
    async with plane.channel(plane.by_token, plane.trusting()) as channel:
        stream = entrance.Stream(channel, token)
        await stream.ask()
        await plane.observer.until("opened", "delta")
        plane.store.revoke(tokens.read(token, plane.store.read().keys).id)
        await plane.observer.until("closed", "delta")


async def test_all_tokens_of_a_key_end_with_it(plane):
    token = plane.token()
    async with plane.channel(plane.by_token, plane.trusting()) as channel:
        stream = entrance.Stream(channel, token)
        await stream.asked()
        for file in (plane.store.path / "signing.pem", *(plane.store.path / "verifying").iterdir()):
            file.unlink()
        assert (await stream.end())[0] is UNKNOWN


async def test_a_replaced_key_leaves_the_tokens_of_the_old_one_valid(plane):
    old = plane.token()
    (plane.store.path / "signing.pem").unlink()
    new = plane.token()
    await plane.entrance.load()
    assert await let_in(plane, old) == await let_in(plane, new) == ["a"]


async def test_a_stream_ends_well_before_its_token_does_once_it_was_answered(plane):
    async with plane.channel(plane.by_token, plane.trusting()) as channel:
        stream = entrance.Stream(channel, plane.token(valid=2))
        assert await stream.asked() == ["a"]
        assert (await stream.end())[0] in (grpc.StatusCode.OK, UNKNOWN)


async def test_a_stream_that_was_not_answered_ends_with_its_token(plane):
    async with plane.channel(plane.by_token, plane.trusting()) as channel:
        stream = entrance.Stream(channel, plane.token(entrance.PETS_V2, valid=1))
        await stream.ask(claim.proxyless("shop/pets-v2"))  # of which there is no snapshot
        code, message = await stream.end()
        assert (code, message) == (UNKNOWN, "the proof of identity has expired; bring a new token or certificate")


async def test_revocations_that_cannot_be_read_stay_what_they_were(plane):
    token = plane.token()
    plane.store.revoke(tokens.read(token, plane.store.read().keys).id)
    await plane.entrance.load()
    broken = plane.store.path / "verifying" / "broken.pem"
    broken.write_text("no key")
    with pytest.raises(errors.UserError, match=r"broken\.pem holds no public Ed25519 key"):
        plane.store.read()
    following, log = asyncio.create_task(plane.entrance.follow(plane.server.review)), running.Log()
    before = structlog.get_config()
    structlog.configure(processors=[log])
    await log.until("what was read last holds")
    structlog.configure(**before)
    following.cancel()
    assert (await turned_away(plane, token))[0] is UNKNOWN
    assert await let_in(plane, plane.token()) == ["a"]


# ---------------------------------------------------------------------------- certificates


async def test_a_certificate_opens_the_other_door(plane):
    assert await let_in(plane, pair=entrance.pair(plane.mesh)) == ["a"]


async def test_a_certificate_by_a_new_root_that_the_old_one_signed_opens_it_too(plane):
    new = entrance.root()
    crossed = issue.Issuer(new.certificate, new.key, (issue.cross_signed(plane.mesh, new.certificate),))
    assert await let_in(plane, pair=entrance.pair(crossed)) == ["a"]


async def test_nobody_comes_in_there_without_a_certificate(plane):
    async with plane.channel(plane.by_certificate, plane.trusting()) as channel:
        assert (await entrance.Stream(channel, plane.token()).end())[0] is grpc.StatusCode.UNAVAILABLE


async def test_a_certificate_made_by_oneself_is_refused_whatever_it_says(plane):
    mine = entrance.root()
    assert (await turned_away(plane, pair=entrance.pair(mine)))[0] is grpc.StatusCode.UNAVAILABLE


async def test_a_certificate_of_another_mesh_s_authority_is_refused_though_tls_knows_it(plane):
    other = entrance.root(entrance.OTHER_DOMAIN)
    plane.renew(
        meshes={entrance.DOMAIN: entrance.root_pem(plane.mesh), entrance.OTHER_DOMAIN: entrance.root_pem(other)}
    )
    assert await turned_away(plane, pair=entrance.pair(other)) == (
        UNKNOWN, "the certificate is not of the authority of the mesh that it names"
    )  # fmt: skip


async def test_a_certificate_is_good_for_the_deployments_of_its_service_and_no_other(plane):
    for proxy, owner in (
        (claim.proxyless("shop/pets-v2"), "pets-v2"),
        (claim.gateway("shop/door", "127.0.0.1"), "door"),
    ):
        code, message = await refused_with(plane, proxy=proxy, pair=entrance.pair(plane.mesh))
        assert (code, owner in message, entrance.SERVICE.uri in message) == (DENIED, True, True)


async def test_an_expired_certificate_is_refused_by_tls(plane):
    old = entrance.pair(plane.mesh, life=60, now=time.time() - 3600)
    assert (await turned_away(plane, pair=old))[0] is grpc.StatusCode.UNAVAILABLE


async def test_the_certificate_of_a_connection_is_looked_at_for_each_stream(plane):
    async with plane.channel(plane.by_certificate, plane.trusting(pair=entrance.pair(plane.mesh, life=600))) as channel:
        assert await entrance.Stream(channel).asked() == ["a"]
        plane.now.ahead = 601
        assert await entrance.Stream(channel).end() == (UNKNOWN, "the certificate has expired")


async def test_a_stream_ends_when_the_deployment_leaves_the_service(plane):
    async with plane.channel(plane.by_certificate, plane.trusting(pair=entrance.pair(plane.mesh))) as channel:
        stream = entrance.Stream(channel)
        await stream.asked()
        moved = {entrance.PETS_V1: identity.Identity(entrance.DOMAIN, Ref("VirtualService", "shop", "zoo")).uri}
        plane.entrance.expect(moved, {entrance.DOMAIN: entrance.root_pem(plane.mesh)})
        assert (await stream.end())[0] is DENIED


async def test_a_stream_ends_when_its_root_is_not_trusted_any_more(plane):
    async with plane.channel(plane.by_certificate, plane.trusting(pair=entrance.pair(plane.mesh))) as channel:
        stream = entrance.Stream(channel)
        await stream.asked()
        plane.renew(meshes={entrance.DOMAIN: entrance.root_pem(entrance.root())})
        assert await stream.end() == (UNKNOWN, "the root of the certificate is not trusted any more")


# ---------------------------------------------------------------------------- the server's own certificate


async def test_the_server_s_certificate_is_replaced_live_and_no_stream_notices(plane):
    async with plane.channel(plane.by_token, plane.trusting()) as channel:
        stream = entrance.Stream(channel, plane.token())
        await stream.asked()
        old, new = plane.own, entrance.root("control-plane")
        plane.renew(own=new)
        async with plane.channel(plane.by_token, plane.trusting(new)) as fresh:
            assert await entrance.Stream(fresh, plane.token()).asked() == ["a"]
        async with plane.channel(plane.by_token, plane.trusting(old)) as stale:
            assert (await entrance.Stream(stale, plane.token()).end())[0] is grpc.StatusCode.UNAVAILABLE
        assert [view.peer.stream for view in plane.server.peers.views()] == [1]


async def test_new_roots_of_a_mesh_are_taken_live(plane):
    new = entrance.root()
    assert (await turned_away(plane, pair=entrance.pair(new)))[0] is grpc.StatusCode.UNAVAILABLE
    plane.renew(meshes={entrance.DOMAIN: entrance.root_pem(plane.mesh) + entrance.root_pem(new)})
    assert await let_in(plane, pair=entrance.pair(new)) == await let_in(plane, pair=entrance.pair(plane.mesh)) == ["a"]


async def test_material_that_cannot_be_used_leaves_the_last_in_place(plane):
    plane.entrance.serve(entrance.entrance.Own(b"no certificate", b"no key", b""))
    with structlog.testing.capture_logs():
        assert await let_in(plane, plane.token()) == ["a"]


async def test_a_connection_is_given_no_new_stream_after_a_while_and_its_streams_go_on(tmp_path):
    async with entrance.guarded(tmp_path / "state", age=0.2) as plane:
        credentials = plane.trusting(pair=entrance.pair(plane.mesh))
        async with plane.channel(plane.by_certificate, credentials) as channel:
            first = entrance.Stream(channel)
            await first.asked()
            (there,) = plane.server.peers.views()
            found = there.peer.address
            async with asyncio.timeout(20):
                while found == there.peer.address:
                    other = entrance.Stream(channel)
                    await other.asked()
                    found = plane.server.peers.views()[-1].peer.address
                    other.cancel()
            plane.snapshots.replace({entrance.PETS: model.holding(model.cluster("a", 2))})
            assert [each.name for each in (await first.receive()).resources] == ["a"]
