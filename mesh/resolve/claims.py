"""Which service of a mesh a host belongs to.

Law: a host belongs to one service of a mesh, the oldest that claims it; a host of a single label belongs, for callers
of one namespace, to the service of that namespace first.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from mesh import hosts, problems
from mesh.hosts import Host
from mesh.problems import Problem, Ref
from mesh.resolve.references import Settled
from mesh.resolve.services import Shell


@dataclass(frozen=True, slots=True)
class Claim:
    """A host, whose it is, and whether that counts in the claimant's namespace alone."""

    host: Host
    owner: Ref
    is_local: bool


Asked = tuple[Ref, int | None]
"""A Kubernetes Service by its address, there or not, and the port by which it is meant, None for all."""


class Named(NamedTuple):
    """What the hosts of a service name: Kubernetes Services, those of them that an older service names, with that, and
    addresses.
    """

    services: tuple[Asked, ...]
    taken: tuple[tuple[Asked, Ref], ...]
    literal: tuple[Host, ...]


@dataclass(frozen=True, slots=True)
class Claims:
    """The hosts of one mesh: those granted everywhere by service, and those granted in one namespace.

    `named` is what the hosts of each service name.
    """

    granted: Mapping[Ref, tuple[Host, ...]]
    local: Mapping[str, tuple[tuple[Host, Ref], ...]]
    named: Mapping[Ref, Named] = field(default_factory=dict)

    def hosts(self, namespace: str, service: Ref) -> tuple[Host, ...]:
        """Return the hosts by which callers of a namespace reach a service."""
        local = self.local.get(namespace, ())
        if not local:
            return self.granted.get(service, ())
        taken = {host.name for host, owner in local if owner != service}
        everywhere = tuple(host for host in self.granted.get(service, ()) if host.name not in taken)
        return everywhere + tuple(host for host, owner in local if owner == service)


def claims(*shells: Shell) -> Settled[Claims]:
    """Return who owns which host among the services of one mesh."""
    in_order = sorted(shells, key=lambda one: one.age)
    made, faults = _made(in_order)
    return Settled(Claims(_granted(in_order, made), _local(made), _named(in_order, made)), faults)


def _made(in_order: list[Shell]) -> tuple[tuple[Claim, ...], tuple[Problem, ...]]:
    by_name: dict[str, list[Claim]] = {}
    faults: list[Problem] = []
    for one in in_order:
        for index, host in enumerate(one.wanted):
            earlier = [claim for claim in by_name.get(host.name, ()) if hosts.overlaps(claim.host, host)]
            claim = _claim(one, host, earlier)
            faults.extend(_problems(one, index, host, claim, earlier))
            if claim:
                by_name.setdefault(host.name, []).append(claim)
    return tuple(claim for found in by_name.values() for claim in found), tuple(faults)


def _claim(one: Shell, host: Host, earlier: list[Claim]) -> Claim | None:
    rivals = [claim for claim in earlier if claim.owner != one.ref]
    if not rivals:
        return Claim(host, one.ref, is_local=False)
    if is_short(host) and all(claim.owner.namespace != one.ref.namespace for claim in rivals):
        return Claim(host, one.ref, is_local=True)
    return None


def is_short(host: Host) -> bool:
    """Return whether a host is a single label, as `pets` or `pets:9080`."""
    return "." not in host.name and "*" not in host.name and ":" not in host.name


def _problems(one: Shell, index: int, host: Host, claim: Claim | None, earlier: list[Claim]) -> Iterator[Problem]:
    """Rule 2.13.29: a host belongs to one service of a mesh."""
    field = f"spec.hosts[{index}]"
    if claim is None:
        fault = f"host {host} already belongs to {_rival(one, earlier)}, which is older; it is not served for this one"
        yield problems.error(one.ref, field, fault, "remove it from one of the two")
    elif claim.is_local and all(map(is_short, one.wanted)):
        space = one.ref.namespace
        fault = f"host {host} also belongs to {_rival(one, earlier)}: only callers of namespace {space} reach this one"
        yield problems.warning(one.ref, field, fault, f"add a host that others can use, such as {host.name}.{space}")


def _rival(one: Shell, earlier: list[Claim]) -> Ref:
    rivals = [claim for claim in earlier if claim.owner != one.ref]
    same_namespace = [claim for claim in rivals if claim.owner.namespace == one.ref.namespace]
    return (same_namespace or rivals)[0].owner


def _granted(in_order: list[Shell], made: tuple[Claim, ...]) -> Mapping[Ref, tuple[Host, ...]]:
    by_owner: dict[Ref, set[Host]] = {}
    for claim in made:
        if not claim.is_local:
            by_owner.setdefault(claim.owner, set()).add(claim.host)
    return {one.ref: tuple(host for host in one.wanted if host in by_owner.get(one.ref, ())) for one in in_order}


def _local(made: tuple[Claim, ...]) -> Mapping[str, tuple[tuple[Host, Ref], ...]]:
    by_space: dict[str, tuple[tuple[Host, Ref], ...]] = {}
    for claim in made:
        if claim.is_local:
            space = claim.owner.namespace
            by_space[space] = (*by_space.get(space, ()), (claim.host, claim.owner))
    return by_space


# ---------------------------------------------------------------------------- what hosts name

_BEHIND_NAMESPACE = (("svc",), ("svc", "cluster", "local"), ())


def _named(in_order: list[Shell], made: tuple[Claim, ...]) -> Mapping[Ref, Named]:
    """Return what the hosts of each service name; of two that name one Service the older has its addresses."""
    hosts_of: dict[Ref, list[Host]] = {}
    for claim in made:
        hosts_of.setdefault(claim.owner, []).append(claim.host)
    owners: dict[Ref, list[tuple[int | None, Ref]]] = {}
    found = {}
    for one in in_order:
        asked = _asked(one.ref.namespace, hosts_of.get(one.ref, ()))
        rivals = {each: _rival_of(each, one.ref, owners) for each in asked}
        for service, port in (each for each in asked if rivals[each] is None):
            owners.setdefault(service, []).append((port, one.ref))
        taken = tuple((each, rival) for each, rival in rivals.items() if rival is not None)
        literal = tuple(host for host in hosts_of.get(one.ref, ()) if host.is_address)
        found[one.ref] = Named(tuple(each for each in asked if rivals[each] is None), taken, literal)
    return found


def _asked(namespace: str, given: Iterable[Host]) -> tuple[Asked, ...]:
    pairs = ((service_named(host, namespace), host.port) for host in given)
    return tuple(dict.fromkeys((service, port) for service, port in pairs if service is not None))


def service_named(host: Host, namespace: str) -> Ref | None:
    """Return the Kubernetes Service that a host means where a pod of this namespace says it; it may not be there."""
    if host.is_wildcard or host.is_address:
        return None
    name, *rest = host.name.split(".")
    if not rest:
        return Ref("Service", namespace, name)
    return Ref("Service", rest[0], name) if tuple(rest[1:]) in _BEHIND_NAMESPACE else None


def _rival_of(asked: Asked, own: Ref, owners: Mapping[Ref, list[tuple[int | None, Ref]]]) -> Ref | None:
    service, port = asked
    taken = ((theirs, owner) for theirs, owner in owners.get(service, ()) if owner != own)
    return next((owner for theirs, owner in taken if port is None or theirs in (None, port)), None)
