"""Gateways in a cluster: what an IngressGatewayDeployment asks for is there, stays, and goes, on a real API server.

No controllers run there: what they would do, making pods and telling of them, tests do.
"""

import asyncio
import contextlib
import dataclasses
import json
import pathlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest
import yaml

from mesh import documents, inventory, resolve
from mesh.problems import Ref
from meshloom.gateways import hands, operator, plan, states, wanted
from meshloom.gateways.states import Standing
from meshloom.injector.terms import Terms
from meshloom.status import progress
from tests.cluster import relay, servers, serving, waiting
from watchers import api_server

TERMS = Terms("registry.example/meshloom-proxy:1", "meshloom.meshloom-system.svc:15012")
GROUP = "servicemesh.oci.oracle.com/v1beta1"
PLURALS = {
    "Mesh": "meshes",
    "IngressGateway": "ingressgateways",
    "IngressGatewayDeployment": "ingressgatewaydeployments",
}
FRONT = """
apiVersion: servicemesh.oci.oracle.com/v1beta1
kind: Mesh
metadata: {name: main}
spec: {compartmentId: c, certificateAuthorities: [{id: ca}]}
---
apiVersion: servicemesh.oci.oracle.com/v1beta1
kind: IngressGateway
metadata: {name: front}
spec:
  compartmentId: c
  mesh: {ref: {name: main}}
  hosts: [{name: shop, hostnames: [shop.example], listeners: [{protocol: HTTP, port: 8080}]}]
---
apiVersion: servicemesh.oci.oracle.com/v1beta1
kind: IngressGatewayDeployment
metadata: {name: front}
spec:
  ingressGateway: {ref: {name: front}}
  deployment: {autoscaling: {minPods: 2, maxPods: 4}}
  ports: [{port: 8080, serviceport: 80}]
  service: {type: LoadBalancer, annotations: {shape: flexible}}
"""


@dataclasses.dataclass
class Counted:
    done: Counter[tuple[str, str]] = dataclasses.field(default_factory=Counter)

    def did(self, kind: str, what: str) -> None:
        self.done[kind, what] += 1


class World:
    """A namespace with a gateway, and an operator that sees to it."""

    def __init__(self, cluster: servers.Cluster, api: api_server.ApiServer, namespace: str) -> None:
        self.cluster, self.api, self.namespace, self.counted = cluster, api, namespace, Counted()
        self.operator = operator.Operator(api, self.counted, (namespace,))
        self.owner = Ref("IngressGatewayDeployment", namespace, "front")
        self.deployment, self.autoscaler, self.service, self.budget = plan.places(self.owner)

    async def write(self, text: str) -> None:
        """Apply what people write, and let the operator know of all there is."""
        self.cluster.kubectl("apply", "--server-side", "-n", self.namespace, "-f", "-", text=text)
        await self.wish()

    async def wish(self) -> None:
        self.operator.wish(await self.wishes())

    async def wishes(self) -> wanted.Wishes:
        found = []
        for kind, plural in PLURALS.items():
            items = (await self.api.request("GET", api_server.path(GROUP, plural, self.namespace)))["items"]
            found += [documents.parsed({**item, "apiVersion": GROUP, "kind": kind}).resource for item in items]
        resolution = resolve.resolve(inventory.inventory_of(one for one in found if one))
        return wanted.wishes(resolution, TERMS, {})

    async def get(self, ref: Ref) -> Mapping[str, Any] | None:
        return await hands.found(self.api, ref)

    async def there(self, ref: Ref) -> Mapping[str, Any]:
        found = await self.get(ref)
        assert found is not None, f"{ref} is not there"
        return found

    async def until(self, ref: Ref, condition: Callable[[Any], bool]) -> None:
        async def asked() -> bool:
            return condition(await self.get(ref))

        await waiting.until_told(asked)

    async def patch(self, ref: Ref, body: Any, subresource: str = "") -> None:
        at = hands.path(ref) + (f"/{subresource}" if subresource else "")
        await self.api.request("PATCH", at, body=body, content_type=api_server.MERGE_PATCH)

    @property
    def state(self) -> states.State:
        return self.operator.states.get(self.owner, states.of_deployment(None))

    async def settled(self) -> None:
        """Return when all that is wanted is there."""
        for place in (self.deployment, self.autoscaler, self.service, self.budget):
            await self.until(place, lambda found: found is not None)
        await waiting.until(lambda: self.owner in self.operator.states)


