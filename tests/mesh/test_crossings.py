"""References into other namespaces: what is said of them, and which of them the settings refuse."""

from collections.abc import Iterable

import pytest

from mesh import admission, identity, resolve
from mesh.documents import parsed
from mesh.problems import Ref
from mesh.resolve import Crossings, CrossNamespace, Permit, references
from mesh.resources import KINDS, Resource
from tests import written

ZOO = """
Mesh: zoo/main
mtls: {minimum: DISABLED}
---
VirtualService: zoo/pets
mesh: {ref: {name: main}}
hosts: [pets]
defaultRoutingPolicy: {type: UNIFORM}
---
VirtualDeployment: zoo/pets-v1
virtualService: {ref: {name: pets}}
serviceDiscovery: {type: DNS, hostname: v1.local}
listener: [{protocol: HTTP, port: 9080}]
---
IngressGateway: zoo/door
mesh: {ref: {name: main}}
hosts: [{name: site, hostnames: [a.com], listeners: [{protocol: HTTP, port: 8080}]}]
---
"""
PETS, MAIN = Ref("VirtualService", "zoo", "pets"), Ref("Mesh", "zoo", "main")
SAME = Crossings(CrossNamespace.SAME)


def listed(*permits: Permit) -> Crossings:
    return Crossings(CrossNamespace.LISTED, permits)


def at(name: str, namespace: str = "zoo") -> str:
    return f"{{ref: {{name: {name}, namespace: {namespace}}}}}"


def policy(*rules: tuple[str, str], where: str = "shop/a", mesh: str = at("main")) -> str:
    sides = ", ".join(f"{{action: ALLOW, source: {source}, destination: {to}}}" for source, to in rules)
    return f"AccessPolicy: {where}\nmesh: {mesh}\nrules: [{sides}]"


ALL = "{allVirtualServices: {}}"


def named(kind: str, reference: str) -> str:
    return f"{{{kind}: {reference}}}"


JOINING = f"VirtualService: shop/web\nmesh: {at('main')}\nhosts: [web]"
OPENING = policy((ALL, named("virtualService", at("pets"))))
ADDING = f"VirtualDeployment: shop/a\nvirtualService: {at('pets')}"
ROUTING = (
    f"VirtualServiceRouteTable: shop/a\nvirtualService: {at('pets')}\n"
    f"routeRules: [{{httpRoute: {{destinations: [{{virtualDeployment: {at('pets-v1')}, weight: 100}}]}}}}]"
)
LEADING = (
    f"IngressGatewayRouteTable: shop/a\ningressGateway: {at('door')}\n"
    f"routeRules: [{{httpRoute: {{destinations: [{{virtualService: {at('pets')}}}]}}}}]"
)
BINDING = (
    f"VirtualDeploymentBinding: shop/a\nvirtualDeployment: {at('pets-v1')}\n"
    "target: {service: {ref: {namespace: zoo, name: pets}}}"
)
RUNNING = (
    f"IngressGatewayDeployment: shop/a\ningressGateway: {at('door')}\n"
    "deployment: {autoscaling: {minPods: 1, maxPods: 1}}\nports: [{port: 8080}]"
)
SERVICE = parsed(
    {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "pets", "namespace": "zoo"},
        "spec": {"selector": {"app": "pets"}},
    }
).resource


def meant(*texts: str, crossings: Crossings | None = None) -> resolve.Resolution:
    """Return what texts mean beside the zoo, and that it is the same where they came later."""
    assert SERVICE is not None
    settings = resolve.Settings(crossings=crossings or Crossings())
    there = written.of("\n---\n".join((ZOO, *texts))).with_changes([SERVICE])
    found = resolve.resolve(there, settings=settings)
    later = resolve.resolve(there, resolve.resolve(written.of(ZOO), settings=settings), settings=settings)
    assert (later.graph, later.problems) == (found.graph, found.problems)
    return found


