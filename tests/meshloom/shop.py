"""A small mesh as files: `front` calls `pets`, which has two versions; the gateway `door` leads to `front`."""

import pathlib

import yaml

from tests import written

MESH = """
Mesh: shop/main
mtls: {minimum: DISABLED}
---
VirtualService: shop/front
mesh: {ref: {name: main}}
hosts: [front]
mtls: {mode: DISABLED}
---
VirtualDeployment: shop/front-v1
virtualService: {ref: {name: front}}
listener: [{protocol: HTTP, port: 9080}]
serviceDiscovery: {type: DNS, hostname: 127.0.9.1}
---
VirtualServiceRouteTable: shop/front
virtualService: {ref: {name: front}}
routeRules: [{httpRoute: {destinations: [{virtualDeployment: {ref: {name: front-v1}}, weight: 100}]}}]
---
AccessPolicy: shop/main
mesh: {ref: {name: main}}
rules:
- {action: ALLOW, source: {virtualService: {ref: {name: front}}}, destination: {virtualService: {ref: {name: pets}}}}
- {action: ALLOW, source: {ingressGateway: {ref: {name: door}}}, destination: {virtualService: {ref: {name: front}}}}
---
IngressGateway: shop/door
mesh: {ref: {name: main}}
hosts: [{name: all, hostnames: ["*"], listeners: [{protocol: HTTP, port: 8880}]}]
---
IngressGatewayRouteTable: shop/door
ingressGateway: {ref: {name: door}}
routeRules: [{httpRoute: {destinations: [{virtualService: {ref: {name: front}}}]}}]
"""

PETS = """
VirtualService: shop/pets
mesh: {ref: {name: main}}
hosts: [pets]
mtls: {mode: DISABLED}
---
VirtualDeployment: shop/pets-v1
virtualService: {ref: {name: pets}}
listener: [{protocol: HTTP, port: 9080}]
serviceDiscovery: {type: DNS, hostname: 127.0.9.2}
---
VirtualDeployment: shop/pets-v2
virtualService: {ref: {name: pets}}
listener: [{protocol: HTTP, port: 9080}]
serviceDiscovery: {type: DNS, hostname: 127.0.9.3}
"""


def weights(first: int, second: int) -> str:
    """Return the route table of `pets` with these weights."""
    return f"""
VirtualServiceRouteTable: shop/pets
virtualService: {{ref: {{name: pets}}}}
routeRules:
- httpRoute:
    destinations:
    - {{virtualDeployment: {{ref: {{name: pets-v1}}}}, weight: {first}}}
    - {{virtualDeployment: {{ref: {{name: pets-v2}}}}, weight: {second}}}
"""


def whole(short: str) -> str:
    """Return short documents as YAML of whole objects."""
    return yaml.safe_dump_all(written.document(one) for one in yaml.safe_load_all(short))


def write(folder: pathlib.Path, name: str, short: str) -> None:
    """Write a file of short documents, completed."""
    (folder / name).write_text(whole(short))


def laid_out(folder: pathlib.Path) -> pathlib.Path:
    """Write the mesh into a folder and return it."""
    folder.mkdir(exist_ok=True)
    write(folder, "mesh.yaml", MESH)
    write(folder, "pets.yaml", PETS)
    write(folder, "weights.yaml", weights(90, 10))
    return folder