@contextlib.asynccontextmanager
async def running(world: World) -> AsyncIterator[World]:
    task = asyncio.create_task(world.operator.run())
    try:
        yield world
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture
async def world(cluster: servers.Cluster, api: api_server.ApiServer, namespace: str) -> AsyncIterator[World]:
    """Yield a world in which the gateway's objects are made already."""
    made = World(cluster, api, namespace)
    async with running(made):
        await made.write(FRONT)
        await made.settled()
        yield made


def image(found: Any) -> str:
    return str(found["spec"]["template"]["spec"]["containers"][0]["image"])


def volumes(found: Any) -> list[str]:
    return [volume["name"] for volume in found["spec"]["template"]["spec"].get("volumes", [])]


# ---------------------------------------------------------------------------- made, and kept


async def test_the_objects_of_a_gateway_are_made_and_belong_to_it(world: World) -> None:
    uid = (await world.wishes())[world.owner].owner.metadata.uid
    for place in plan.places(world.owner):
        found = await world.there(place)
        assert plan.controller(found)["uid"] == uid
        assert "meshloom" in [entry["manager"] for entry in found["metadata"]["managedFields"]]
    assert (await world.there(world.service))["metadata"]["annotations"] == {"shape": "flexible"}
    scaler = (await world.there(world.autoscaler))["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"], scaler["targetCPUUtilizationPercentage"]) == (2, 4, 50)


async def test_a_deployment_begins_with_the_least_number_of_pods_which_is_the_autoscalers_from_then_on(
    world: World,
) -> None:
    await world.until(world.deployment, lambda found: found["spec"]["replicas"] == 2)
    await world.patch(world.deployment, {"spec": {"replicas": 3}}, "scale")
    await world.write(FRONT.replace("port: 8080, serviceport: 80", "port: 8443, serviceport: 443"))
    await world.until(world.service, lambda found: found["spec"]["ports"][0]["port"] == 443)
    deployment = await world.there(world.deployment)
    ports = [port["containerPort"] for port in deployment["spec"]["template"]["spec"]["containers"][0]["ports"]]
    assert (deployment["spec"]["replicas"], ports) == (3, [15006, 8443])


async def test_what_somebody_changes_is_put_right_at_once(world: World) -> None:
    spoilt = [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "other:1"}]
    await world.api.request("PATCH", hands.path(world.deployment), body=spoilt, content_type=api_server.JSON_PATCH)
    await world.until(world.deployment, lambda found: image(found) == TERMS.image)
    await world.patch(world.autoscaler, {"spec": {"maxReplicas": 9}})
    await world.until(world.autoscaler, lambda found: found["spec"]["maxReplicas"] == 4)
    await world.patch(world.service, {"metadata": {"labels": {"app.kubernetes.io/managed-by": None}}})
    await world.until(world.service, lambda found: "app.kubernetes.io/managed-by" in found["metadata"]["labels"])
    for place in (world.service, world.budget, world.deployment):
        uid = (await world.there(place))["metadata"]["uid"]
        await world.api.request("DELETE", hands.path(place), body={"propagationPolicy": "Background"})
        await world.until(place, lambda found, uid=uid: found is not None and found["metadata"]["uid"] != uid)


async def test_what_others_note_on_an_object_stays(world: World) -> None:
    await world.patch(world.service, {"metadata": {"annotations": {"cloud": "noted"}, "labels": {"team": "x"}}})
    await world.write(FRONT.replace("shape: flexible", "shape: fixed"))
    await world.until(world.service, lambda found: found["metadata"]["annotations"].get("shape") == "fixed")
    metadata = (await world.there(world.service))["metadata"]
    assert (metadata["annotations"]["cloud"], metadata["labels"]["team"]) == ("noted", "x")


async def test_what_is_as_wanted_is_not_written_again_also_not_by_the_next_leader(world: World) -> None:
    def versions(found: list[Mapping[str, Any]]) -> list[str]:
        return [one["metadata"]["resourceVersion"] for one in found]

    await world.until(world.deployment, lambda found: found["spec"]["replicas"] == 2)
    before = versions([await world.there(place) for place in plan.places(world.owner)])
    other = World(world.cluster, world.api, world.namespace)
    await other.wish()
    async with running(other):
        await waiting.until(lambda: other.owner in other.operator.states)
    assert versions([await world.there(place) for place in plan.places(world.owner)]) == before
    assert not other.counted.done


