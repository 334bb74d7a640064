"""The fields of a status beside its conditions."""

import pytest

from mesh.problems import Ref
from meshloom.status import fields
from tests.meshloom.status import shop


def own(token: str, ref: Ref) -> str:
    return f"ocid1.{token}.meshloom..uid-of-{ref.kind.lower()}-{ref.name}"


M = own("mesh", shop.MESH)
VS = own("meshvirtualservice", shop.PETS)
VD = own("meshvirtualdeployment", shop.PETS_V1)
IG = own("meshingressgateway", shop.DOOR)
CERTIFICATE = "ocid1.certificate.meshloom..uid-of-{}"

EXPECTED = {
    shop.MESH: {"meshId": M, "meshMtls": {"minimum": "PERMISSIVE"}},
    shop.PETS: {
        "meshId": M,
        "virtualServiceId": VS,
        "virtualServiceMtls": {"certificateId": CERTIFICATE.format("virtualservice-pets"), "mode": "PERMISSIVE"},
    },
    shop.PETS_V1: {
        "meshId": M,
        "virtualServiceId": VS,
        "virtualServiceName": "animals",
        "virtualDeploymentId": VD,
    },
    shop.TABLE: {
        "virtualServiceId": VS,
        "virtualServiceName": "animals",
        "virtualServiceRouteTableId": own("meshvirtualserviceroutetable", shop.TABLE),
        "virtualDeploymentIdForRules": [[VD]],
    },
    shop.POLICY: {
        "meshId": M,
        "accessPolicyId": own("meshaccesspolicy", shop.POLICY),
        "refIdForRules": [{"source": IG, "destination": VS}, {}],
    },
    shop.DOOR: {
        "meshId": M,
        "ingressGatewayId": IG,
        "ingressGatewayMtls": {"certificateId": CERTIFICATE.format("ingressgateway-door")},
    },
    shop.DOOR_TABLE: {
        "ingressGatewayId": IG,
        "ingressGatewayName": "shop/door",
        "ingressGatewayRouteTableId": own("meshingressgatewayroutetable", shop.DOOR_TABLE),
        "virtualServiceIdForRules": [[VS]],
    },
    shop.BINDING: {
        "meshId": M,
        "virtualServiceId": VS,
        "virtualServiceName": "animals",
        "virtualDeploymentId": VD,
        "virtualDeploymentName": "shop/pets-v1",
    },
    shop.DOOR_PODS: {"meshId": M, "ingressGatewayId": IG, "ingressGatewayName": "shop/door"},
}


@pytest.mark.parametrize("ref", EXPECTED, ids=str)
def test_each_kind_has_the_fields_of_the_original(ref: Ref) -> None:
    found = shop.status(ref, shop.resolved())
    assert {name: value for name, value in found.items() if name not in ("conditions", "lastUpdatedTime")} == EXPECTED[
        ref
    ]
    assert found.keys() <= fields.OWN


def test_the_mode_is_the_one_that_is_applied() -> None:
    strict = shop.item(shop.MESH, "mtls: {minimum: STRICT}")
    assert shop.status(shop.PETS, shop.resolved(strict))["virtualServiceMtls"]["mode"] == "STRICT"


def test_references_that_lead_nowhere_have_no_ids() -> None:
    found = shop.status(shop.DOOR_TABLE, shop.resolved(without=(shop.PETS,)))
    assert found["virtualServiceIdForRules"] == [[]]
    assert "meshId" not in shop.status(shop.PETS, shop.resolved(without=(shop.MESH,)))
    assert shop.status(shop.POLICY, shop.resolved(without=(shop.DOOR,)))["refIdForRules"] == [{"destination": VS}, {}]
