"""What admission lets in, and what it refuses, with which words."""

import pytest
import yaml

from mesh import admission, resolve, resources, rules
from mesh.documents import parsed
from mesh.problems import Ref
from mesh.resources import Resource
from tests import written

SHOP = written.SHOP
DISCOVERY = "serviceDiscovery: {type: DNS, hostname: v.local}"


def one(text: str) -> Resource:
    (found,) = written.objects(text)
    return found


def ending(text: str) -> Resource:
    found = one(text)
    metadata = found.metadata.model_copy(update={"deletion_timestamp": "2030-01-31T12:00:00Z"})
    return found.model_copy(update={"metadata": metadata})


def there(text: str = SHOP, *more: Resource) -> resolve.Resolution:
    return resolve.resolve(written.of(text).with_changes(more))


def created(text: str, beside: resolve.Resolution | None = None) -> list[str]:
    return [str(problem) for problem in admission.creation(one(text), beside or there()).refusals]


def updated(text: str, beside: resolve.Resolution | None = None) -> list[str]:
    before, new = beside or there(), one(text)
    old = before.inventory.get(new.ref)
    assert old is not None
    return [str(problem) for problem in admission.update(old, new, before).refusals]


def service(text: str) -> Resource:
    found = parsed({"apiVersion": "v1", "kind": "Service", **yaml.safe_load(text)}).resource
    assert found is not None
    return found


PARTS = tuple(part for part in SHOP.split("---\n") if part.strip())


@pytest.mark.parametrize("part", PARTS)
def test_a_sound_object_is_let_in_whatever_came_before_it(part: str) -> None:
    assert admission.creation(one(part), there("")).is_admitted
    assert admission.update(one(part), one(part), there()) == admission.Verdict()


def test_an_object_that_breaks_a_rule_of_its_own_is_refused_with_the_words_of_check() -> None:
    text = "VirtualDeployment: shop/odd\nvirtualService: {ref: {name: pets}}\nserviceDiscovery: {type: DNS}"
    assert created(text) == [
        "VirtualDeployment shop/odd spec.serviceDiscovery.hostname: is missing, and discovery by DNS needs it; "
        "add it, or set type to DISABLED"
    ]


def test_what_the_original_let_in_is_let_in_with_a_warning() -> None:
    text = "VirtualService: shop/odd\nmesh: {ref: {name: main}}\nhosts: ['*', fine]"
    verdict = admission.creation(one(text), there())
    assert verdict.is_admitted
    assert [problem.field for problem in verdict.warnings] == ["spec.hosts[0]"]


def test_references_to_nothing_are_let_in_with_a_warning() -> None:
    verdict = admission.creation(one("VirtualService: shop/odd\nmesh: {ref: {name: later}}\nhosts: [odd]"), there())
    assert verdict.is_admitted
    assert [str(problem) for problem in verdict.warnings] == [
        "VirtualService shop/odd spec.mesh: Mesh shop/later does not exist; create a Mesh of this name in namespace shop,"
        " or correct the reference"
    ]


def test_2_2_1_a_change_outside_of_the_spec_is_let_in_whatever_the_object_says() -> None:
    bad = one("VirtualDeployment: shop/pets-v1\nvirtualService: {}\nserviceDiscovery: {type: DNS}")
    freed = bad.model_copy(update={"metadata": bad.metadata.model_copy(update={"finalizers": ("a",)})})
    assert not admission.creation(bad, there()).is_admitted
    assert admission.update(bad, freed, there()) == admission.Verdict()


def test_2_3_4_a_change_of_parent_is_refused() -> None:
    assert updated(PARTS[1].replace("name: main", "name: other")) == [
        "VirtualService shop/pets spec.mesh: cannot be changed after creation; "
        "set it back, or create a new object under another name"
    ]


@pytest.mark.parametrize(
    ("target", "text", "field"),
    [
        (PARTS[0], "VirtualService: shop/a\nmesh: {ref: {name: main}}\nhosts: [a]\nmtls: {mode: STRICT}", "spec.mesh"),
        (PARTS[1], "VirtualDeployment: shop/a\nvirtualService: {ref: {name: pets}}", "spec.virtualService"),
        (
            PARTS[2],
            "VirtualServiceRouteTable: shop/a\nvirtualService: {ref: {name: pets}}\nrouteRules: [{httpRoute: "
            "{destinations: [{virtualDeployment: {ref: {name: pets-v1}}, weight: 100}]}}]",
            "spec.routeRules[0].httpRoute.destinations[0].virtualDeployment",
        ),
        (
            PARTS[3],
            "AccessPolicy: shop/a\nmesh: {ref: {name: main}}\nrules: [{action: ALLOW, source: {ingressGateway: "
            "{ref: {name: door}}}, destination: {allVirtualServices: {}}}]",
            "spec.rules[0].source.ingressGateway",
        ),
    ],
)
def test_2_3_6_nothing_new_refers_to_what_is_being_deleted(target: str, text: str, field: str) -> None:
    gone = ending(target)
    beside = there(SHOP, gone)
    assert created(text, beside) == [
        f"{one(text).ref} {field}: {gone.ref} is being deleted; "
        "refer to another, or wait until it is gone and create it anew"
    ]
    held = resolve.resolve(beside.inventory.with_changes([one(text)]))
    assert updated(f"{text}\ndescription: edited", held) == []