# ---------------------------------------------------------------------------- removed


async def test_a_deployment_written_anew_waits_for_what_a_former_one_leaves(world: World) -> None:
    world.cluster.kubectl("delete", "-n", world.namespace, "ingressgatewaydeployment", "front", "--wait=true")
    await world.write(FRONT.replace("minPods: 2", "minPods: 1"))
    await waiting.until(lambda: "of a former IngressGatewayDeployment front" in world.state.words)
    owner = (await world.wishes())[world.owner].owner.metadata.uid
    for place in plan.places(world.owner):  # as the garbage collector would
        await world.api.request("DELETE", hands.path(place), body={"propagationPolicy": "Background"})
    await world.until(world.deployment, lambda found: found is not None and plan.controller(found)["uid"] == owner)
    await world.until(world.service, lambda found: found is not None and plan.controller(found)["uid"] == owner)
    assert await world.get(world.budget) is None


async def test_a_service_that_is_taken_out_of_the_spec_is_removed(world: World) -> None:
    at = api_server.path(GROUP, PLURALS["IngressGatewayDeployment"], world.namespace, "front")
    gone = {"spec": {"service": None, "ports": [{"port": 8080, "protocol": "TCP"}]}}
    await world.api.request("PATCH", at, body=gone, content_type=api_server.MERGE_PATCH)
    await world.wish()
    await world.until(world.service, lambda found: found is None)
    assert await world.get(world.deployment) is not None


async def test_where_something_is_wrong_what_there_was_stays_and_it_is_said(world: World) -> None:
    at = api_server.path(GROUP, PLURALS["IngressGatewayDeployment"], world.namespace, "front")
    chatty = {"metadata": {"annotations": {"servicemesh.oci.oracle.com/proxy-log-level": "chatty"}}}
    await world.api.request("PATCH", at, body=chatty, content_type=api_server.MERGE_PATCH)
    await world.wish()
    await waiting.until(lambda: world.state.standing is Standing.FAULTY)
    assert "chatty" in world.state.words
    assert image(await world.there(world.deployment)) == TERMS.image


# ---------------------------------------------------------------------------- others' objects


async def test_an_object_of_somebody_else_is_left_alone_until_it_is_gone(
    cluster: servers.Cluster, api: api_server.ApiServer, namespace: str
) -> None:
    world = World(cluster, api, namespace)
    cluster.kubectl("create", "service", "clusterip", "front-service", "-n", namespace, "--tcp=1:1")
    before = await world.there(world.service)
    async with running(world):
        await world.write(FRONT)
        await waiting.until(lambda: world.state.standing is Standing.FAULTY)
        assert "Service" in world.state.words
        assert "belongs to nobody" in world.state.words
        assert await world.there(world.service) == before
        assert await world.get(world.deployment) is not None
        cluster.kubectl("delete", "service", "front-service", "-n", namespace)
        await world.until(world.service, lambda found: found is not None)
        await waiting.until(lambda: world.state.standing is Standing.WAITING)


async def test_what_the_original_operator_made_is_taken_over_in_place(
    cluster: servers.Cluster, api: api_server.ApiServer, namespace: str
) -> None:
    world = World(cluster, api, namespace)
    cluster.kubectl("apply", "--server-side", "-n", namespace, "-f", "-", text=FRONT)
    uid = (await world.wishes())[world.owner].owner.metadata.uid
    left = await _left_by_the_original(world, uid)
    async with running(world):
        await world.wish()
        await world.until(world.deployment, lambda found: image(found) == TERMS.image)
        await world.until(world.service, lambda found: found["metadata"].get("labels") is not None)
    deployment, service = await world.there(world.deployment), await world.there(world.service)
    assert [deployment["metadata"]["uid"], service["metadata"]["uid"]] == [one["metadata"]["uid"] for one in left]
    assert deployment["spec"]["replicas"] == 3
    assert "bookinfo-tls-secret" not in volumes(deployment)
    assert service["spec"]["ports"][0]["nodePort"] == left[1]["spec"]["ports"][0]["nodePort"]
    assert {"manager"}.isdisjoint(entry["manager"] for entry in service["metadata"]["managedFields"])


