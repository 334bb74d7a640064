"""What configuration lets out of the mesh: what policies open, and nothing that is of the machine, the link or the mesh.

Old Envoys do not look at what a name resolves to before they know it; here nobody does, so that what refuses is the
access filter behind.
"""

import pytest
import yaml

from tests.meaning import evaluate, meshes
from tests.meaning.payloads import Answered, Arrived, Bytes, Hello, Place, Request, tunnel

MESH = """
Mesh: shop/main
---
VirtualService: shop/till
mesh: {ref: {name: main}}
hosts: [till.inside.example]
---
VirtualDeployment: shop/till-v1
virtualService: {ref: {name: till}}
listener: [{protocol: HTTP, port: 80}]
---
VirtualService: shop/stranger
mesh: {ref: {name: main}}
---
VirtualDeployment: shop/stranger-v1
virtualService: {ref: {name: stranger}}
---
AccessPolicy: shop/out
mesh: {ref: {name: main}}
rules:
  - action: ALLOW
    source: {virtualService: {ref: {name: till}}}
    destination: {externalService: {httpExternalService: {hostnames: [api.example, "*.inside.example"], ports: [80, 8080]}}}
  - action: ALLOW
    source: {virtualService: {ref: {name: till}}}
    destination: {externalService: {httpExternalService: {hostnames: ["*"], ports: [8082]}}}
  - action: ALLOW
    source: {virtualService: {ref: {name: till}}}
    destination: {externalService: {httpsExternalService: {hostnames: [api.example], ports: [443]}}}
  - action: ALLOW
    source: {virtualService: {ref: {name: till}}}
    destination: {externalService: {tcpExternalService: {ipAddresses: [203.0.113.0/24], ports: [5432]}}}
"""
API, OTHER = "203.0.113.5", "198.51.100.7"
NAMES = {
    "api.example": (API,),
    "x.inside.example": (API,),
    "till.inside.example": (API,),
    "other.example": (OTHER,),
    "loop.example": ("127.0.0.1",),
    "link.example": ("169.254.169.254",),
}
EVERYWHERE = {
    Place(address, port): f"{address} {port}"
    for address in (API, OTHER, "127.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1")
    for port in (80, 443, 5432, 8080, 8082)
}


@pytest.fixture(scope="module")
def mesh():
    return meshes.compiled(yaml.safe_load_all(MESH), outside=meshes.Outside(EVERYWHERE, NAMES))


def met(mesh, payload, caller="till-v1"):
    """Return who gets something that an application sends to its sidecar, or the status that it is told."""
    place = Place(mesh.workloads["shop", caller], meshes.HTTP_PROXY)
    ((outcome, chance),) = evaluate.sent(mesh.network, place, payload).items()
    assert chance == 1
    match outcome:
        case Arrived(at, _):
            return at
        case Answered(status):
            return status
    return None


@pytest.mark.parametrize(
    ("authority", "expected"),
    [
        ("api.example", f"{API} 80"),
        ("api.example:8080", f"{API} 8080"),
        ("API.example:8080", f"{API} 8080"),
        ("api.example:8082", f"{API} 8082"),
        ("api.example:443", 403),
        ("x.inside.example", f"{API} 80"),
        ("till.inside.example", 403),
        ("other.example:8080", 403),
        ("other.example:8082", f"{OTHER} 8082"),
        (f"{OTHER}:8082", f"{OTHER} 8082"),
        (f"{OTHER}:8080", 403),
        ("unknown.example:8082", 503),
        *(
            (f"{name}:8082", 403)
            for name in ("loop.example", "link.example", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]")
        ),
    ],
)
def test_requests_leave_as_policies_say(mesh, authority, expected):
    assert met(mesh, Request(authority)) == expected
    assert met(mesh, Request(authority), "stranger-v1") == 403


@pytest.mark.parametrize(
    ("authority", "expected"),
    [
        ("api.example:443", f"{API} 443"),
        ("api.example:5432", 403),
        ("other.example:443", 403),
        (f"{API}:443", 403),
        (f"{API}:5432", f"{API} 5432"),
        (f"{OTHER}:5432", 403),
        ("127.0.0.1:5432", 403),
        ("till.inside.example:443", 403),
    ],
)
def test_tunnels_leave_as_policies_say(mesh, authority, expected):
    for inside in (Bytes(is_first=False), Hello(Bytes(), "somebody.else.example")):
        assert met(mesh, tunnel(authority, inside)) == expected
        assert met(mesh, tunnel(authority, inside), "stranger-v1") == 403


@pytest.mark.parametrize(
    ("authority", "expected"),
    [("api.example:8080", f"{API} 8080"), ("loop.example:8082", 403), ("api.example:443", 403)],
)
def test_what_is_said_in_a_tunnel_is_judged_as_if_it_were_said_outside_of_one(mesh, authority, expected):
    assert met(mesh, tunnel("api.example:8080", Request(authority))) == expected
