"""Which objects an object refers to, whether they exist, and whether it may refer to them.

Law: a reference is looked up once, here; everything behind works with the `Ref`s found.
"""

import dataclasses
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from mesh import problems, resources, workloads
from mesh.problems import Problem, Ref, Severity
from mesh.resolve import crossings
from mesh.resolve.crossings import Crossings
from mesh.rules import wording

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Settled(Generic[V]):
    """What became of something that was written, and what is wrong with it."""

    value: V
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Link:
    """A reference as written: the field it stands in, the kind it wants, and a name or an id (or neither).

    What is acted upon gets something added, or is opened to others; merely joined or sent to, it is not.
    """

    field: str
    kind: str
    ref: Ref | None
    id: str | None
    severity: Severity = Severity.ERROR
    is_acted_upon: bool = False


@dataclass(frozen=True, slots=True)
class Bonds:
    """The targets of an object's references by field; those that were not found, or are refused, are absent."""

    targets: Mapping[str, Ref]
    refused: Mapping[str, Problem] = dataclasses.field(default_factory=dict)
    """By field the references that the settings do not permit."""

    def get(self, field: str) -> Ref | None:
        """Return the target of the reference in this field, or None."""
        return self.targets.get(field)


# ---------------------------------------------------------------------------- what is written


def links(resource: resources.Resource) -> tuple[Link, ...]:
    """Return the references of an object of the nine kinds, in the order in which they are written."""
    spec = getattr(resource, "spec", None)
    written = _WRITTEN.get(resource.kind)
    return tuple(written(resource.metadata.namespace, spec)) if written and spec else ()


def _link(space: str, field: str, kind: str, written: resources.RefOrId) -> Link:
    if written.ref is None or written.id is not None:
        return Link(field, kind, None, written.id if written.ref is None else None)
    return Link(field, kind, Ref(kind, written.ref.namespace or space, written.ref.name), None)


def _acted_upon(link: Link, is_acted_upon: bool = True) -> Link:
    return dataclasses.replace(link, is_acted_upon=is_acted_upon)


def _table_links(space: str, spec: resources.VirtualServiceRouteTableSpec) -> Iterator[Link]:
    yield _acted_upon(_link(space, "spec.virtualService", "VirtualService", spec.virtual_service))
    for index, rule in enumerate(spec.route_rules):
        for name, route in routes(rule):
            for place, destination in enumerate(route.destinations):
                field = f"spec.routeRules[{index}].{name}.destinations[{place}].virtualDeployment"
                yield _link(space, field, "VirtualDeployment", destination.virtual_deployment)


def _gateway_table_links(space: str, spec: resources.IngressGatewayRouteTableSpec) -> Iterator[Link]:
    yield _acted_upon(_link(space, "spec.ingressGateway", "IngressGateway", spec.ingress_gateway))
    for index, rule in enumerate(spec.route_rules):
        for name, route in gateway_routes(rule):
            for place, destination in enumerate(route.destinations):
                field = f"spec.routeRules[{index}].{name}.destinations[{place}].virtualService"
                yield _link(space, field, "VirtualService", destination.virtual_service)


def _policy_links(space: str, spec: resources.AccessPolicySpec) -> Iterator[Link]:
    opens_all = any(rule.destination.all_virtual_services is not None for rule in spec.rules)
    yield _acted_upon(_link(space, "spec.mesh", "Mesh", spec.mesh), opens_all)
    for index, rule in enumerate(spec.rules):
        for side, target in (("source", rule.source), ("destination", rule.destination)):
            if target.virtual_service:
                field = f"spec.rules[{index}].{side}.virtualService"
                link = _link(space, field, "VirtualService", target.virtual_service)
                yield _acted_upon(link, side == "destination")
            if target.ingress_gateway:
                field = f"spec.rules[{index}].{side}.ingressGateway"
                yield _link(space, field, "IngressGateway", target.ingress_gateway)


def _binding_links(space: str, spec: resources.VirtualDeploymentBindingSpec) -> Iterator[Link]:
    yield _acted_upon(_link(space, "spec.virtualDeployment", "VirtualDeployment", spec.virtual_deployment))
    service = spec.target.service.ref
    ref = Ref("Service", service.namespace or space, service.name)
    yield _acted_upon(Link("spec.target.service.ref", "Service", ref, None, Severity.WARNING))


def _mesh_link(space: str, spec: resources.VirtualServiceSpec | resources.IngressGatewaySpec) -> Iterator[Link]:
    yield _link(space, "spec.mesh", "Mesh", spec.mesh)


def _service_link(space: str, spec: resources.VirtualDeploymentSpec) -> Iterator[Link]:
    yield _acted_upon(_link(space, "spec.virtualService", "VirtualService", spec.virtual_service))


def _gateway_link(space: str, spec: resources.IngressGatewayDeploymentSpec) -> Iterator[Link]:
    yield _acted_upon(_link(space, "spec.ingressGateway", "IngressGateway", spec.ingress_gateway))