async def _left_by_the_original(world: World, uid: str) -> list[Mapping[str, Any]]:
    """Make a Deployment and a Service as the original operator did, with the name that its program has."""
    held = {"apiVersion": GROUP, "kind": "IngressGatewayDeployment", "name": "front", "uid": uid}
    owners = [{**held, "controller": True, "blockOwnerDeletion": True}]
    selector = {"servicemesh.oci.oracle.com/ingress-gateway-deployment": "front"}
    secret = {"name": "bookinfo-tls-secret", "secret": {"secretName": "bookinfo-tls-secret"}}
    mount = {"name": "bookinfo-tls-secret", "mountPath": "/etc/oci/secrets/bookinfo-tls-secret", "readOnly": True}
    container = {"name": "oci-sm-proxy", "image": "old:1", "ports": [{"containerPort": 15006}], "volumeMounts": [mount]}
    template = {"metadata": {"labels": selector}, "spec": {"containers": [container], "volumes": [secret]}}
    specs = {
        world.deployment: {"replicas": 3, "selector": {"matchLabels": selector}, "template": template},
        world.service: {"type": "LoadBalancer", "selector": selector, "ports": [{"port": 80, "targetPort": 8080}]},
    }
    made = []
    for ref, spec in specs.items():
        version, plural = plan.KINDS[ref.kind]
        metadata = {"name": ref.name, "ownerReferences": owners}
        body = {"apiVersion": version, "kind": ref.kind, "metadata": metadata, "spec": spec}
        at = api_server.path(version, plural, world.namespace)
        made.append(await world.api.request("POST", at, {"fieldManager": "manager"}, body))
    return made


# ---------------------------------------------------------------------------- what is said


async def test_a_gateway_is_available_when_its_deployment_is(world: World) -> None:
    await waiting.until(lambda: world.state.standing is Standing.WAITING)
    for status, standing in (("True", Standing.AVAILABLE), ("False", Standing.WAITING), ("True", Standing.AVAILABLE)):
        told = {"type": "Available", "status": status, "message": f"said {status}", "reason": "Told"}
        await world.patch(world.deployment, {"status": {"conditions": [told]}}, "status")
        await waiting.until(lambda standing=standing: world.state.standing is standing)
    assert world.state.words == "Deployment front-deployment is available"


async def test_what_the_api_server_refuses_is_said_in_its_words(world: World) -> None:
    at = api_server.path(GROUP, PLURALS["IngressGatewayDeployment"], world.namespace, "front")
    odd = {"spec": {"deployment": {"labels": {"team": "not a label"}}}}
    await world.api.request("PATCH", at, body=odd, content_type=api_server.MERGE_PATCH)
    await world.wish()
    await waiting.until(lambda: world.state.standing is Standing.FAULTY)
    assert "the API server refuses" in world.state.words
    assert "not a label" in world.state.words


async def test_an_operator_without_rights_says_so_and_goes_on_when_it_has_them(
    cluster: servers.Cluster, namespace: str, api: api_server.ApiServer
) -> None:
    user = f"operator-{namespace}"
    access = api_server.Access(str(cluster.kubeconfig_of(user)))
    named = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": user, "namespace": namespace}}
    rules = [
        {
            "apiGroups": ["apps", "autoscaling", "policy", ""],
            "resources": [kind.plural for kind in plan.KINDS.values()],
            "verbs": ["get", "list", "watch", "create", "patch", "delete"],
        }
    ]
    subject = {"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"}
    role = {"kind": "Role", "name": user, "apiGroup": "rbac.authorization.k8s.io"}
    reading = [{**rules[0], "verbs": ["get", "list", "watch"]}]
    async with api_server.connected(access) as limited:
        world = World(cluster, api, namespace)
        world.operator = operator.Operator(limited, world.counted, (namespace,))
        async with running(world):
            await world.write(FRONT)
            await waiting.until(lambda: "cannot list resource" in world.state.words)
            cluster.kubectl("apply", "-f", "-", text=json.dumps({**named, "kind": "Role", "rules": reading}))
            bound = {**named, "kind": "RoleBinding", "roleRef": role, "subjects": [subject]}
            cluster.kubectl("apply", "-f", "-", text=json.dumps(bound))
            await waiting.until(lambda: "cannot patch resource" in world.state.words)
            cluster.kubectl("apply", "-f", "-", text=json.dumps({**named, "kind": "Role", "rules": rules}))
            await world.settled()
            await waiting.until(lambda: world.state.standing is Standing.WAITING)


