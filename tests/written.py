"""Resources written short: YAML of the fields that a test is about, completed to whole objects.

A document says `Kind: namespace/name` and its spec beside it; what the schema requires but no test is about
(compartmentId, certificateAuthorities) is filled in.
"""

import pathlib
from collections.abc import Iterator
from typing import Any

import yaml

from mesh import documents, inventory, resources

MESH = """
Mesh: shop/main
mtls: {minimum: DISABLED}
"""

_PETS_V1 = """VirtualDeployment: shop/pets-v1
virtualService: {ref: {name: pets}}
serviceDiscovery: {type: DNS, hostname: v1.local}
listener: [{protocol: HTTP, port: 9080}]
---
"""

PETS = (
    """
VirtualService: shop/pets
mesh: {ref: {name: main}}
hosts: [pets]
---
"""
    + _PETS_V1
)
"""A service with a deployment."""

SHOP = (
    """
Mesh: shop/main
mtls: {minimum: PERMISSIVE}
---
VirtualService: shop/pets
mesh: {ref: {name: main}}
hosts: [pets]
mtls: {mode: PERMISSIVE}
---
"""
    + _PETS_V1
    + """IngressGateway: shop/door
mesh: {ref: {name: main}}
hosts: [{name: site, hostnames: [a.com], listeners: [{protocol: HTTP, port: 8080}]}]
---
"""
)
"""A service with a deployment, and a gateway: enough to judge what comes beside them."""


def says_what_it_shows(case: pathlib.Path) -> bool:
    """Return whether the first line of a file is a sentence about it."""
    first = case.read_text().splitlines()[0]
    return first.startswith("# ") and first.endswith(".")


def objects(text: str) -> tuple[resources.Resource, ...]:
    """Return the resources of a text such as `VirtualService: shop/pets\\nhosts: [pets]`, `---` between them."""
    return tuple(_objects(text))


def of(text: str) -> inventory.Inventory:
    """Return the inventory of a text."""
    return inventory.inventory_of(objects(text))


def _objects(text: str) -> Iterator[resources.Resource]:
    return (resource(short) for short in yaml.safe_load_all(text) if short)


def resource(short: dict[str, Any]) -> resources.Resource:
    """Return the resource of a short document, which must be a sound one."""
    found = documents.parsed(document(short))
    assert found.resource is not None, [str(problem) for problem in found.problems]
    return found.resource


def document(short: dict[str, Any]) -> dict[str, Any]:
    """Return the whole document of a short one."""
    kind = next(key for key in short if key in resources.KINDS)
    namespace, _, name = short[kind].partition("/")
    spec = {key: value for key, value in short.items() if key not in (kind, "created", "annotations")}
    if "compartment_id" in resources.KINDS[kind].model_fields["spec"].annotation.__args__[0].model_fields:
        spec = {"compartmentId": "any", **spec}
    if kind == "Mesh":
        spec = {"certificateAuthorities": [{"id": "any"}], **spec}
    metadata: dict[str, Any] = {"namespace": namespace, "name": name}
    if "annotations" in short:
        metadata["annotations"] = short["annotations"]
    if "created" in short:
        metadata["creationTimestamp"] = short["created"]
    return {"apiVersion": resources.API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}
