"""A large mesh to measure with: so many services of two deployments each, a route table each, and policies.

Law: resources as users write them, so that what is measured is the way from YAML objects to bytes.
"""

from collections.abc import Iterator
from typing import Any

from mesh import documents, inventory, resources
from mesh.problems import Ref
from translator import proxies

_TEAMS = 20
PODS = 5
"""Of each Service."""


def mesh(services: int, destinations: int) -> inventory.Inventory:
    """Return a mesh in which each service may call so many others; all of them by one rule if there are as many."""
    policies = [_open_policy()] if destinations >= services else _policies(services, destinations)
    written = [_mesh(), *(item for number in range(services) for item in _service(number)), *policies]
    return inventory.inventory_of(resource(one) for one in written)


def resource(document: dict[str, Any]) -> resources.Resource:
    """Return the resource of a sound document."""
    found = documents.parsed(document)
    if found.resource is None:
        raise ValueError(f"{found.problems[0]}")
    return found.resource


def weights(number: int, first: int) -> resources.Resource:
    """Return the route table of a service with this weight for its first deployment."""
    return resource(_table(number, first))


def sidecars(seen: inventory.Inventory) -> tuple[proxies.Sidecar, ...]:
    """Return one sidecar for each deployment."""
    refs = sorted(seen.of(resources.VirtualDeployment))
    return tuple(
        proxies.Sidecar(ref, proxies.Explicit(f"10.{place >> 8}.{place & 255}.2", "127.0.0.1"))
        for place, ref in enumerate(refs)
    )


def proxy(number: int, services: int) -> proxies.Sidecar:
    """Return a sidecar, one of each deployment in turn, each with addresses of its own."""
    service, version = divmod(number % (2 * services), 2)
    ref = service_ref(service)
    deployment = Ref("VirtualDeployment", ref.namespace, f"{ref.name}-v{version + 1}")
    return proxies.Sidecar(deployment, proxies.Explicit(f"10.1.{number >> 8}.{number & 255}", "127.0.0.1"))


def callers(number: int, services: int, destinations: int) -> frozenset[int]:
    """Return the services that may call a service, in a mesh of so many."""
    return frozenset((number - step) % services for step in range(1, destinations + 1))


def service_ref(number: int) -> Ref:
    """Return the address of a service."""
    return Ref("VirtualService", f"team-{number % _TEAMS:02}", f"service-{number:04}")


def bound(services: int) -> Iterator[resources.Resource]:
    """Yield what binds all deployments of such a mesh, told apart by labels, to a Service of five pods each."""
    for number in range(services):
        ref = service_ref(number)
        yield _core("v1", "Service", ref, ref.name, {}, spec={"selector": {"app": ref.name}})
        yield endpoints(number, 1)
        for pod in range(PODS):
            yield _core("v1", "Pod", ref, f"{ref.name}-{pod}", {"version": f"v{1 + pod % 2}"})
        for version in ("v1", "v2"):
            binding = Ref("VirtualDeploymentBinding", ref.namespace, f"{ref.name}-{version}")
            target = {"service": {"ref": {"name": ref.name}, "matchLabels": {"version": version}}}
            deployment = _named(Ref("", ref.namespace, binding.name))
            yield resource(_document(binding, {"virtualDeployment": deployment, "target": target}))


def endpoints(number: int, last: int) -> resources.Resource:
    """Return the EndpointSlice of a service whose first pod has this last number in its address."""
    ref = service_ref(number)
    listed = [
        {
            "addresses": [f"10.{number >> 8}.{number & 255}.{last if pod == 0 else 200 + pod}"],
            "conditions": {"ready": True},
            "targetRef": {"kind": "Pod", "name": f"{ref.name}-{pod}"},
        }
        for pod in range(PODS)
    ]
    labels = {"kubernetes.io/service-name": ref.name}
    return _core("discovery.k8s.io/v1", "EndpointSlice", ref, ref.name, labels, addressType="IPv4", endpoints=listed)


def _core(api: str, kind: str, of: Ref, name: str, labels: dict[str, str], **fields: Any) -> resources.Resource:
    metadata = {"namespace": of.namespace, "name": name, "labels": labels}
    return resource({"apiVersion": api, "kind": kind, "metadata": metadata, **fields})


def _named(ref: Ref) -> dict[str, Any]:
    return {"ref": {"name": ref.name, "namespace": ref.namespace}}


def _document(ref: Ref, spec: dict[str, Any]) -> dict[str, Any]:
    needs_compartment = ref.kind not in ("VirtualDeploymentBinding", "IngressGatewayDeployment")
    return {
        "apiVersion": resources.API_VERSION,
        "kind": ref.kind,
        "metadata": {"namespace": ref.namespace, "name": ref.name},
        "spec": {**({"compartmentId": "bench"} if needs_compartment else {}), **spec},
    }


_MESH = Ref("Mesh", "bench", "main")


def _mesh() -> dict[str, Any]:
    return _document(_MESH, {"certificateAuthorities": [{"id": "bench"}], "mtls": {"minimum": "DISABLED"}})


def _service(number: int) -> Iterator[dict[str, Any]]:
    ref = service_ref(number)
    hosts = [ref.name, f"{ref.name}.{ref.namespace}.svc.cluster.local"]
    yield _document(ref, {"mesh": _named(_MESH), "hosts": hosts})
    for version in ("v1", "v2"):
        deployment = Ref("VirtualDeployment", ref.namespace, f"{ref.name}-{version}")
        discovery = {"type": "DNS", "hostname": f"{deployment.name}.{ref.namespace}.svc.cluster.local"}
        listener = [{"protocol": "HTTP", "port": 8080}]
        spec = {"virtualService": _named(ref), "serviceDiscovery": discovery, "listener": listener}
        yield _document(deployment, spec)
    yield _table(number, 90)


def _table(number: int, first: int) -> dict[str, Any]:
    ref = service_ref(number)
    shares = (("v1", first), ("v2", 100 - first))
    destinations = [
        {"virtualDeployment": _named(Ref("", ref.namespace, f"{ref.name}-{version}")), "weight": weight}
        for version, weight in shares
    ]
    rules = [{"httpRoute": {"path": "/", "destinations": destinations}}]
    table = Ref("VirtualServiceRouteTable", ref.namespace, ref.name)
    return _document(table, {"virtualService": _named(ref), "routeRules": rules})


def _open_policy() -> dict[str, Any]:
    everybody: dict[str, Any] = {"allVirtualServices": {}}
    rules = [{"action": "ALLOW", "source": everybody, "destination": everybody}]
    return _document(Ref("AccessPolicy", "bench", "open"), {"mesh": _named(_MESH), "rules": rules})


def _policies(services: int, destinations: int) -> Iterator[dict[str, Any]]:
    for number in range(services):
        ref = service_ref(number)
        rules = [
            {
                "action": "ALLOW",
                "source": {"virtualService": _named(ref)},
                "destination": {"virtualService": _named(service_ref((number + step) % services))},
            }
            for step in range(1, destinations + 1)
        ]
        policy = Ref("AccessPolicy", ref.namespace, ref.name)
        yield _document(policy, {"mesh": _named(_MESH), "rules": rules})
