"""How long a compile takes: 1,000 services of two deployments each, all 2,000 sidecars, fresh and after one change.

Law: numbers are CPU seconds of this process on one core, the best of a few runs; nothing is warmed but the imports and
the encoders.
"""

import dataclasses
import gc
import time
from collections.abc import Callable, Iterator

from mesh import graph, identity, mtls
from mesh.hosts import Host
from mesh.problems import Ref
from mesh.resources import Protocol
from translator import compile, proxies

SERVICES = 1_000
MESH = Ref("Mesh", "bench", "main")
DOMAIN = identity.trust_domain(MESH)
Row = dict[str, object]


def service_ref(number: int) -> Ref:
    return Ref("VirtualService", f"team-{number % 20:02}", f"service-{number:04}")


def deployment_refs(service: Ref) -> tuple[Ref, Ref]:
    return tuple(Ref("VirtualDeployment", service.namespace, f"{service.name}-{version}") for version in ("v1", "v2"))


def service(ref: Ref, weights: tuple[int, int]) -> graph.Service:
    deployments = deployment_refs(ref)
    shares = tuple(graph.Share(graph.Target(to, 8080), weight) for to, weight in zip(deployments, weights, strict=True))
    route = graph.HttpRoute("/", True, False, graph.Forward(shares, 15_000, 300_000))
    hosts = (Host(ref.name), Host(f"{ref.name}.{ref.namespace}.svc.cluster.local"))
    caller = identity.Identity(DOMAIN, ref)
    ports = (graph.HttpPort(8080, (route,)),)
    return graph.Service(ref, ref.key, MESH, caller, mtls.Mode.STRICT, hosts, deployments, ports)


def deployment(ref: Ref, owner: Ref) -> graph.Deployment:
    listener = graph.Listener(8080, Protocol.HTTP, 15_000, 300_000)
    return graph.Deployment(ref, ref.key, owner, graph.Dns(f"{ref.name}.{ref.namespace}"), (listener,), False)


def mesh_graph(destinations: int) -> graph.Graph:
    """Each service may call that many others; all of them by a rule for all where it is the number of services."""
    refs = sorted(service_ref(number) for number in range(SERVICES))
    everything = graph.Scope(tuple(refs))
    is_all = destinations >= SERVICES
    reached = {ref: range(place + 1, place + 1 + destinations) for place, ref in enumerate(refs)}
    scopes = {
        ref: everything if is_all else graph.Scope(tuple(sorted(refs[place % SERVICES] for place in reached[ref])))
        for ref in refs
    }
    calling = {ref: [refs[place - 1 - step] for step in range(destinations)] for place, ref in enumerate(refs)}
    return graph.Graph(
        {MESH: graph.Mesh(MESH, "main", mtls.Mode.STRICT, DOMAIN)},
        {ref: service(ref, (90, 10)) for ref in refs},
        {one: deployment(one, ref) for ref in refs for one in deployment_refs(ref)},
        {},
        scopes,
        {ref: _callers(calling[ref], is_all) for ref in refs},
    )


def _callers(refs: list[Ref], is_all: bool) -> graph.Callers:
    named = () if is_all else tuple(sorted(identity.Identity(DOMAIN, ref) for ref in refs))
    return graph.Callers(DOMAIN, is_all, named)


def sidecars(of: graph.Graph) -> tuple[proxies.Sidecar, ...]:
    return tuple(
        proxies.Sidecar(ref, proxies.Explicit(f"10.{place >> 8}.{place & 255}.2", "127.0.0.1"))
        for place, ref in enumerate(of.deployments)
    )


def with_weight_change(of: graph.Graph, weights: tuple[int, int]) -> graph.Graph:
    ref = service_ref(SERVICES // 2)
    return dataclasses.replace(of, services={**of.services, ref: service(ref, weights)})


def seconds(work: Callable[[], object]) -> float:
    gc.collect()
    start = time.process_time()
    work()
    return time.process_time() - start


def measured(destinations: int) -> tuple[float, float]:
    """Return the seconds of a full compile and of the one after a change of one weight."""
    of = mesh_graph(destinations)
    asked = sidecars(of)
    full = min(seconds(lambda: compile.compiled(of, asked)) for _ in range(2))
    last = compile.compiled(of, asked)
    changes = [with_weight_change(of, (90 - step, 10 + step)) for step in range(1, 6)]
    change = min(seconds(lambda changed=changed: compile.compiled(changed, asked, last)) for changed in changes)
    return full, change


def rows() -> Iterator[Row]:
    """Yield one row a number: name, value, unit, floor (the most it may be) and the ratio of value to floor."""
    for case, destinations in (("ten destinations", 10), ("all to all", SERVICES)):
        full, change = measured(destinations)
        yield row(f"compile of 2,000 sidecars, {case}", full, "s", 3.0)
        yield row(f"one weight changes, {case}", change * 1000, "ms", 25.0)


def row(name: str, value: float, unit: str, floor: float) -> Row:
    return {"name": name, "value": round(value, 3), "unit": unit, "floor": floor, "ratio": round(value / floor, 2)}


def main() -> None:
    print(f"{'':44} {'value':>9} {'':3} {'floor':>7} {'ratio':>6}")
    for item in rows():
        print(f"{item['name']:44} {item['value']:9.3f} {item['unit']:3} {item['floor']:7} {item['ratio']:6.2f}")


if __name__ == "__main__":
    main()
