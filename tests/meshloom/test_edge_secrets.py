"""What gateways show to strangers, when a Secret breaks, goes, or ends."""

import time

from mesh import certificates, inventory, resolve
from mesh.certificates import Use
from mesh.problems import Ref
from meshloom import edge_secrets, passes
from meshloom.identity import claim
from tests import secrets, written
from tests.meshloom import issued, shop
from translator import resources

DOOR = claim.gateway("shop/door", "127.0.9.9")
OTHER = claim.gateway("shop/other", "127.0.9.8")
FRONT = claim.sidecar("shop/front-v1", "127.0.9.1", "127.0.0.1", {})
WANTED = frozenset({DOOR, OTHER, FRONT})
TLS = """
IngressGateway: shop/door
mesh: {ref: {name: main}}
hosts:
- name: all
  hostnames: ["*"]
  listeners:
  - protocol: HTTP
    port: 8443
    tls:
      mode: MUTUAL_TLS
      serverCertificate: {kubeSecretTlsCertificate: {secretName: edge}}
      clientValidation: {trustedCaBundle: {kubeSecretCaBundle: {secretName: edge}}}
---
IngressGateway: shop/other
mesh: {ref: {name: main}}
hosts: [{name: all, hostnames: ["*"], listeners: [{protocol: HTTP, port: 8880}]}]
"""
EDGE = Ref("Secret", "shop", "edge")
GOOD, BETTER = secrets.pair(), secrets.authority().pair()
BROKEN = {**BETTER.values, "tls.key": GOOD.key}


def seen(of=GOOD) -> inventory.Inventory:
    base = inventory.inventory_of(written.objects("---".join((shop.MESH, shop.PETS)))).with_changes(
        written.objects(TLS)
    )
    return base.with_changes([secrets.secret(EDGE.key, of)]) if of else base


def passed(of, previous=None) -> passes.Pass:
    task = passes.Task(of, None, WANTED)
    resolution = passes.resolved(task, previous, resolve.Settings())
    graph = resolution.graph
    owners = [*graph.services.values(), *graph.gateways.values()]
    credentials = issued.credentials([one.identity for one in owners])
    return passes.passed(task, previous, previous.snapshots if previous else {}, resolve.Settings(), credentials)


def shown(made: passes.Pass, proxy=DOOR) -> dict[str, bytes]:
    found = made.snapshots[proxy].entries(resources.SECRET)
    return {entry.name: entry.body for entry in found if entry.name.startswith("gateway/")}


def versions(made: passes.Pass) -> dict[resources.ResourceName, str]:
    kinds = (resources.CLUSTER, resources.LISTENER, resources.ROUTES, resources.SECRET)
    return {(kind, one.name): one.version for kind in kinds for one in made.snapshots[DOOR].entries(kind)}


def test_a_gateway_gets_the_secrets_that_its_listeners_name_and_nobody_else_does():
    made = passed(seen())
    assert {*shown(made)} == {"gateway/shop/edge", "gateway/shop/edge/authorities"}
    assert GOOD.key in shown(made)["gateway/shop/edge"]
    assert GOOD.root in shown(made)["gateway/shop/edge/authorities"]
    assert GOOD.key not in shown(made)["gateway/shop/edge/authorities"]
    assert shown(made, OTHER) == shown(made, FRONT) == {}


def test_a_new_certificate_is_one_secret_and_nothing_else():
    first = passed(seen())
    second = passed(first.resolution.inventory.with_changes([secrets.secret(EDGE.key, BETTER)]), first)
    assert {*second.published} == {DOOR}
    assert BETTER.key in shown(second)["gateway/shop/edge"]
    before, after = versions(first), versions(second)
    assert {name for name in after if before[name] != after[name]} == {(resources.SECRET, "gateway/shop/edge")}


def test_a_secret_that_breaks_leaves_the_last_good_one_in_use_and_says_so_until_it_is_mended():
    first = passed(seen())
    there = first.resolution.inventory.with_changes([secrets.secret(EDGE.key, BROKEN)])
    second = passed(there, first)
    third = passed(there.with_changes(written.objects(shop.weights(1, 1))), second)
    for made in (second, third):
        assert shown(made) == shown(first)
        assert [str(one) for one in edge_secrets.told(there, made.resolution, time.time())] == [
            "Secret shop/edge data: has a tls.key that is not the key of the first certificate in tls.crt, so that "
            "gateways go on with the last good one; see that it holds tls.crt (the certificate, then those above it) "
            "and tls.key"
        ]
    mended = there.with_changes([secrets.secret(EDGE.key, BETTER)])
    fourth = passed(mended, third)
    assert BETTER.key in shown(fourth)["gateway/shop/edge"]
    assert edge_secrets.told(mended, fourth.resolution, time.time()) == ()


def test_a_secret_that_was_never_good_or_is_taken_away_is_not_shown():
    assert shown(passed(seen(BROKEN))) == {}
    first = passed(seen())
    second = passed(first.resolution.inventory.with_changes(deleted=[EDGE]), first)
    assert shown(second) == {}


def test_a_certificate_that_ends_is_told_a_week_before_and_when_it_has():
    resolution = resolve.resolve(seen())
    ends = certificates.standing(secrets.secret(EDGE.key, GOOD), Use.SERVER).ends
    starts = certificates.standing(secrets.secret(EDGE.key, GOOD), Use.SERVER).starts

    def said(now: float) -> list[str]:
        return [one.fault.partition(" at ")[0] for one in edge_secrets.endings(resolution, now)]

    assert said(ends - 8 * 86400) == []
    assert said(ends - 6 * 86400) == ["holds a tls.crt that expires"]
    assert said(ends) == ["holds a tls.crt that expired"]
    assert "counts only from" in said(starts - 1)[0]
    assert edge_secrets.next_look(resolution, ends - 8 * 86400) == 86400
    assert edge_secrets.next_look(resolution, ends + 10**10) is None
