"""A shop whose objects refer to each other in every way that there is, and what its statuses say."""

from collections.abc import Mapping
from typing import Any

from mesh import resolve, resources, workloads
from mesh.problems import Problem, Ref
from meshloom.status import documents, drafts, progress
from tests import written

NOW, EARLIER = "2026-01-31T12:00:00Z", "2026-01-30T12:00:00Z"

MESH = Ref("Mesh", "shop", "main")
PETS = Ref("VirtualService", "shop", "pets")
PETS_V1 = Ref("VirtualDeployment", "shop", "pets-v1")
TABLE = Ref("VirtualServiceRouteTable", "shop", "pets")
POLICY = Ref("AccessPolicy", "shop", "main")
DOOR = Ref("IngressGateway", "shop", "door")
DOOR_TABLE = Ref("IngressGatewayRouteTable", "shop", "door")
BINDING = Ref("VirtualDeploymentBinding", "shop", "pets-v1")
DOOR_PODS = Ref("IngressGatewayDeployment", "shop", "door")

OBJECTS = {
    MESH: "mtls: {minimum: PERMISSIVE}\ndisplayName: the shop",
    PETS: "mesh: {ref: {name: main}}\nhosts: [pets]\nname: animals",
    PETS_V1: """virtualService: {ref: {name: pets}}
serviceDiscovery: {type: DNS, hostname: v1.local}
listener: [{protocol: HTTP, port: 9080}]""",
    TABLE: """virtualService: {ref: {name: pets}}
routeRules: [{httpRoute: {destinations: [{virtualDeployment: {ref: {name: pets-v1}}, weight: 100}]}}]""",
    POLICY: """mesh: {ref: {name: main}}
rules:
- action: ALLOW
  source: {ingressGateway: {ref: {name: door}}}
  destination: {virtualService: {ref: {name: pets}}}
- action: ALLOW
  source: {allVirtualServices: {}}
  destination: {externalService: {httpExternalService: {hostnames: [example.com]}}}""",
    DOOR: "mesh: {ref: {name: main}}\nhosts: [{name: a, hostnames: [a.com], listeners: [{protocol: HTTP, port: 8080}]}]",
    DOOR_TABLE: """ingressGateway: {ref: {name: door}}
routeRules: [{httpRoute: {destinations: [{virtualService: {ref: {name: pets}}}]}}]""",
    BINDING: "virtualDeployment: {ref: {name: pets-v1}}\ntarget: {service: {ref: {name: pets}}}",
    DOOR_PODS: """ingressGateway: {ref: {name: door}}
deployment: {autoscaling: {minPods: 1, maxPods: 2}}
ports: [{port: 8080}]""",
}

SERVICE = workloads.Service.model_validate({"metadata": {"namespace": "shop", "name": "pets"}})


def item(ref: Ref, spec: str = "", **metadata: Any) -> resources.Resource:
    """Return an object of the shop, perhaps with another spec."""
    (made,) = written.objects(f"{ref.kind}: {ref.key}\n{spec or OBJECTS[ref]}")
    said = {"uid": f"uid-of-{ref.kind.lower()}-{ref.name}", "generation": 1, **metadata}
    return made.model_copy(update={"metadata": made.metadata.model_copy(update=said)})


def resolved(*others: resources.Resource, without: tuple[Ref, ...] = ()) -> resolve.Resolution:
    """Return the meaning of the shop with other objects in the place of its own, and without some."""
    own = {ref: item(ref) for ref in OBJECTS if ref not in without}
    replaced = {**own, **{one.ref: one for one in others}}
    there = resolve_inventory(*replaced.values(), *(() if SERVICE.ref in without else (SERVICE,)))
    return resolve.resolve(there, settings=resolve.Settings(in_cluster=True))


def resolve_inventory(*items: resources.Resource) -> Any:
    """Return the inventory of these objects."""
    return written.of("").with_changes(items)


def drafted(of: resolve.Resolution, *more: Problem) -> drafts.Drafts:
    """Return the drafts of a resolution."""
    return drafts.drafts(of, (*of.problems, *more))


def status(
    ref: Ref,
    of: resolve.Resolution,
    proxies: Mapping[Ref, progress.Proxies] | None = None,
    before: Mapping[str, Any] | None = None,
    problems: tuple[Problem, ...] = (),
    since: int = 0,
) -> dict[str, Any]:
    """Return the status of one object, if these proxies are connected."""
    told = drafted(of, *problems)
    draft = told.get(ref)
    assert draft is not None
    groups = progress.by_group(proxies or {}, told.members)
    concerned = progress.concerned(draft.concern, groups)
    moment = documents.Moment(concerned, since, NOW, told.held.get(ref, ()))
    return dict(documents.document(draft, moment, before or {}))


def said(status: Mapping[str, Any]) -> dict[str, tuple[str, str, str]]:
    """Return status, reason and message by the last word of each condition's type, in order."""
    return {
        one["type"].removeprefix("ServiceMesh"): (one["status"], one["reason"], one["message"])
        for one in status["conditions"]
    }