def told(*texts: str, crossings: Crossings | None = None, kinds: Iterable[str] = KINDS) -> list[str]:
    found = meant(*texts, crossings=crossings).problems
    return [f"{one.severity_name}: {one}" for one in found if one.subject.kind in kinds]


# ---------------------------------------------------------------------------- what is said


def warned(subject: str, where: str, what: str) -> str:
    are_abroad, them = ("are in other namespaces", "them") if " and " in what else ("is in another namespace", "it")
    return (
        f"warning: {subject} {where}: {what} {are_abroad}, whose owners may not know what this one does to {them};"
        " move this object there, or see that they agree"
    )


@pytest.mark.parametrize(
    ("text", "field", "owner"),
    [
        (ADDING, "spec.virtualService", "VirtualService zoo/pets"),
        (ROUTING, "spec.virtualService", "VirtualService zoo/pets"),
        (LEADING, "spec.ingressGateway", "IngressGateway zoo/door"),
        (RUNNING, "spec.ingressGateway", "IngressGateway zoo/door"),
        (BINDING, "spec.virtualDeployment", "VirtualDeployment zoo/pets-v1 and 1 more"),
        (OPENING, "spec.rules[0].destination.virtualService", "VirtualService zoo/pets"),
        (policy((ALL, ALL)), "spec.mesh", "Mesh zoo/main"),
    ],
)
def test_2_3_8_what_an_object_acts_upon_in_another_namespace_is_said_once(text: str, field: str, owner: str) -> None:
    subject = Ref(*(text.partition(": ")[0], *text.splitlines()[0].partition(": ")[2].split("/")))
    assert warned(str(subject), field, owner) in told(text)
    assert sum("whose owners" in line for line in told(text)) == 1


def test_2_3_8_joining_a_mesh_of_another_namespace_is_fine() -> None:
    assert told(JOINING) == []


def test_2_3_8_one_s_own_service_can_be_opened_to_others_in_a_mesh_of_another_namespace() -> None:
    own = policy(
        (ALL, named("virtualService", "{ref: {name: web}}")),
        (named("ingressGateway", at("door")), named("virtualService", "{ref: {name: web}}")),
    )
    assert told(JOINING, own) == []


def test_2_3_8_whose_the_mesh_is_may_open_all_that_it_holds() -> None:
    own = policy(
        (ALL, ALL), (ALL, named("virtualService", at("web", "shop"))), where="zoo/a", mesh="{ref: {name: main}}"
    )
    assert told(JOINING, own) == []


def test_2_3_8_many_objects_of_other_namespaces_are_counted() -> None:
    more = "VirtualService: zoo/cats\nmesh: {ref: {name: main}}\nhosts: [cats]"
    several = policy(*((ALL, named("virtualService", at(name))) for name in ("pets", "cats", "pets")))
    assert told(more, several) == [
        warned("AccessPolicy shop/a", "spec.rules[0].destination.virtualService", "VirtualService zoo/pets and 1 more")
    ]


def by_id(text: str) -> str:
    """Return a text in which what the zoo holds is referred to by id."""
    spaces = written.of(ZOO)
    known = {at(one.ref.name): f"{{id: {identity.issued_id(one)}}}" for one in spaces if one.kind in identity.TOKENS}
    for reference, issued in known.items():
        text = text.replace(reference, issued)
    return text


def test_2_3_8_an_id_hides_nothing() -> None:
    assert "namespace: zoo" not in by_id(OPENING) + by_id(ADDING)
    assert told(by_id(OPENING)) == told(OPENING)
    assert told(by_id(ADDING)) == told(ADDING)


# ---------------------------------------------------------------------------- what is refused

