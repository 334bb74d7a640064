"""Objects that are right by themselves but not beside each other: one name, one priority, one pod for two of them.

Law: these are findings, the graph is built whether or not there are any; of two the younger is told.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from mesh import identity, problems, resources, workloads
from mesh.problems import Problem, Ref
from mesh.resolve import services, tables
from mesh.resolve.references import Bonds, Settled, gateway_routes, routes
from mesh.rules import wording

Findings = Mapping[Ref, Settled[None]]
_MOST_TABLES = 50
"""Tables of one owner and priority with which each other one is compared."""
_MOST_LABELS = 8
"""Labels of a binding of which all parts are compared; who has more is compared as a whole."""


def _by_subject(found: Iterable[Problem]) -> Findings:
    in_order = sorted(found)
    return {ref: Settled(None, tuple(mine)) for ref, mine in itertools.groupby(in_order, lambda one: one.subject)}


# ---------------------------------------------------------------------------- names


@dataclass(frozen=True, slots=True)
class Named:
    """An object that names itself: what it belongs to, its name, and how old it is."""

    ref: Ref
    parent: Ref | None
    name: str
    age: services.Age


def named(written: resources.Resource, parent: Ref | None) -> Named | None:
    """Return the name that an object gives itself; None where it bears that of its metadata."""
    spec = getattr(written, "spec", None)
    given = getattr(spec, "display_name", None) or getattr(spec, "name", None)
    name = identity.effective_name(written, given)
    return Named(written.ref, parent, name, services.age(written)) if given else None


def twins(*several: Mapping[Ref, Named | None]) -> Findings:
    """Rule 2.13.22: objects of one kind that belong to one owner have different names."""
    present = (one for items in several for one in items.values() if one is not None)
    groups: dict[tuple[str, Ref | None, str], list[Named]] = {}
    for one in sorted(present, key=lambda one: one.age):
        groups.setdefault((one.ref.kind, one.parent, one.name), []).append(one)
    return _by_subject(
        problems.warning(
            one.ref,
            "spec.displayName" if one.ref.kind == "Mesh" else "spec.name",
            f"{wording.quoted(one.name)} is also the name of {first.ref}",
            "give each a name of its own, so that statistics and status tell them apart",
        )
        for first, *others in groups.values()
        for one in others
    )


# ---------------------------------------------------------------------------- route tables


Match = tuple[str, str, str, int]
"""What a rule matches: kind of route, path, and for gateways a host and a port; empty and 0: any."""
Table = resources.VirtualServiceRouteTable | resources.IngressGatewayRouteTable


@dataclass(frozen=True, slots=True)
class Ranked:
    """A route table: whose it is, its priority as it counts, its age, and what its rules match."""

    ref: Ref
    owner: Ref | None
    priority: object
    age: services.Age
    matches: tuple[Match, ...]


def ranked(written: Table, owner: Ref | None, segment: bool) -> Ranked:
    """Return where a route table stands among those of its owner."""
    priority, *_ = tables.precedence(written)
    return Ranked(written.ref, owner, priority, services.age(written), tuple(_matches(written, segment)))


def _matches(written: Table, segment: bool) -> Iterator[Match]:
    if isinstance(written, resources.VirtualServiceRouteTable):
        for rule in written.spec.route_rules if written.spec else ():
            yield from ((kind, _path(route, segment), "", 0) for kind, route in routes(rule))
        return
    for gateway_rule in written.spec.route_rules if written.spec else ():
        for kind, route in gateway_routes(gateway_rule):
            at = route.ingress_gateway_host
            yield kind, _path(route, segment), at.name if at else "", (at.port or 0) if at else 0


def _path(route: object, segment: bool) -> str:
    is_http = isinstance(route, resources.HttpRoute | resources.GatewayHttpRoute)
    return services.path_prefix(getattr(route, "path", None), segment) if is_http else "/"


def ties(segment: bool, *several: Mapping[Ref, Ranked]) -> Findings:
    """Rule 2.13.23: tables of one owner whose rules match the same differ in priority."""
    groups: dict[tuple[Ref, object], list[Ranked]] = {}
    for one in sorted((one for items in several for one in items.values()), key=lambda one: one.age):
        if one.owner is not None:
            groups.setdefault((one.owner, one.priority), []).append(one)
    return _by_subject(
        _tie(older, younger, both)
        for group in groups.values()
        for number, younger in enumerate(group)
        if (older := next((one for one in group[: min(number, _MOST_TABLES)] if _shared(one, younger, segment)), None))
        and (both := _shared(older, younger, segment))
    )


def _shared(one: Ranked, other: Ranked, segment: bool) -> str:
    """Return a path that rules of both match, or nothing."""
    pairs = itertools.product(one.matches, other.matches)
    return next((max(mine[1], theirs[1], key=len) for mine, theirs in pairs if _meet(mine, theirs, segment)), "")


def _meet(one: Match, other: Match, segment: bool) -> bool:
    kind, path, host, port = one
    is_path = services.covers(path, other[1], segment) or services.covers(other[1], path, segment)
    is_place = (not host or other[2] in ("", host)) and (not port or other[3] in (0, port))
    return kind == other[0] and is_path and is_place


def _tie(older: Ranked, younger: Ranked, path: str) -> Problem:
    fault = f"is {younger.priority}, as in {older.ref}, and both have a rule for {wording.quoted(path)}: that one, the "
    remedy = "give the two different priorities; the lower number goes first"
    return problems.warning(younger.ref, "spec.priority", f"{fault}older, goes first", remedy)


# ---------------------------------------------------------------------------- bindings


@dataclass(frozen=True, slots=True)
class Selection:
    """The pods that a binding is about: those of one namespace that bear all these labels."""

    ref: Ref
    age: services.Age
    namespace: str
    labels: frozenset[tuple[str, str]]


def selection(
    written: resources.VirtualDeploymentBinding, bonds: Bonds, service: workloads.Service | None, is_listed: bool
) -> Settled[Selection | None]:
    """Return which pods a binding selects, as far as one can tell; None where there can be none. `is_listed` says that
    there are EndpointSlices of the Service.
    """
    if written.spec is None or bonds.refused:
        return Settled(None)
    wanted = written.spec.target.service
    namespace = wanted.ref.namespace or written.ref.namespace
    selector = dict(service.spec.selector) if service else {"": wanted.ref.name}
    if is_listed and not selector and not wanted.match_labels:
        return Settled(None)
    fault = _impossible(written, selector, dict(wanted.match_labels), service)
    if fault:
        return Settled(None, fault)
    labels = frozenset({**wanted.match_labels, **selector}.items())
    return Settled(Selection(written.ref, services.age(written), namespace, labels))


def _impossible(
    written: resources.VirtualDeploymentBinding,
    selector: Mapping[str, str],
    labels: Mapping[str, str],
    service: workloads.Service | None,
) -> tuple[Problem, ...]:
    """Rule 2.12.3: there can be pods that a binding selects, or there are endpoints that are none."""
    if service is not None and not selector:
        fault, remedy = (
            f"{service.ref} has no selector, so that no pod belongs to it",
            "add spec.selector to the Service, or an EndpointSlice of endpoints that are no pods",
        )
        return (problems.warning(written.ref, "spec.target.service.ref", fault, remedy),)
    against = sorted(key for key in labels.keys() & selector.keys() if labels[key] != selector[key])
    if against:
        fault = (
            f"asks for another {wording.quoted(against[0])} than the selector of the Service, so that no pod has both"
        )
        remedy = "write the value of the selector, or leave the label out"
        return (problems.warning(written.ref, "spec.target.service.matchLabels", fault, remedy),)
    return ()


def rivals(selections: Mapping[Ref, Settled[Selection | None]]) -> Findings:
    """Rule 2.13.30: a pod has one binding; of several the oldest counts."""
    by_labels: dict[tuple[str, frozenset[tuple[str, str]]], list[Selection]] = {}
    known = sorted((one.value for one in selections.values() if one.value), key=lambda one: one.age)
    for one in known:
        by_labels.setdefault((one.namespace, one.labels), []).append(one)
    pairs = {
        tuple(sorted((wide, narrow), key=lambda one: one.age))
        for narrow in known
        for part in _parts(narrow.labels)
        for wide in by_labels.get((narrow.namespace, part), ())[:1]
        if wide.ref != narrow.ref
    }
    return _by_subject(_rival(older, younger) for older, younger in pairs)


def _parts(labels: frozenset[tuple[str, str]]) -> Iterator[frozenset[tuple[str, str]]]:
    if len(labels) > _MOST_LABELS:
        yield labels
        return
    for size in range(1, len(labels) + 1):
        yield from map(frozenset, itertools.combinations(labels, size))


def _rival(older: Selection, younger: Selection) -> Problem:
    fault = f"selects pods that {older.ref} selects too, which is older: they belong to that one"
    return problems.warning(younger.ref, "spec.target.service", fault, "narrow one of the two by matchLabels")