def test_2_4_2_the_minimum_is_not_raised_above_the_mode_of_a_service_of_any_namespace() -> None:
    far = (
        "VirtualService: zoo/far\nmesh: {ref: {name: main, namespace: shop}}\nhosts: [far]\nmtls: {mode: PERMISSIVE}\n"
    )
    follower = "---\nVirtualService: zoo/follower\nmesh: {ref: {name: main, namespace: shop}}\nhosts: [follower]"
    assert updated("Mesh: shop/main\nmtls: {minimum: STRICT}", there(SHOP + far + follower)) == [
        "Mesh shop/main spec.mtls.minimum: STRICT is above the mode of VirtualService shop/pets and VirtualService "
        "zoo/far; raise their spec.mtls.mode first, or lower it"
    ]
    assert updated("Mesh: shop/main", there(SHOP)) != []
    assert updated("Mesh: shop/main\nmtls: {minimum: DISABLED}", there(SHOP + far)) == []


def test_2_4_2_a_mesh_whose_services_are_already_below_can_be_edited() -> None:
    strict = SHOP.replace("minimum: PERMISSIVE", "minimum: STRICT")
    assert updated("Mesh: shop/main\nmtls: {minimum: STRICT}\ndescription: edited", there(strict)) == []


def test_2_5_1_a_service_is_not_below_the_minimum_of_its_mesh() -> None:
    low = "VirtualService: shop/low\nmesh: {ref: {name: main}}\nhosts: [low]\nmtls: {mode: DISABLED}"
    assert created(low) == [
        "VirtualService shop/low spec.mtls.mode: DISABLED is below PERMISSIVE, the minimum of Mesh shop/main; "
        "raise it, or lower spec.mtls.minimum of Mesh shop/main"
    ]
    assert created(low, there("")) == []


def test_2_5_2_a_service_keeps_a_host_for_deployments_that_are_called_by_name() -> None:
    without = PARTS[1].replace("[pets]", "[]")
    assert updated(without) == [
        "VirtualService shop/pets spec.hosts: is empty, but VirtualDeployment shop/pets-v1 can only be called by a host; "
        "add a host, or remove their listeners first"
    ]
    assert updated(without, there(SHOP.replace("protocol: HTTP, port: 9080", "protocol: TCP, port: 9080"))) == []
    other = PARTS[1].replace("shop/pets", "shop/cats").replace("[pets]", "[cats]")
    assert updated(other.replace("[cats]", "[]"), there(f"{SHOP}{other}")) == []


@pytest.mark.parametrize(("protocol", "is_admitted"), [("HTTP", False), ("TLS_PASSTHROUGH", False), ("TCP", True)])
def test_2_6_4_a_deployment_that_is_called_by_name_belongs_to_a_service_with_hosts(
    protocol: str, is_admitted: bool
) -> None:
    hostless = "VirtualService: shop/none\nmesh: {ref: {name: main}}"
    text = f"VirtualDeployment: shop/a\nvirtualService: {{ref: {{name: none}}}}\n{DISCOVERY}\n"
    text += f"listener: [{{protocol: {protocol}, port: 80}}]"
    said = created(text, there(SHOP + hostless))
    assert said == (
        []
        if is_admitted
        else [
            "VirtualDeployment shop/a spec.listener: VirtualService shop/none has no hosts, so nobody in the mesh can call "
            f"this deployment by {protocol}; add hosts to VirtualService shop/none"
        ]
    )
    assert created(text) == []


BINDING = "VirtualDeploymentBinding: shop/pets\nvirtualDeployment: {ref: {name: pets-v1}}\ntarget: {service: {ref: {name: pets}}}"


def test_it_is_said_whether_others_alone_keep_an_object_out() -> None:
    low = "VirtualService: shop/odd\nmesh: {ref: {name: main}}\nmtls: {mode: DISABLED}"
    assert admission.creation(one(low), there()).is_by_others
    both = one(low.replace("{ref: {name: main}}", "{ref: {name: main}, id: any}"))
    assert not admission.creation(both, there()).is_by_others
    assert not admission.creation(one(PARTS[0]), there()).is_by_others


def test_2_12_1_the_service_of_a_binding_exists() -> None:
    words = (
        "VirtualDeploymentBinding shop/pets spec.target.service.ref: Service shop/pets does not exist; create it first"
    )
    assert created(BINDING) == [words]
    assert created(BINDING, there(SHOP, service("metadata: {name: pets, namespace: shop}"))) == []