EVERY = {
    JOINING: ["spec.mesh"],
    OPENING: ["spec.mesh", "spec.rules[0].destination.virtualService"],
    policy((named("ingressGateway", at("door")), ALL)): ["spec.mesh", "spec.rules[0].source.ingressGateway"],
    ADDING: ["spec.virtualService"],
    ROUTING: ["spec.routeRules[0].httpRoute.destinations[0].virtualDeployment", "spec.virtualService"],
    LEADING: ["spec.ingressGateway", "spec.routeRules[0].httpRoute.destinations[0].virtualService"],
    f"IngressGateway: shop/a\nmesh: {at('main')}\nhosts: [{{name: a, hostnames: [b.com], listeners: [{{protocol: HTTP, port: 8081}}]}}]": [
        "spec.mesh"
    ],
    BINDING: ["spec.target.service.ref", "spec.virtualDeployment"],
    RUNNING: ["spec.ingressGateway"],
}


@pytest.mark.parametrize(("text", "fields"), EVERY.items())
def test_2_3_9_every_reference_into_another_namespace_is_refused_by_ref_and_by_id(text: str, fields: list[str]) -> None:
    for crossings in (SAME, listed(), listed(Permit("farm", "zoo"), Permit("shop", "farm"), Permit("zoo", "shop"))):
        found = meant(text, crossings=crossings)
        assert [one.field for one in found.problems] == fields
        assert all(one.fault.endswith("so this reference is refused") for one in found.problems)
        (mine,) = (one for one in found.inventory if one.metadata.namespace == "shop")
        assert found.targets(mine.ref) == {}
        assert sorted(found.refused(mine.ref)) == sorted(fields)
        issued = meant(by_id(text), crossings=crossings)
        assert {one.field.removesuffix(".id") for one in issued.problems} == {*fields}
        assert issued.targets(mine.ref) == {}
        assert issued.graph == found.graph


def test_2_3_9_kinds_and_fields_are_all_there_are() -> None:
    tried = {(link.kind, link.is_acted_upon) for text in EVERY for link in references.links(written.objects(text)[0])}
    assert {one.kind for text in EVERY for one in written.objects(text)} == {*KINDS} - {"Mesh"}
    assert {kind for kind, _ in tried} == {"Mesh", "VirtualService", "VirtualDeployment", "IngressGateway", "Service"}


def test_2_3_9_of_a_policy_whose_mesh_is_refused_nothing_else_is_said() -> None:
    own = "VirtualService: shop/web\nmesh: {ref: {name: main, namespace: zoo}}\nhosts: [web]"
    opening = policy((ALL, named("virtualService", "{ref: {name: web}}")))
    joining = Permit("*", "zoo", frozenset({"VirtualService"}))
    assert [line.split(": ")[1] for line in told(own, opening, crossings=listed(joining))] == [
        "AccessPolicy shop/a spec.mesh"
    ]


def test_2_3_9_inside_of_one_namespace_nothing_is_refused() -> None:
    assert told(crossings=SAME) == told(crossings=listed()) == []


def test_2_3_9_the_words_name_the_setting_and_what_to_do() -> None:
    assert told(JOINING, crossings=SAME) == [
        "error: VirtualService shop/web spec.mesh: Mesh zoo/main is in another namespace, and cross_namespace_references"
        " is `same`, so this reference is refused; keep both in one namespace, or ask whoever runs meshloom to set"
        " cross_namespace_references to `listed` and to permit it"
    ]
    assert told(JOINING, crossings=listed()) == [
        "error: VirtualService shop/web spec.mesh: Mesh zoo/main is in another namespace, and permitted_references permits"
        " none of kind VirtualService from shop to zoo, so this reference is refused; keep both in one namespace, or ask"
        " whoever runs meshloom to add {from: shop, to: zoo, kinds: [VirtualService]} to permitted_references"
    ]


def test_2_3_9_whether_a_refused_object_exists_is_not_told() -> None:
    real, invented = (told(ADDING.replace("name: pets", f"name: {name}"), crossings=SAME) for name in ("pets", "none"))
    assert [line.replace("zoo/pets", "zoo/none") for line in real] == invented


