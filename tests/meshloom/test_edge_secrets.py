"""What gateways show to strangers, when a Secret breaks, goes, or ends."""

import time

from hypothesis import given, settings
from hypothesis import strategies as st

from mesh import certificates, inventory, resolve
from mesh.certificates import Use
from mesh.problems import Ref, Severity
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
IN_FILES, IN_CLUSTER = resolve.Settings(), resolve.Settings(in_cluster=True)
GOOD, BETTER = secrets.pair(), secrets.authority().pair()
BROKEN = {**BETTER.values, "tls.key": GOOD.key}


def seen(of=GOOD) -> inventory.Inventory:
    base = inventory.inventory_of(written.objects("---".join((shop.MESH, shop.PETS)))).with_changes(
        written.objects(TLS)
    )
    return base.with_changes([secrets.secret(EDGE.key, of)]) if of else base


def passed(of, previous=None, settings=IN_FILES, wanted=WANTED) -> passes.Pass:
    task = passes.Task(of, None, wanted)
    resolution = passes.resolved(task, previous, settings)
    graph = resolution.graph
    owners = [*graph.services.values(), *graph.gateways.values()]
    credentials = issued.credentials([one.identity for one in owners])
    return passes.passed(task, previous, previous.snapshots if previous else {}, settings, credentials)


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


# ---------------------------------------------------------------------------- deployments

NEAR, FAR = Ref("IngressGatewayDeployment", "shop", "near"), Ref("IngressGatewayDeployment", "edge", "far")
IN_NEAR, IN_FAR = (DOOR._replace(deployment=ref) for ref in (NEAR, FAR))
PODS = frozenset({IN_NEAR, IN_FAR, FRONT})
FAR_EDGE = Ref("Secret", "edge", "edge")
LISTED = "secrets: [{secretName: edge}]"
DEPLOYED = f"""
IngressGatewayDeployment: shop/near
ingressGateway: {{ref: {{name: door}}}}
deployment: {{autoscaling: {{minPods: 1, maxPods: 1}}}}
ports: [{{port: 8443}}]
---
IngressGatewayDeployment: edge/far
ingressGateway: {{ref: {{namespace: shop, name: door}}}}
deployment: {{autoscaling: {{minPods: 1, maxPods: 1}}}}
ports: [{{port: 8443}}]
{LISTED}
"""


def deployed(of=None, far=BETTER, text=DEPLOYED) -> inventory.Inventory:
    those = [secrets.secret(FAR_EDGE.key, far)] if far else []
    return seen(of).with_changes([*written.objects(text), *those])


def in_cluster(of, previous=None, wanted=PODS) -> passes.Pass:
    return passed(of, previous, IN_CLUSTER, wanted)


def subjects(made: passes.Pass) -> list[str]:
    return [str(one.subject) for one in (*made.resolution.problems, *made.problems) if one.severity is Severity.ERROR]


def test_a_pod_gets_what_its_deployment_lists_and_nothing_that_lies_beside_the_gateway():
    made = in_cluster(deployed(GOOD))
    assert {*shown(made, IN_FAR)} == {"gateway/edge/edge", "gateway/edge/edge/authorities"}
    assert BETTER.key in shown(made, IN_FAR)["gateway/edge/edge"]
    assert shown(made, IN_NEAR) == {}
    for proxy in PODS:
        bodies = [one.body for one in made.snapshots[proxy].entries(resources.SECRET)]
        assert not [body for body in bodies if GOOD.key in body], "nobody lists it"
    assert [*made.snapshots[IN_FAR].entries(resources.LISTENER)]
    assert [*made.snapshots[IN_NEAR].entries(resources.LISTENER)] == []
    assert subjects(made) == [str(NEAR)]


def test_pods_of_one_deployment_share_all_and_two_deployments_the_proof_of_who_they_are():
    made = in_cluster(deployed(GOOD))
    identity = {made.snapshots[one].get(resources.SECRET, "identity") for one in (IN_NEAR, IN_FAR)}
    assert len(identity) == 1
    assert {*made.snapshots} == PODS


def test_a_list_that_changes_is_a_matter_of_that_deployment_alone():
    first = in_cluster(deployed(GOOD))
    more = DEPLOYED.replace("ports: [{port: 8443}]\n---", f"ports: [{{port: 8443}}]\n{LISTED}\n---")
    second = in_cluster(deployed(GOOD, text=more), first)
    assert {*second.published} == {IN_NEAR}
    assert GOOD.key in shown(second, IN_NEAR)["gateway/shop/edge"]
    third = in_cluster(deployed(GOOD), second)
    assert {*third.published} == {IN_NEAR}
    assert shown(third, IN_NEAR) == {}


