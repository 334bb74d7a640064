"""A VirtualService with its hosts, deployments and routes settled.

Law: every port of a service is routed by the same rules: tables by priority, first match, then the default policy.
"""

import datetime
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mesh import graph, identity, mtls, problems, resources
from mesh.hosts import Host
from mesh.problems import Problem, Ref
from mesh.resolve import splits
from mesh.resolve.references import Settled
from mesh.resources import RoutingPolicyType
from mesh.rules import deployments as deployment_rules
from mesh.rules import services as service_rules
from mesh.rules import timeouts

Age = tuple[str, str, str]
"""Sorts older objects first: creation time (none: oldest), namespace, name."""


def age(resource: resources.Resource) -> Age:
    """Return how old an object is; objects from files have no creation time, so all are equally old."""
    created = resource.metadata.creation_timestamp
    stamp = created.astimezone(datetime.UTC).isoformat() if created else ""
    return stamp, resource.metadata.namespace, resource.metadata.name


@dataclass(frozen=True, slots=True)
class Shell:
    """A service before hosts are granted and deployments are known. `wanted` are its hosts as written."""

    ref: Ref
    age: Age
    name: str
    mesh: Ref
    identity: identity.Identity
    mode: mtls.Mode
    is_uniform: bool
    wanted: tuple[Host, ...]


def shell(written: resources.VirtualService, owner: graph.Mesh | None) -> Settled[Shell | None]:
    """Return what a VirtualService says by itself and of its mesh; None without a spec or a mesh."""
    if written.spec is None or owner is None:
        return Settled(None)
    wish = written.spec.mtls.mode if written.spec.mtls else None
    policy = written.spec.default_routing_policy
    value = Shell(
        written.ref,
        age(written),
        identity.effective_name(written, written.spec.name),
        owner.ref,
        identity.Identity(owner.trust_domain, written.ref),
        mtls.effective(wish, owner.minimum),
        policy is not None and policy.type is RoutingPolicyType.UNIFORM,
        service_rules.claimed_hosts(written.spec),
    )
    return Settled(value, tuple(_mode_problems(written.ref, wish, owner)))


def _mode_problems(ref: Ref, wish: mtls.Mode | None, owner: graph.Mesh) -> Iterator[Problem]:
    """Rule 2.5.1: the mode of a service is not below the minimum of its mesh."""
    if wish is not None and not mtls.satisfies(wish, owner.minimum):
        fault = f"mTLS mode {wish.value} is below the mesh minimum {owner.minimum.value}, which is applied instead"
        remedy = f"raise it or lower spec.mtls.minimum of {owner.ref}"
        yield problems.error(ref, "spec.mtls.mode", fault, remedy)


# ---------------------------------------------------------------------------- deployments

_REQUEST_TIMEOUTS_MS = {resources.Protocol.HTTP: 15_000, resources.Protocol.HTTP2: 15_000}
_HTTP_IDLE_MS = 300_000
_TCP_IDLE_MS = 3_600_000


def deployment(written: resources.VirtualDeployment, service: Ref | None, is_bound: bool) -> graph.Deployment | None:
    """Return the deployment that is meant, or None without a spec or a service."""
    if written.spec is None or service is None:
        return None
    return graph.Deployment(
        written.ref,
        identity.effective_name(written, written.spec.name),
        service,
        _discovery(written.spec, is_bound),
        tuple(map(_listener, deployment_rules.served_listeners(written.spec))),
        bool(written.spec.access_logging and written.spec.access_logging.is_enabled),
    )


def _discovery(spec: resources.VirtualDeploymentSpec, is_bound: bool) -> graph.Discovery:
    """Return how a deployment is found: by its bindings if there are any, unless it is not to be found."""
    hostname = deployment_rules.resolvable_hostname(spec)
    if is_bound and deployment_rules.is_discovered(spec):
        return graph.Bound(hostname)
    return graph.Dns(hostname) if hostname else graph.Undiscovered()


def _listener(written: resources.Listener) -> graph.Listener:
    protocol = written.protocol
    is_http = graph.FAMILIES[protocol] is graph.Family.HTTP
    request, idle = written.request_timeout_in_ms, written.idle_timeout_in_ms
    return graph.Listener(
        written.port,
        protocol,
        _REQUEST_TIMEOUTS_MS.get(protocol, graph.NO_TIMEOUT) if request is None else timeouts.countable_ms(request),
        (_HTTP_IDLE_MS if is_http else _TCP_IDLE_MS) if idle is None else timeouts.countable_ms(idle),
    )


# ---------------------------------------------------------------------------- routes


def path_prefix(path: str | None, by_segment: bool) -> str:
    """Return a path as routes hold it: a leading slash always, a trailing one only in a plain string prefix."""
    rooted = f"/{(path or '/').removeprefix('/')}"
    return (rooted.rstrip("/") or "/") if by_segment else rooted


def is_matchable(path: str | None) -> bool:
    """Return whether a request's path can ever start with this one: it holds neither query nor fragment."""
    return not path or ("?" not in path and "#" not in path)


