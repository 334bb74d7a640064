"""The objects of a gateway: for each case an IngressGatewayDeployment as people write it, and what is made of it.

Law: a case is a folder with `given.yaml`, whose first line says what it shows; adding one needs no code.
"""

import pathlib
from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from mesh import documents, inventory, resolve
from meshloom.gateways import plan, wanted
from meshloom.injector.terms import Terms
from tests import written

FOLDER = pathlib.Path(__file__).with_name("cases")
CASES = sorted(path.name for path in FOLDER.iterdir())
TERMS = Terms("registry.example/meshloom-proxy:1", "meshloom.meshloom-system.svc:15012")


class Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def resolution(text: str) -> resolve.Resolution:
    found = [documents.parsed(document).resource for document in yaml.safe_load_all(text)]
    return resolve.resolve(inventory.inventory_of(one for one in found if one))


def wishes(case: str) -> wanted.Wishes:
    return wanted.wishes(resolution((FOLDER / case / "given.yaml").read_text()), TERMS, {})


def produced(case: str) -> str:
    found = wishes(case).values()
    each: list[Mapping[str, Any]] = [part for one in found for part in (one.objects or ({"fault": one.fault},))]
    return yaml.dump_all(each, Dumper=Dumper, sort_keys=True, width=120, allow_unicode=True) if each else ""


@pytest.mark.parametrize("case", CASES)
def test_a_deployment_becomes_the_objects_that_are_expected(case: str, request: pytest.FixtureRequest) -> None:
    kept = FOLDER / case / "expected.yaml"
    if request.config.getoption("--update-golden"):
        kept.write_text(produced(case))
    assert produced(case) == kept.read_text()


@pytest.mark.parametrize("case", CASES)
def test_a_case_says_in_its_first_line_what_it_shows(case: str) -> None:
    assert written.says_what_it_shows(FOLDER / case / "given.yaml")
    assert {path.name for path in (FOLDER / case).iterdir()} == {"given.yaml", "expected.yaml"}


@pytest.mark.parametrize("case", CASES)
def test_every_object_stands_at_one_of_the_four_places_of_its_owner(case: str) -> None:
    for ref, one in wishes(case).items():
        made = [plan.ref(part) for part in one.objects]
        assert made == [place for place in plan.places(ref) if place in made]
        assert all(plan.KINDS[part["kind"]].api_version == part["apiVersion"] for part in one.objects)
        assert all(plan.owner(part) == ref for part in one.objects)


@pytest.mark.parametrize("case", CASES)
def test_the_number_of_pods_is_left_to_the_autoscaler(case: str) -> None:
    made = [part for one in wishes(case).values() for part in one.objects]
    assert not [part for part in made if "replicas" in part["spec"]]


@pytest.mark.parametrize("case", CASES)
def test_a_selector_holds_the_name_of_its_owner_and_its_pods_carry_it(case: str) -> None:
    for ref, one in wishes(case).items():
        of_owner = {"servicemesh.oci.oracle.com/ingress-gateway-deployment": ref.name}
        for part in one.objects:
            spec = part["spec"]
            if part["kind"] == "Deployment":
                assert spec["selector"] == {"matchLabels": of_owner}
                assert of_owner.items() <= spec["template"]["metadata"]["labels"].items()
            elif part["kind"] != "HorizontalPodAutoscaler":
                assert spec["selector"] in (of_owner, {"matchLabels": of_owner})


def test_what_is_wanted_stays_the_same_object_until_its_owner_or_gateway_changes() -> None:
    text = (FOLDER / "two-deployments" / "given.yaml").read_text()
    first = resolution(text)
    before = wanted.wishes(first, TERMS, {})
    changed = documents.parsed(yaml.safe_load(text.split("---\n")[-1].replace("ClusterIP", "NodePort"))).resource
    assert changed is not None
    second = resolve.resolve(first.inventory.with_changes([changed]), first, {changed.ref})
    after = wanted.wishes(second, TERMS, before)
    assert [after[ref] is before[ref] for ref in sorted(after)] == [True, False]
    assert after == wanted.wishes(second, TERMS, {})
