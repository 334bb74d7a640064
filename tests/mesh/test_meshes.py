"""A Mesh: its authority, its trust domain, and whether its access policies are enforced."""

import pytest

from mesh import admission, graph, resolve
from mesh.problems import Ref
from tests import written

MAIN, OTHER = Ref("Mesh", "shop", "main"), Ref("Mesh", "zoo", "other")
PETS, WEB, DOOR = (
    Ref("VirtualService", "shop", "pets"),
    Ref("VirtualService", "shop", "web"),
    Ref("IngressGateway", "shop", "door"),
)


def mesh(where: str = "shop/main", annotations: str = "{}", more: str = "") -> str:
    return f"Mesh: {where}\nannotations: {annotations}\n{more}\n---\n"


def asking(domain: str) -> str:
    return f"{{meshloom.dev/trust-domain: {domain}}}"


def domains(*texts: str) -> dict[str, str]:
    found = resolve.resolve(written.of("".join(texts))).graph
    return {ref.key: one.trust_domain for ref, one in found.meshes.items()}


def told(*texts: str) -> list[str]:
    problems = resolve.resolve(written.of("".join(texts))).problems
    return [f"{problem.severity_name}: {problem}" for problem in problems]


def test_the_authority_of_a_mesh_is_the_id_that_it_names() -> None:
    text = mesh(more="certificateAuthorities: [{id: ocid1.certificateauthority.oc1..x}]")
    assert resolve.resolve(written.of(text)).graph.meshes[MAIN].authority == "ocid1.certificateauthority.oc1..x"


def test_other_annotations_mean_nothing_and_nothing_is_said() -> None:
    noted = mesh(annotations="{example.com/x: y, demo.meshloom.dev/address: 127.77.0.1}")
    assert told(noted) == []
    assert domains(noted) == {"shop/main": "main.shop.mesh"}


# ---------------------------------------------------------------------------- trust domains


@pytest.mark.parametrize("domain", ["shop.example", "a", "x_1-y.example", "main.shop.mesh", "d" * 255])
def test_a_mesh_has_the_trust_domain_that_it_asks_for(domain: str) -> None:
    text = mesh(annotations=asking(domain))
    assert (domains(text), told(text)) == ({"shop/main": domain}, [])


def test_the_identities_of_a_mesh_are_of_its_trust_domain() -> None:
    text = mesh(annotations=asking("shop.example")) + "VirtualService: shop/pets\nmesh: {ref: {name: main}}\n---\n"
    found = resolve.resolve(written.of(text)).graph
    assert found.services[PETS].identity.uri == "spiffe://shop.example/ns/shop/vs/pets"
    assert found.callers[PETS].trust_domain == "shop.example"


@pytest.mark.parametrize("domain", ["Shop.example", "a/b", "a b", "''", "'*'", "é", "spiffe://a", "d" * 256])
def test_2_13_35_what_cannot_be_a_trust_domain_is_named_and_the_default_used(domain: str) -> None:
    text = mesh(annotations=asking(domain))
    assert domains(text) == {"shop/main": "main.shop.mesh"}
    (said,) = told(text)
    assert said.startswith("error: Mesh shop/main metadata.annotations['meshloom.dev/trust-domain']: '")
    assert said.endswith(
        "cannot be a trust domain, so main.shop.mesh is used; use lower-case letters, digits, `.`, `-` and `_`, at most"
        " 255, or remove it"
    )


def test_2_13_36_a_trust_domain_belongs_to_the_oldest_mesh_that_asks_for_it() -> None:
    younger = mesh("shop/main", asking("same.example"), "created: 2024-01-02T00:00:00Z")
    older = mesh("zoo/other", asking("same.example"), "created: 2024-01-01T00:00:00Z")
    assert domains(younger, older) == {"shop/main": "main.shop.mesh", "zoo/other": "same.example"}
    assert told(younger, older) == [
        "error: Mesh shop/main metadata.annotations['meshloom.dev/trust-domain']: 'same.example' is the trust domain of"
        " Mesh zoo/other, which is older, so main.shop.mesh is used; choose another, or remove it"
    ]


def test_2_13_36_the_default_of_another_mesh_cannot_be_had_even_before_that_mesh_exists() -> None:
    thief = mesh("zoo/other", asking("main.shop.mesh"), "created: 2024-01-01T00:00:00Z")
    words = (
        "error: Mesh zoo/other metadata.annotations['meshloom.dev/trust-domain']: 'main.shop.mesh' is the default of"
        " another mesh, so other.zoo.mesh is used; choose another, or remove it"
    )
    for there in ("", mesh("shop/main", "{}", "created: 2024-01-02T00:00:00Z")):
        assert domains(thief, there)["zoo/other"] == "other.zoo.mesh"
        assert told(thief, there) == [words]


def test_2_13_36_what_is_refused_one_mesh_is_free_for_the_next() -> None:
    texts = [
        mesh(f"shop/{name}", asking("same.example"), f"created: 2024-01-0{day}T00:00:00Z")
        for day, name in enumerate("ab", 1)
    ]
    first = resolve.resolve(written.of("".join(texts)))
    gone = first.inventory.with_changes(deleted=[Ref("Mesh", "shop", "a")])
    second = resolve.resolve(gone, first)
    assert [one.trust_domain for one in second.graph.meshes.values()] == ["same.example"]
    assert second.problems == ()


