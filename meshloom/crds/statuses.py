"""The schema of `status`, which is one for all nine kinds: each fills in what it has.

Law: field for field the original's, so that what reads a status goes on reading it.
"""

from typing import Any

Schema = dict[str, Any]

_OCID: Schema = {"type": "string", "minLength": 1, "maxLength": 255}
_IDS_FOR_RULES: Schema = {"type": "array", "items": {"type": "array", "items": _OCID}}
_MODE: Schema = {"type": "string", "enum": ["DISABLED", "PERMISSIVE", "STRICT"]}

TYPES = ("ServiceMeshActive", "ServiceMeshDependenciesActive", "ServiceMeshConfigured")
"""The types of conditions."""


def _described(words: str, schema: Schema) -> Schema:
    return {"description": words, **schema}


def _id(kind: str) -> Schema:
    return _described(f"The id that meshloom issued for the {kind}.", _OCID)


def _name(kind: str) -> Schema:
    return _described(f"The name of the {kind} in statistics and messages.", _OCID)


_CONDITION: Schema = {
    "type": "object",
    "required": ["lastTransitionTime", "message", "reason", "status", "type"],
    "properties": {
        "type": _described("What it is about.", {"type": "string", "enum": list(TYPES)}),
        "status": _described("Whether it is so.", {"type": "string", "enum": ["True", "False", "Unknown"]}),
        "reason": _described(
            "Why, in one word.",
            {
                "type": "string",
                "minLength": 1,
                "maxLength": 1024,
                "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
            },
        ),
        "message": _described("Why, for people.", {"type": "string", "maxLength": 32768}),
        "lastTransitionTime": _described(
            "Since when the status is what it is.", {"type": "string", "format": "date-time"}
        ),
        "observedGeneration": _described(
            "The generation of the object that it is about.", {"type": "integer", "format": "int64", "minimum": 0}
        ),
    },
}

_CERTIFICATE_ID = _described("The id of the certificate with which it proves who it is.", _OCID)

_PROPERTIES: Schema = {
    "meshId": _id("Mesh"),
    "virtualServiceId": _id("VirtualService"),
    "virtualServiceName": _name("VirtualService"),
    "virtualDeploymentId": _id("VirtualDeployment"),
    "virtualDeploymentName": _name("VirtualDeployment"),
    "virtualServiceRouteTableId": _id("VirtualServiceRouteTable"),
    "accessPolicyId": _id("AccessPolicy"),
    "ingressGatewayId": _id("IngressGateway"),
    "ingressGatewayName": _name("IngressGateway"),
    "ingressGatewayRouteTableId": _id("IngressGatewayRouteTable"),
    "refIdForRules": _described(
        "For each rule the ids of its source and destination, where they are services or gateways.",
        {"type": "array", "items": {"type": "object", "additionalProperties": {"type": "string"}}},
    ),
    "virtualServiceIdForRules": _described("For each rule the ids of its VirtualServices.", _IDS_FOR_RULES),
    "virtualDeploymentIdForRules": _described("For each rule the ids of its VirtualDeployments.", _IDS_FOR_RULES),
    "meshMtls": _described(
        "The mTLS that is in effect in the mesh.",
        {
            "type": "object",
            "required": ["minimum"],
            "properties": {"minimum": _described("The lowest mode of services.", _MODE)},
        },
    ),
    "virtualServiceMtls": _described(
        "The mTLS that is in effect for the service.",
        {
            "type": "object",
            "required": ["mode"],
            "properties": {"certificateId": _CERTIFICATE_ID, "mode": _described("How it receives.", _MODE)},
        },
    ),
    "ingressGatewayMtls": _described(
        "The mTLS of the gateway towards the mesh.",
        {"type": "object", "required": ["certificateId"], "properties": {"certificateId": _CERTIFICATE_ID}},
    ),
    "lastUpdatedTime": _described("When a change was last accepted.", {"type": "string", "format": "date-time"}),
    "opcRetryToken": _described("Of the cloud that this API comes from. Never set.", {"type": "string"}),
    "conditions": _described("How the object is, in a fixed order.", {"type": "array", "items": _CONDITION}),
}

SCHEMA: Schema = {
    "description": "What meshloom makes of the object.",
    "type": "object",
    "properties": _PROPERTIES,
}
