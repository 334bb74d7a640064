"""AdmissionReviews as an API server sends them, about resources that are written short."""

from typing import Any

import yaml

from mesh import resolve, resources
from meshloom.admission import review
from tests import written

SHOP = (
    written.SHOP
    + """
VirtualServiceRouteTable: shop/table
virtualService: {ref: {name: pets}}
routeRules: [{httpRoute: {destinations: [{virtualDeployment: {ref: {name: pets-v1}}, weight: 100}]}}]
---
AccessPolicy: shop/policy
mesh: {ref: {name: main}}
rules:
- {action: ALLOW, source: {allVirtualServices: {}}, destination: {allVirtualServices: {}}}
- {action: ALLOW, source: {ingressGateway: {ref: {name: door}}}, destination: {allVirtualServices: {}}}
---
IngressGatewayRouteTable: shop/front
ingressGateway: {ref: {name: door}}
routeRules: [{httpRoute: {destinations: [{virtualService: {ref: {name: pets}}}]}}]
---
IngressGatewayDeployment: shop/doors
ingressGateway: {ref: {name: door}}
deployment: {autoscaling: {minPods: 1, maxPods: 2}}
ports: [{protocol: TCP, port: 8080}]
---
"""
)
"""One of each kind but the binding, which needs a Service."""

PARTS = tuple(part for part in SHOP.split("---\n") if part.strip())


def there(text: str = SHOP) -> resolve.Resolution:
    """Return what the mesh of a text means."""
    return resolve.resolve(written.of(text))


def document(text: str) -> dict[str, Any]:
    """Return the object that a short text describes, whole."""
    return written.document(yaml.safe_load(text))


def asking(
    operation: str, new: dict[str, Any] | None = None, old: dict[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    """Return the AdmissionReview of a change."""
    kind = (new or old or {}).get("kind", "Mesh")
    group, version = resources.API_VERSION.split("/")
    request = {
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
        "kind": {"group": group, "version": version, "kind": kind},
        "operation": operation,
        "object": new,
        "oldObject": old,
        **more,
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


def answered(question: object, now: resolve.Resolution | None) -> dict[str, Any]:
    """Return the response to an AdmissionReview."""
    answer = review.review(question, now)
    assert (answer["apiVersion"], answer["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
    return answer["response"]


def created(text: str, now: resolve.Resolution | None = None) -> dict[str, Any]:
    """Return the response to the creation of what a short text describes, beside the shop."""
    return answered(asking("CREATE", document(text)), now or there())


def updated(text: str, now: resolve.Resolution | None = None, before: str = SHOP) -> dict[str, Any]:
    """Return the response to an edit that makes an object of the shop so."""
    new = document(text)
    parts = [part for part in before.split("---\n") if part.strip()]
    (old,) = [one for one in map(document, parts) if one["kind"] == new["kind"] and one["metadata"] == new["metadata"]]
    return answered(asking("UPDATE", new, old), now or there(before))


def said(response: dict[str, Any]) -> str:
    """Return the message of a refusal."""
    assert response["allowed"] is False, response
    return response["status"]["message"]