async def test_what_was_changed_while_the_api_server_was_out_of_reach_is_put_right_afterwards(
    cluster: servers.Cluster, api: api_server.ApiServer, namespace: str, tmp_path: pathlib.Path
) -> None:
    async with relay.relayed(cluster, tmp_path) as (way, access), api_server.connected(access) as through:
        world = World(cluster, api, namespace)
        world.operator = operator.Operator(through, world.counted, (namespace,))
        async with running(world):
            await world.write(FRONT)
            await world.settled()
            state = world.state
            way.cut()
            await world.patch(world.autoscaler, {"spec": {"maxReplicas": 9}})
            await world.api.request("DELETE", hands.path(world.service))
            assert world.state == state, "what is not known is not said"
            way.flow()
            await world.until(world.autoscaler, lambda found: found["spec"]["maxReplicas"] == 4)
            await world.until(world.service, lambda found: found is not None)


# ---------------------------------------------------------------------------- the pods


async def test_pods_of_a_gateway_are_let_into_a_namespace_of_restricted_pods(world: World) -> None:
    world.cluster.kubectl("label", "namespace", world.namespace, "pod-security.kubernetes.io/enforce=restricted")
    world.cluster.kubectl("create", "serviceaccount", "default", "-n", world.namespace)
    template = (await world.there(world.deployment))["spec"]["template"]
    spec = {**template["spec"], "serviceAccountName": "default"}  # which a server with ServiceAccounts fills in
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "front-"}, "spec": spec}
    made = await world.api.request("POST", api_server.path("v1", "pods", world.namespace), {"dryRun": "All"}, pod)
    mounted = {mount["name"] for mount in made["spec"]["containers"][0]["volumeMounts"]}
    assert mounted == {volume["name"] for volume in template["spec"]["volumes"]}, "a token for the API is mounted too"


def test_the_text_of_these_tests_is_what_people_may_write() -> None:
    assert all(documents.parsed(document).resource for document in yaml.safe_load_all(FRONT))


# ---------------------------------------------------------------------------- the whole program


async def test_a_control_plane_makes_the_gateways_of_its_cluster(
    cluster: servers.Cluster, api: api_server.ApiServer, namespace: str, tmp_path: pathlib.Path
) -> None:
    world, settings = World(cluster, api, namespace), tmp_path / "settings.yaml"
    settings.write_text("kubernetes: {webhook: 'off', operator: 'off'}")
    options = ("--namespace", namespace, "--settings", str(settings))
    with serving.served(cluster, tmp_path, *options, home=namespace):
        cluster.kubectl("apply", "--server-side", "-n", namespace, "-f", "-", text=FRONT)
        await world.until(world.deployment, lambda found: found is not None)
        await world.until(world.budget, lambda found: found is not None)
        variables = (await world.there(world.deployment))["spec"]["template"]["spec"]["containers"][0]["env"]
        said = "Deployment front-deployment is not available: its pods are being made"
        assert await condition(api, namespace, "Unknown") == said
        available = {"type": "Available", "status": "True", "message": "x", "reason": "Told"}
        await world.patch(world.deployment, {"status": {"conditions": [available]}}, "status")
        assert await condition(api, namespace, "True") == progress.NO_PROXY
    told = {one["name"]: one.get("value") for one in variables}
    assert told["MESHLOOM_GATEWAY"] == f"{namespace}/front"
    assert told["MESHLOOM_ADS"] == f"meshloom.{namespace}.svc:15012"


async def condition(api: api_server.ApiServer, namespace: str, status: str) -> str:
    """Return the message of the condition Active of the deployment, as soon as it has this status."""
    told: list[str] = []

    async def asked() -> bool:
        at = api_server.path(GROUP, PLURALS["IngressGatewayDeployment"], namespace, "front")
        found = (await api.request("GET", at)).get("status", {}).get("conditions", [])
        told[:] = [one["message"] for one in found if (one["type"], one["status"]) == ("ServiceMeshActive", status)]
        return bool(told)

    await waiting.until_told(asked)
    return told[0]