@dataclass(frozen=True, slots=True)
class Table:
    """A route table that belongs to a service: its rules with destinations found; those for bytes match everything."""

    ref: Ref
    rules: tuple["Rule", ...]
    tcp: tuple[splits.Destinations, ...] = ()
    tls: tuple[splits.Destinations, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """An HTTP rule."""

    path: str
    is_grpc: bool
    timeout_ms: int
    destinations: splits.Destinations


def service(
    core: Shell,
    granted: tuple[Host, ...],
    deployments: tuple[graph.Deployment, ...],
    tables: tuple[Table, ...],
    by_segment: bool,
    addresses: tuple[Host, ...] = (),
) -> graph.Service:
    """Return a service with every port routed. Deployments in name order, tables in order of precedence."""
    by_ref = {item.ref: item for item in deployments}
    rules = tuple(rule for table in tables for rule in table.rules)
    return graph.Service(
        core.ref,
        core.name,
        core.mesh,
        core.identity,
        core.mode,
        granted,
        tuple(by_ref),
        tuple(
            graph.HttpPort(port, _routes(core, by_ref, rules, port, by_segment))
            for port in splits.ports(by_ref, graph.Family.HTTP)
        ),
        _connections(core, by_ref, (rule for table in tables for rule in table.tcp), graph.Family.TCP),
        _connections(core, by_ref, (rule for table in tables for rule in table.tls), graph.Family.TLS_PASSTHROUGH),
        addresses,
    )


def _routes(
    core: Shell, by_ref: dict[Ref, graph.Deployment], rules: Iterable[Rule], port: int, by_segment: bool
) -> tuple[graph.HttpRoute, ...]:
    named = (route for rule in rules if (route := _route(by_ref, rule, port, by_segment)))
    fallback = (_uniform(by_ref, port, by_segment),) if core.is_uniform else ()
    return tuple(reachable((*named, *fallback)))


def reachable(routes: Iterable[graph.HttpRoute]) -> Iterator[graph.HttpRoute]:
    """Yield the routes that some request can match: those that no earlier one covers."""
    kept: tuple[graph.HttpRoute, ...] = ()
    for route in routes:
        if not any(_precludes(earlier, route) for earlier in kept):
            kept = (*kept, route)
            yield route


def _precludes(earlier: graph.HttpRoute, later: graph.HttpRoute) -> bool:
    return (later.is_grpc or not earlier.is_grpc) and covers(earlier.path, later.path, earlier.by_segment)


def covers(wide: str, narrow: str, by_segment: bool) -> bool:
    """Return whether every path that starts with `narrow` starts with `wide`."""
    if not by_segment:
        return narrow.startswith(wide)
    return wide == "/" or narrow == wide or narrow.startswith(f"{wide}/")


def _route(by_ref: dict[Ref, graph.Deployment], rule: Rule, port: int, by_segment: bool) -> graph.HttpRoute | None:
    split = splits.weighted(by_ref, rule.destinations, port, graph.Family.HTTP)
    if split is None:
        return None
    forward = graph.Forward(split.shares, rule.timeout_ms, split.idle_timeout_ms)
    return graph.HttpRoute(rule.path, by_segment, rule.is_grpc, forward if split.shares else _ALL_ZERO)


_ALL_ZERO = graph.Refusal(503, "the weights of all destinations of this route are 0")


def _uniform(by_ref: dict[Ref, graph.Deployment], port: int, by_segment: bool) -> graph.HttpRoute:
    """Return the route of the policy UNIFORM: equal parts; how long an answer may take is for the target to say."""
    split = splits.equal(by_ref, port, graph.Family.HTTP)
    forward = graph.Forward(split.shares, graph.NO_TIMEOUT, split.idle_timeout_ms)
    return graph.HttpRoute("/", by_segment, False, forward)


def shortest(timeouts_ms: Iterable[int]) -> int:
    """Return the shortest of some timeouts, where 0 means none at all."""
    return min((timeout for timeout in timeouts_ms if timeout), default=0)


# ---------------------------------------------------------------------------- connections


def _connections(
    core: Shell, by_ref: dict[Ref, graph.Deployment], rules: Iterable[splits.Destinations], family: graph.Family
) -> tuple[graph.TcpPort, ...]:
    """Return where the connections of a family go, by port."""
    listed = tuple(rules)
    splitting = ((port, _split(core, by_ref, listed, port, family)) for port in splits.ports(by_ref, family))
    return tuple(graph.TcpPort(port, split.shares, split.idle_timeout_ms) for port, split in splitting)


def _split(
    core: Shell,
    by_ref: dict[Ref, graph.Deployment],
    rules: Iterable[splits.Destinations],
    port: int,
    family: graph.Family,
) -> splits.Split:
    """Return where connections go: the first rule with a listener decides, then the policy; DENY sends them nowhere."""
    found = (splits.weighted(by_ref, rule, port, family) for rule in rules)
    fallback = splits.equal(by_ref, port, family)
    return next((one for one in found if one is not None), fallback if core.is_uniform else _NOWHERE)


_NOWHERE = splits.Split((), graph.NO_TIMEOUT)