def test_a_new_certificate_of_a_deployment_is_one_secret_and_nothing_else():
    first = in_cluster(deployed())
    second = in_cluster(first.resolution.inventory.with_changes([secrets.secret(FAR_EDGE.key, GOOD)]), first)
    assert {*second.published} == {IN_FAR}
    changed = {
        (kind, entry.name)
        for kind in (resources.LISTENER, resources.ROUTES, resources.CLUSTER, resources.SECRET)
        for entry in second.snapshots[IN_FAR].entries(kind)
        if first.snapshots[IN_FAR].get(kind, entry.name) != entry
    }
    assert changed == {(resources.SECRET, "gateway/edge/edge")}


def test_the_last_good_secret_of_a_deployment_is_kept_too():
    first = in_cluster(deployed())
    there = first.resolution.inventory.with_changes([secrets.secret(FAR_EDGE.key, BROKEN)])
    second = in_cluster(there, first)
    assert shown(second, IN_FAR) == shown(first, IN_FAR)
    (told,) = edge_secrets.told(there, second.resolution, time.time())
    assert (told.subject, "go on with the last good one" in told.fault) == (FAR_EDGE, True)


def test_what_lies_beside_a_deployed_gateway_is_spoken_of_only_while_somebody_gets_it():
    there = deployed(text=DEPLOYED.replace("ports: [{port: 8443}]\n---", f"ports: [{{port: 8443}}]\n{LISTED}\n---"))
    late = certificates.standing(secrets.secret(EDGE.key, GOOD), Use.SERVER).ends + 1
    pods = in_cluster(there)
    assert subjects(pods) == [str(NEAR)] * 2, "its Secret is missing, for both uses"
    far_alone = in_cluster(deployed(GOOD))
    assert {one.subject for one in edge_secrets.told(deployed(GOOD), far_alone.resolution, late)} == {FAR_EDGE}
    home = in_cluster(deployed(), wanted=PODS | {DOOR})
    assert str(DOOR.gateway) in subjects(home), "one that joined by a token misses it"
    both = in_cluster(deployed(GOOD), wanted=PODS | {DOOR})
    assert GOOD.key in shown(both, DOOR)["gateway/shop/edge"]
    at_home = passes.at_home(both.compilation)
    assert {one.subject for one in edge_secrets.told(deployed(GOOD), both.resolution, late, at_home)} == {
        FAR_EDGE,
        EDGE,
    }


def test_a_pod_of_a_deployment_that_is_gone_keeps_what_it_had():
    first = in_cluster(deployed())
    second = in_cluster(first.resolution.inventory.with_changes(deleted=[FAR]), first)
    assert second.snapshots[IN_FAR] is first.snapshots[IN_FAR]
    assert "keeps its last configuration" in str(second.problems)


EDITS = st.one_of(
    st.builds(
        lambda near, far: written.objects(
            DEPLOYED.replace(LISTED, f"secrets: [{far}]").replace("]\n---", f"]\nsecrets: [{near}]\n---")
        ),
        st.sampled_from(["", "{secretName: edge}"]),
        st.sampled_from(["", "{secretName: edge}", "{secretName: other}"]),
    ),
    st.builds(
        lambda ref, of: [secrets.secret(ref.key, of)],
        st.sampled_from([EDGE, FAR_EDGE]),
        st.sampled_from([GOOD, BETTER, BROKEN]),
    ),
    st.sampled_from([NEAR, FAR, EDGE, FAR_EDGE, DOOR.gateway]),
    st.just(written.objects(TLS)),
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(EDITS, st.frozensets(st.sampled_from([DOOR, *sorted(PODS - {FRONT})]))), min_size=1, max_size=8)
)
def test_a_pass_with_deployments_equals_a_fresh_one(steps):
    there, last = deployed(GOOD), None
    for edit, wanted in steps:
        there = there.with_changes(deleted=[edit]) if isinstance(edit, Ref) else there.with_changes(edit)
        last = in_cluster(there, last, wanted)
        used = last.resolution.inventory  # with the last good ones where some have broken
        fresh = in_cluster(used, None, wanted)
        assert {proxy: last.made[proxy] for proxy in last.made} == {proxy: fresh.made[proxy] for proxy in fresh.made}
        assert last.resolution.problems == fresh.resolution.problems
