"""The rule for the resources of proxies, and quantities as numbers."""

from decimal import Decimal

import pytest
import yaml

from mesh import quantities, rules
from tests import written

BINDING = (
    "VirtualDeploymentBinding: shop/pets\nvirtualDeployment: {{ref: {{name: pets-v1}}}}\n"
    "target: {{service: {{ref: {{name: pets}}}}}}\nresources: {}"
)
GATE = (
    "IngressGatewayDeployment: shop/gate\ningressGateway: {{ref: {{name: door}}}}\nports: [{{port: 8080}}]\n"
    "deployment: {{autoscaling: {{minPods: 1, maxPods: 1, resources: {}}}}}"
)
PLACES = {BINDING: "spec.resources", GATE: "spec.deployment.autoscaling.resources"}


def told(text: str, resources: str) -> list[str]:
    found = written.resource(yaml.safe_load(text.format(resources)))
    assert rules.refusals(found) == (), "the original let it in"
    return [f"{one.severity_name}: {str(one).partition(' spec.')[2]}" for one in rules.object_problems(found)]


@pytest.mark.parametrize("text", PLACES)
def test_2_13_48_a_proxy_asks_for_no_more_than_its_limits(text: str) -> None:
    place = PLACES[text].removeprefix("spec.")
    asked = "{requests: {cpu: 1500m, memory: 1G}, limits: {cpu: 1, memory: 1Gi, pets: 3}}"
    assert told(text, asked) == [
        f"error: {place}.requests.cpu: is '1500m', above the limit of 1, and Kubernetes makes no such pod; "
        "lower it, or raise the limit"
    ]


@pytest.mark.parametrize("text", PLACES)
def test_2_13_48_nothing_is_below_0(text: str) -> None:
    assert told(text, "{requests: {cpu: 0}, limits: {memory: -1Gi}}") == [
        f"error: {PLACES[text].removeprefix('spec.')}.limits.memory: is '-1Gi', and Kubernetes makes no pod with less "
        "than nothing; write an amount from 0 on"
    ]


@pytest.mark.parametrize("text", PLACES)
def test_2_13_48_usual_resources_are_accepted(text: str) -> None:
    for fine in ("{}", "{requests: {cpu: 1}}", "{limits: {cpu: 0.5}}", "{requests: {cpu: 1000m}, limits: {cpu: 1}}"):
        assert told(text, fine) == []


@pytest.mark.parametrize(
    ("written", "number"),
    [("100m", "0.1"), ("1Ki", "1024"), (0.5, "0.5"), ("1e3", "1000"), ("-2", "-2"), ("1E", "1e18"), ("many", "0")],
)
def test_a_quantity_is_a_number(written: str | float, number: str) -> None:
    assert quantities.amount(written) == Decimal(number)