_WRITTEN: Mapping[str, Callable[[str, Any], Iterator[Link]]] = {
    "VirtualService": _mesh_link,
    "VirtualDeployment": _service_link,
    "VirtualServiceRouteTable": _table_links,
    "AccessPolicy": _policy_links,
    "IngressGateway": _mesh_link,
    "IngressGatewayRouteTable": _gateway_table_links,
    "VirtualDeploymentBinding": _binding_links,
    "IngressGatewayDeployment": _gateway_link,
}


Route = resources.HttpRoute | resources.TcpRoute | resources.TlsPassthroughRoute
GatewayRoute = resources.GatewayHttpRoute | resources.GatewayTcpRoute | resources.GatewayTlsPassthroughRoute


def routes(rule: resources.RouteRule) -> tuple[tuple[str, Route], ...]:
    """Return the routes of a rule with the names of their fields: one in a sound rule."""
    return _named(rule.http_route, rule.tcp_route, rule.tls_passthrough_route)


def gateway_routes(rule: resources.GatewayRouteRule) -> tuple[tuple[str, GatewayRoute], ...]:
    """Return the routes of a gateway's rule with the names of their fields: one in a sound rule."""
    return _named(rule.http_route, rule.tcp_route, rule.tls_passthrough_route)


def _named(http: V | None, tcp: V | None, tls_passthrough: V | None) -> tuple[tuple[str, V], ...]:
    named = (("httpRoute", http), ("tcpRoute", tcp), ("tlsPassthroughRoute", tls_passthrough))
    return tuple((name, route) for name, route in named if route is not None)


# ---------------------------------------------------------------------------- what is there


def found(link: Link, there: Container[Ref], ids: Mapping[str, Ref]) -> Ref | None:
    """Return the address of the object that a reference means, or None where there is none of that kind."""
    if link.ref is not None:
        return link.ref if link.ref in there else None
    target = ids.get(link.id) if link.id else None
    return target if target is not None and target.kind == link.kind else None


def bonds(
    referrer: Ref, written: tuple[Link, ...], targets: tuple[Ref | None, ...], permitted: Crossings
) -> Settled[Bonds]:
    """Return the references of an object that lead somewhere, and a problem for each that leads nowhere.

    Rule 2.3.7: what a reference names exists; rule 2.12.1: the Service of a binding too.
    """
    pairs = tuple(zip(written, targets, strict=True))
    refused = {
        link.field: _refused(referrer, link, place, permitted)
        for link, target in pairs
        if (place := target or link.ref) and not permitted.are_permitted(referrer, place.namespace)
    }
    sound = [(link, target) for link, target in pairs if link.field not in refused]
    missing = tuple(_missing(referrer, link) for link, target in sound if target is None and (link.ref or link.id))
    warnings = _foreign(referrer, sound) if permitted.mode is crossings.CrossNamespace.ALLOW else ()
    kept = {link.field: target for link, target in sound if target is not None}
    return Settled(Bonds(kept, refused), (*refused.values(), *missing, *warnings))


def _refused(referrer: Ref, link: Link, place: Ref, permitted: Crossings) -> Problem:
    if link.ref is None:
        what = f"the {link.kind} of the id {wording.printable(link.id or '')}"
        return crossings.refused(referrer, f"{link.field}.id", what, place.namespace, permitted)
    return crossings.refused(referrer, link.field, str(_printable(link.ref)), place.namespace, permitted)


def _foreign(referrer: Ref, pairs: list[tuple[Link, Ref | None]]) -> Iterator[Problem]:
    """Yield what is said of acting upon other namespaces; nothing where one's own mesh holds what is there."""
    places = [(link, place) for link, target in pairs if (place := target or link.ref)]
    if not any(link.kind == "Mesh" and place.namespace == referrer.namespace for link, place in places):
        acted_upon = ((link.field, place) for link, place in places if link.is_acted_upon)
        yield from crossings.foreign(referrer, acted_upon)


def _missing(referrer: Ref, link: Link) -> Problem:
    if link.ref is None:
        return problems.error(
            referrer,
            f"{link.field}.id",
            f"no {link.kind} has the id {wording.printable(link.id or '')}",
            "refer to it by `ref` with its name, or by the id that meshloom issued for it",
        )
    wanted = _printable(link.ref)
    return Problem(
        referrer,
        link.field,
        f"{wanted} does not exist",
        f"create {_article(link.kind)} of this name in namespace {wanted.namespace}, or correct the reference",
        link.severity.value,
    )


def _printable(ref: Ref) -> Ref:
    return Ref(ref.kind, wording.printable(ref.namespace), wording.printable(ref.name))


def _article(kind: str) -> str:
    return f"{'an' if kind[0] in 'AEIO' else 'a'} {kind}"


READ_KINDS: Mapping[str, type[resources.Resource]] = {**resources.KINDS, "Service": workloads.Service}
"""The kinds whose presence the graph depends on."""
