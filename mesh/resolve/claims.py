"""Which service of a mesh a host belongs to.

Law: a host belongs to one service of a mesh, the oldest that claims it; a host of a single label belongs, for callers
of one namespace, to the service of that namespace first.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Claims:
    """The hosts of one mesh: those granted everywhere by service, and those granted in one namespace."""

    granted: Mapping[Ref, tuple[Host, ...]]
    local: Mapping[str, tuple[tuple[Host, Ref], ...]]

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
    return Settled(Claims(_granted(in_order, made), _local(made)), faults)


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