# ---------------------------------------------------------------------------- audit

SHOP = """
VirtualService: shop/pets
mesh: {ref: {name: main}}
---
VirtualService: shop/web
mesh: {ref: {name: main}}
---
IngressGateway: shop/door
mesh: {ref: {name: main}}
hosts: [{name: site, hostnames: [a.com], listeners: [{protocol: HTTP, port: 8080}]}]
---
AccessPolicy: shop/access
mesh: {ref: {name: main}}
rules:
- action: ALLOW
  source: {virtualService: {ref: {name: web}}}
  destination: {virtualService: {ref: {name: pets}}}
---
"""
AUDIT, ENFORCE = (f"{{meshloom.dev/access-policies: {mode}}}" for mode in ("audit", "enforce"))


def test_policies_are_enforced_unless_a_mesh_says_otherwise() -> None:
    for annotations in ("{}", ENFORCE):
        found = resolve.resolve(written.of(mesh(annotations=annotations) + SHOP))
        assert found.problems == ()
        assert found.graph.meshes[MAIN].enforcement is graph.Enforcement.ENFORCE
        assert {one.enforcement for one in found.graph.callers.values()} == {graph.Enforcement.ENFORCE}
        assert {ref: scope.services for ref, scope in found.graph.scopes.items()} == {PETS: (), WEB: (PETS,), DOOR: ()}


def test_in_audit_everybody_may_try_and_the_callers_stay_those_whom_policies_allow() -> None:
    audited, enforced = (resolve.resolve(written.of(mesh(annotations=each) + SHOP)).graph for each in (AUDIT, ENFORCE))
    assert audited.meshes[MAIN].enforcement is graph.Enforcement.AUDIT
    assert {scope.services for scope in audited.scopes.values()} == {(PETS, WEB)}
    assert {one.enforcement for one in audited.callers.values()} == {graph.Enforcement.AUDIT}
    assert {ref: (one.all_services, one.identities) for ref, one in audited.callers.items()} == {
        ref: (one.all_services, one.identities) for ref, one in enforced.callers.items()
    }


def test_audit_of_one_mesh_opens_no_other() -> None:
    other = mesh("zoo/other") + "VirtualService: zoo/cats\nmesh: {ref: {name: other}}\n---\n"
    found = resolve.resolve(written.of(mesh(annotations=AUDIT) + SHOP + other)).graph
    cats = Ref("VirtualService", "zoo", "cats")
    assert found.scopes[cats].services == ()
    assert cats not in found.scopes[WEB].services
    assert found.callers[cats].enforcement is graph.Enforcement.ENFORCE


def test_2_13_37_audit_is_said_as_long_as_it_lasts() -> None:
    assert told(mesh(annotations=AUDIT) + SHOP) == [
        "warning: Mesh shop/main metadata.annotations['meshloom.dev/access-policies']: access policies are only counted, "
        "not enforced: every member of the mesh may call every service; write enforce, or remove it, once no call is "
        "counted that ought to be allowed"
    ]


@pytest.mark.parametrize(("mode", "remedy"), [("audits", "did you mean audit? "), ("'off'", ""), ("Audit", "?")])
def test_2_13_37_anything_else_is_named_and_policies_are_enforced(mode: str, remedy: str) -> None:
    text = mesh(annotations=f"{{meshloom.dev/access-policies: {mode}}}") + SHOP
    (said,) = told(text)
    assert said.startswith(
        f"error: Mesh shop/main metadata.annotations['meshloom.dev/access-policies']: '{mode.strip(chr(39))}' says neither"
        " to enforce access policies nor to audit them: they are enforced; "
    )
    assert remedy in said
    assert resolve.resolve(written.of(text)).graph.meshes[MAIN].enforcement is graph.Enforcement.ENFORCE


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("access-policy", "did you mean meshloom.dev/access-policies?"),
        ("x", "use one of meshloom.dev/trust-domain, meshloom.dev/access-policies, or remove it"),
    ],
)
def test_2_13_38_an_annotation_that_means_nothing_is_named(name: str, remedy: str) -> None:
    assert told(mesh(annotations=f"{{meshloom.dev/{name}: audit}}")) == [
        f"warning: Mesh shop/main metadata.annotations['meshloom.dev/{name}']: means nothing to meshloom; {remedy}"
    ]


def test_a_mesh_with_odd_annotations_is_let_in_with_the_words_of_check() -> None:
    (odd,) = written.objects(mesh(annotations="{meshloom.dev/access-policies: 'off', meshloom.dev/trust-domain: A}"))
    verdict = admission.creation(odd, resolve.resolve(written.of("")))
    assert verdict.is_admitted
    assert [problem.field for problem in verdict.warnings] == [
        "metadata.annotations['meshloom.dev/access-policies']",
        "metadata.annotations['meshloom.dev/trust-domain']",
    ]