def test_2_12_2_the_service_of_a_new_binding_is_not_being_deleted() -> None:
    gone = service("metadata: {name: pets, namespace: shop, deletionTimestamp: '2030-01-31T12:00:00Z'}")
    assert created(BINDING, there(SHOP, gone)) == [
        "VirtualDeploymentBinding shop/pets spec.target.service.ref: Service shop/pets is being deleted; "
        "refer to another, or wait until it is gone and create it anew"
    ]


HELD = (
    SHOP
    + """
VirtualServiceRouteTable: shop/table
virtualService: {ref: {name: pets}}
routeRules: [{httpRoute: {destinations: [{virtualDeployment: {ref: {name: pets-v1}}, weight: 100}]}}]
---
IngressGatewayRouteTable: shop/way
ingressGateway: {ref: {name: door}}
routeRules: [{httpRoute: {destinations: [{virtualService: {ref: {name: pets}}}]}}]
---
IngressGatewayDeployment: shop/pods
ingressGateway: {ref: {name: door}}
deployment: {autoscaling: {minPods: 1, maxPods: 1}}
ports: [{port: 8080}]
---
AccessPolicy: zoo/access
mesh: {ref: {name: main, namespace: shop}}
rules:
- action: ALLOW
  source: {ingressGateway: {ref: {name: door, namespace: shop}}}
  destination: {virtualService: {ref: {name: pets, namespace: shop}}}
---
"""
    + BINDING
)


def waiting(ref: Ref, beside: resolve.Resolution) -> list[str]:
    found = beside.inventory.get(ref)
    assert found is not None
    verdict = admission.removal(found, beside)
    assert verdict.is_admitted
    return [str(problem) for problem in verdict.warnings]


def words(ref: Ref, others: str) -> list[str]:
    return [f"{ref}: is still referred to by {others}; delete them, or let them refer to something else"]


def test_3_6_1_a_mesh_waits_for_its_members() -> None:
    mesh = Ref("Mesh", "shop", "main")
    others = "AccessPolicy zoo/access, IngressGateway shop/door and VirtualService shop/pets"
    assert waiting(mesh, there(HELD)) == words(mesh, others)


def test_3_6_2_a_service_waits_for_deployments_tables_and_policies() -> None:
    pets = Ref("VirtualService", "shop", "pets")
    others = (
        "AccessPolicy zoo/access, IngressGatewayRouteTable shop/way, VirtualDeployment shop/pets-v1 and "
        "VirtualServiceRouteTable shop/table"
    )
    assert waiting(pets, there(HELD)) == words(pets, others)


def test_3_6_3_a_deployment_waits_for_bindings_and_tables() -> None:
    first = Ref("VirtualDeployment", "shop", "pets-v1")
    assert waiting(first, there(HELD)) == words(
        first, "VirtualDeploymentBinding shop/pets and VirtualServiceRouteTable shop/table"
    )


def test_3_6_4_a_gateway_waits_for_deployments_tables_and_policies() -> None:
    door = Ref("IngressGateway", "shop", "door")
    others = "AccessPolicy zoo/access, IngressGatewayDeployment shop/pods and IngressGatewayRouteTable shop/way"
    assert waiting(door, there(HELD)) == words(door, others)


def test_3_6_3_who_is_being_deleted_too_is_not_waited_for() -> None:
    beside = there(HELD, ending(BINDING))
    first = Ref("VirtualDeployment", "shop", "pets-v1")
    assert waiting(first, beside) == words(first, "VirtualServiceRouteTable shop/table")


@pytest.mark.parametrize("kind", ["VirtualServiceRouteTable", "AccessPolicy", "IngressGatewayRouteTable"])
def test_others_wait_for_nobody(kind: str) -> None:
    beside = there(HELD)
    (ref,) = beside.inventory.of(resources.KINDS[kind])
    assert waiting(ref, beside) == []


def test_very_many_are_counted() -> None:
    many = "".join(f"---\nVirtualService: shop/s{number}\nmesh: {{ref: {{name: main}}}}\n" for number in range(9))
    (told,) = waiting(Ref("Mesh", "shop", "main"), there(SHOP + many))
    assert "VirtualService shop/s2 and 6 more" in told


def test_advice_is_what_the_page_lists_under_2_13_or_says_to_be_a_warning() -> None:
    numbers = {rule: set(words_of(rule)) for kind in rules.RULES.values() for rule in kind}
    assert {rule for rule, found in numbers.items() if any(number.startswith("2.13") for number in found)} == {
        rule for rule in rules.ADVICE if not numbers[rule] & {"2.9.5", "2.10.4"}
    }


def words_of(rule: rules.Rule) -> list[str]:
    return [word.strip(":,") for word in (rule.__doc__ or "").split() if word[0].isdigit() and word.count(".") == 2]
