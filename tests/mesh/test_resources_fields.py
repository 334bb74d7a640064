"""The nine models against a hand-written table of the original API: each field, its type, its limits."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from mesh import resources

NAME, OCID, TEXT, DESCRIPTION = "text 1..255", "text 1..255", "text", "text 0..400"
PORT, MILLISECONDS, FLAG, MAP = "int 1..65535", f"int 0..{2**63 - 1}", "flag", "map"
PROTOCOLS = "one of HTTP HTTP2 GRPC TCP TLS_PASSTHROUGH"
MODES = "one of DISABLED PERMISSIVE STRICT"
CLOUD = {
    "compartmentId*": OCID,
    "description": DESCRIPTION,
    "freeformTags": MAP,
    "definedTags": MAP,
}
NAMED = {**CLOUD, "name": NAME}


def reference(path: str) -> dict[str, str]:
    return {
        path: "object",
        f"{path.rstrip('*')}.ref": "object",
        f"{path.rstrip('*')}.ref.name*": NAME,
        f"{path.rstrip('*')}.ref.namespace": "text 1..",
        f"{path.rstrip('*')}.id": OCID,
    }


def weighted(route: str) -> dict[str, str]:
    at = f"routeRules[].{route}"
    return {
        at: "object",
        f"{at}.destinations*": "list 1..15",
        **reference(f"{at}.destinations[].virtualDeployment*"),
        f"{at}.destinations[].weight*": "int 0..100",
        f"{at}.destinations[].port": PORT,
    }


def from_outside(route: str) -> dict[str, str]:
    at = f"routeRules[].{route}"
    return {
        at: "object",
        f"{at}.destinations*": "list 1..1",
        **reference(f"{at}.destinations[].virtualService*"),
        f"{at}.destinations[].weight": "int 0..100",
        f"{at}.destinations[].port": PORT,
        f"{at}.ingressGatewayHost": "object",
        f"{at}.ingressGatewayHost.name*": NAME,
        f"{at}.ingressGatewayHost.port": PORT,
    }


def http(*flags: str) -> dict[str, str]:
    at = "routeRules[].httpRoute"
    return {
        f"{at}.path": TEXT,
        f"{at}.pathType": "one of PREFIX",
        f"{at}.requestTimeoutInMs": MILLISECONDS,
        **{f"{at}.{flag}": FLAG for flag in ("isGrpc", *flags)},
    }


def target(side: str) -> dict[str, str]:
    at, outside = f"rules[].{side}", f"rules[].{side}.externalService"
    return {
        f"{at}*": "object",
        f"{at}.allVirtualServices": "object",
        **reference(f"{at}.virtualService"),
        **reference(f"{at}.ingressGateway"),
        outside: "object",
        f"{outside}.tcpExternalService": "object",
        f"{outside}.tcpExternalService.ipAddresses*": "list 1..10",
        f"{outside}.tcpExternalService.ports": f"list 0..10 of {PORT}",
        f"{outside}.httpExternalService": "object",
        f"{outside}.httpExternalService.hostnames*": "list 1..10",
        f"{outside}.httpExternalService.ports": f"list 0..10 of {PORT}",
        f"{outside}.httpsExternalService": "object",
        f"{outside}.httpsExternalService.hostnames*": "list 1..10",
        f"{outside}.httpsExternalService.ports": f"list 0..10 of {PORT}",
    }


TLS = "hosts[].listeners[].tls"

API: Mapping[str, Mapping[str, str]] = {
    "Mesh": {
        **CLOUD,
        "displayName": NAME,
        "certificateAuthorities*": "list 1..1",
        "certificateAuthorities[].id*": OCID,
        "mtls": "object",
        "mtls.minimum*": MODES,
    },
    "VirtualService": {
        **NAMED,
        **reference("mesh*"),
        "defaultRoutingPolicy": "object",
        "defaultRoutingPolicy.type*": "one of UNIFORM DENY",
        "hosts": "list",
        "mtls": "object",
        "mtls.mode*": MODES,
    },
    "VirtualDeployment": {
        **NAMED,
        **reference("virtualService*"),
        "serviceDiscovery": "object",
        "serviceDiscovery.type*": "one of DNS DISABLED",
        "serviceDiscovery.hostname": TEXT,
        "accessLogging": "object",
        "accessLogging.isEnabled": FLAG,
        "listener": "list 0..10",
        "listener[].protocol*": PROTOCOLS,
        "listener[].port*": PORT,
        "listener[].requestTimeoutInMs": MILLISECONDS,
        "listener[].idleTimeoutInMs": MILLISECONDS,
    },
    "VirtualServiceRouteTable": {
        **NAMED,
        **reference("virtualService*"),
        "priority": "int",
        "routeRules*": "list 1..15",
        **weighted("httpRoute"),
        **weighted("tcpRoute"),
        **weighted("tlsPassthroughRoute"),
        **http(),
    },
    "AccessPolicy": {
        **NAMED,
        **reference("mesh*"),
        "rules*": "list 1..50",
        "rules[].action*": "one of ALLOW",
        **target("source"),
        **target("destination"),
    },
    "IngressGateway": {
        **NAMED,
        **reference("mesh*"),
        "accessLogging": "object",
        "accessLogging.isEnabled": FLAG,
        "hosts*": "list 1..5",
        "hosts[].name*": NAME,
        "hosts[].hostnames": "list 0..10",
        "hosts[].listeners*": "list 1..10",
        "hosts[].listeners[].protocol*": "one of HTTP TCP TLS_PASSTHROUGH",
        "hosts[].listeners[].port*": PORT,
        TLS: "object",
        f"{TLS}.mode*": "one of DISABLED PERMISSIVE TLS MUTUAL_TLS",
        f"{TLS}.serverCertificate": "object",
        f"{TLS}.serverCertificate.ociTlsCertificate": "object",
        f"{TLS}.serverCertificate.ociTlsCertificate.certificateId*": OCID,
        f"{TLS}.serverCertificate.kubeSecretTlsCertificate": "object",
        f"{TLS}.serverCertificate.kubeSecretTlsCertificate.secretName*": TEXT,
        f"{TLS}.clientValidation": "object",
        f"{TLS}.clientValidation.trustedCaBundle": "object",
        f"{TLS}.clientValidation.trustedCaBundle.ociCaBundle": "object",
        f"{TLS}.clientValidation.trustedCaBundle.ociCaBundle.caBundleId*": OCID,
        f"{TLS}.clientValidation.trustedCaBundle.kubeSecretCaBundle": "object",
        f"{TLS}.clientValidation.trustedCaBundle.kubeSecretCaBundle.secretName*": TEXT,
        f"{TLS}.clientValidation.subjectAlternateNames": "list 0..10",
    },
    "IngressGatewayRouteTable": {
        **NAMED,
        **reference("ingressGateway*"),
        "priority": "int",
        "routeRules*": "list 1..15",
        **from_outside("httpRoute"),
        **from_outside("tcpRoute"),
        **from_outside("tlsPassthroughRoute"),
        **http("isHostRewriteEnabled", "isPathRewriteEnabled"),
    },
    "VirtualDeploymentBinding": {
        **reference("virtualDeployment*"),
        "target*": "object",
        "target.service*": "object",
        "target.service.ref*": "object",
        "target.service.ref.name*": NAME,
        "target.service.ref.namespace": "text 1..",
        "target.service.matchLabels": MAP,
        "resources": "object",
        "resources.limits": MAP,
        "resources.requests": MAP,
        "mountCertificateChainFromHost": FLAG,
        "podUpgradeEnabled": FLAG,  # ours: the original's documents write it, its schema has it not
    },
    "IngressGatewayDeployment": {
        **reference("ingressGateway*"),
        "deployment*": "object",
        "deployment.autoscaling*": "object",
        "deployment.autoscaling.minPods*": f"int 1..{2**31 - 1}",
        "deployment.autoscaling.maxPods*": f"int 1..{2**31 - 1}",
        "deployment.autoscaling.resources": "object",
        "deployment.autoscaling.resources.limits": MAP,
        "deployment.autoscaling.resources.requests": MAP,
        "deployment.labels": MAP,
        "deployment.mountCertificateChainFromHost": FLAG,
        "ports*": "list",
        "ports[].protocol": TEXT,
        "ports[].port*": "int 0..65535",
        "ports[].serviceport": "int 0..65535",
        "ports[].name": TEXT,
        "service": "object",
        "service.type*": "one of LoadBalancer NodePort ClusterIP",
        "service.labels": MAP,
        "service.annotations": MAP,
        "secrets": "list",
        "secrets[].secretName*": TEXT,
    },
}
"""Fields of `spec` by kind; a star marks a required field."""


def described(schema: Any, whole: Any) -> dict[str, str]:
    return dict(_fields(_resolved(schema, whole), whole, ""))


def _fields(schema: Any, whole: Any, at: str) -> Iterator[tuple[str, str]]:
    for name, field in schema.get("properties", {}).items():
        inner, path = _resolved(field, whole), f"{at}{name}"
        yield path + ("*" if name in schema.get("required", ()) else ""), _kind(inner, whole)
        if inner.get("type") == "array":
            yield from _fields(_resolved(inner["items"], whole), whole, f"{path}[].")
        elif "properties" in inner:
            yield from _fields(inner, whole, f"{path}.")


def _resolved(schema: Any, whole: Any) -> Any:
    if "$ref" in schema:
        return whole["$defs"][schema["$ref"].rpartition("/")[2]]
    choices = [item for item in schema.get("anyOf", ()) if item.get("type") != "null"]
    return _resolved(choices[0], whole) if choices else schema


def _kind(schema: Any, whole: Any) -> str:
    if "enum" in schema or "const" in schema:
        return f"one of {' '.join(schema.get('enum') or [schema['const']])}"
    match schema["type"]:
        case "string":
            return "text" + _limits(schema, "minLength", "maxLength")
        case "integer":
            return "int" + _limits(schema, "minimum", "maximum")
        case "boolean":
            return "flag"
        case "array":
            inner = _resolved(schema["items"], whole)
            of = f" of {_kind(inner, whole)}" if inner["type"] == "integer" else ""
            return "list" + _limits(schema, "minItems", "maxItems") + of
    return "map" if "additionalProperties" in schema else "object"


def _limits(schema: Any, low: str, high: str) -> str:
    if low not in schema and high not in schema:
        return ""
    return f" {schema.get(low, 0)}..{schema.get(high, '')}"


@pytest.mark.parametrize("kind", sorted(API))
def test_a_kind_has_the_fields_of_the_original_api_and_no_others(kind: str) -> None:
    whole = resources.KINDS[kind].model_json_schema(by_alias=True)
    assert described(whole["properties"]["spec"], whole) == API[kind]


def test_the_table_covers_the_nine_kinds() -> None:
    assert set(API) == set(resources.KINDS)
    assert len(API) == 9


@pytest.mark.parametrize(
    ("kind", "plural"),
    [
        ("Mesh", "meshes"),
        ("VirtualService", "virtualservices"),
        ("VirtualDeployment", "virtualdeployments"),
        ("VirtualServiceRouteTable", "virtualserviceroutetables"),
        ("AccessPolicy", "accesspolicies"),
        ("IngressGateway", "ingressgateways"),
        ("IngressGatewayRouteTable", "ingressgatewayroutetables"),
        ("VirtualDeploymentBinding", "virtualdeploymentbindings"),
        ("IngressGatewayDeployment", "ingressgatewaydeployments"),
    ],
)
def test_a_kind_is_listed_under_its_plural(kind: str, plural: str) -> None:
    assert resources.KINDS[kind].plural == plural
    assert resources.KINDS[kind].model_fields["kind"].default == kind


def test_defaults_are_those_of_the_original_schema() -> None:
    route = resources.GatewayHttpRoute.model_validate({"destinations": [{"virtualService": {"id": "x"}}]})
    flags = (route.is_grpc, route.is_host_rewrite_enabled, route.is_path_rewrite_enabled)
    assert flags == (False, False, False)
    assert resources.GatewayPort.model_validate({"port": 80}).protocol == "TCP"
    assert resources.AccessLogging.model_validate({}).is_enabled is False