@pytest.mark.parametrize(
    ("permit", "is_permitted"),
    [
        (Permit("shop", "zoo"), True),
        (Permit("*", "zoo"), True),
        (Permit("shop", "*"), True),
        (Permit("shop", "zoo", frozenset({"VirtualService", "IngressGateway"})), True),
        (Permit("shop", "zoo", frozenset({"AccessPolicy"})), False),
        (Permit("zoo", "shop"), False),
        (Permit("sho", "zoo"), False),
    ],
)
def test_2_3_9_what_is_listed_is_permitted_and_nothing_is_said(permit: Permit, is_permitted: bool) -> None:
    assert (told(JOINING, crossings=listed(permit)) == []) is is_permitted
    adding = told(ADDING, crossings=listed(Permit("shop", "zoo", frozenset({"VirtualDeployment"}))))
    assert not [line for line in adding if "namespace" in line]


def test_2_3_9_a_policy_that_is_refused_opens_nothing() -> None:
    texts = (JOINING, OPENING)
    joining = Permit("*", "zoo", frozenset({"VirtualService"}))
    web = Ref("VirtualService", "shop", "web")
    assert meant(*texts).graph.scopes[web].services == (PETS,)
    refused = meant(*texts, crossings=listed(joining)).graph
    assert refused.services.keys() == {PETS, web}
    assert refused.scopes[web].services == ()
    assert not refused.callers[PETS].all_services


def test_2_3_9_a_table_and_a_deployment_that_are_refused_take_no_requests() -> None:
    table = ROUTING.replace("weight: 100", "weight: 0")
    taking = (
        f"{ADDING}\nserviceDiscovery: {{type: DNS, hostname: mine.local}}\nlistener: [{{protocol: HTTP, port: 9080}}]"
    )
    alone = meant().graph.services[PETS]
    assert meant(table).graph.services[PETS] != alone != meant(taking).graph.services[PETS]
    for crossings in (SAME, listed()):
        assert meant(table, taking, crossings=crossings).graph.services[PETS] == alone


def test_2_3_9_a_binding_that_is_refused_is_no_rival() -> None:
    own = BINDING.replace("shop/a", "zoo/own") + "\ncreated: 2024-01-01T00:00:00Z"
    assert "selects pods that" in "".join(told(own, BINDING, kinds=["VirtualDeploymentBinding"]))
    assert not [line for line in told(own, BINDING, crossings=SAME) if "selects pods that" in line]


def test_2_3_9_who_is_refused_keeps_nothing_from_being_deleted() -> None:
    assert admission.holders(PETS, meant(ADDING)) != admission.holders(PETS, meant(ADDING, crossings=SAME))
    assert "shop/a" not in str(admission.holders(PETS, meant(ADDING, crossings=SAME)))


def one(text: str) -> Resource:
    (found,) = written.objects(text)
    return found


@pytest.mark.parametrize(("text", "fields"), EVERY.items())
def test_2_3_9_what_is_refused_is_not_let_in(text: str, fields: list[str]) -> None:
    assert admission.creation(one(text), meant()).is_admitted
    verdict = admission.creation(one(text), meant(crossings=SAME))
    assert sorted(problem.field for problem in verdict.refusals) == fields
    assert not [problem for problem in verdict.warnings if "whose owners" in problem.fault]


def test_2_3_9_what_was_refused_before_can_be_edited() -> None:
    before = meant(ADDING, crossings=SAME)
    edited = one(f"{ADDING}\ndescription: edited")
    assert admission.update(one(ADDING), edited, before).is_admitted
    moved = one(ADDING.replace("name: pets", "name: cats"))
    assert not admission.update(one(ADDING), moved, before).is_admitted


def test_other_settings_that_say_the_same_leave_everything_as_it_is() -> None:
    first = meant(JOINING, crossings=listed(Permit("*", "*")))
    again = resolve.Settings(crossings=listed(Permit("*", "*")))
    assert resolve.resolve(first.inventory, first, settings=again).stages is first.stages
