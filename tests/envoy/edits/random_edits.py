"""Random edits of the demo mesh, the same ones for the same seed, so that whatever goes wrong can be done again."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from tests.envoy.edits import meshes
from tests.envoy.edits.meshes import Rule, Service, State, Table

MOST_TABLES = 3

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Edit:
    """What was done, and what the mesh is afterwards. `number` counts from 1."""

    number: int
    kind: str
    words: str
    after: State


Change = tuple[str, State] | None
"""What was done in words and what came of it; None where there was nothing to do."""


def edits(seed: int) -> Iterator[Edit]:
    """Yield edits without end, each of the state that the one before left."""
    chance, state, number = random.Random(seed), meshes.START, 0
    while True:
        kind = chance.choices([*KINDS], [share for share, _ in KINDS.values()])[0]
        done = KINDS[kind][1](chance, state)
        if done is not None:
            number, state = number + 1, done[1]
            yield Edit(number, kind, done[0], state)


# ---------------------------------------------------------------------------- weights and tables


def _reweighed(chance: random.Random, state: State) -> Change:
    name = _any(chance, [name for name, service in state.services.items() if service.tables])
    if name is None:
        return None
    service = state.services[name]
    old = chance.choice(service.tables)
    new = old._replace(rules=tuple(_rule(chance, service, rule.path) for rule in old.rules))
    tables = tuple(new if table is old else table for table in service.tables)
    return f"weights of {new}", _with(state, name, replace(service, tables=tables))


def _rule(chance: random.Random, service: Service, path: str) -> Rule:
    several = chance.sample(service.deployments, chance.randint(1, len(service.deployments)))
    weights = [chance.choice((0, 1, 10, 50, 90, 100)) for _ in several]
    weights[0] = weights[0] or 100  # a rule whose weights are all 0 serves nobody
    return Rule(path, tuple(zip(several, weights, strict=True)))


def _tabled(chance: random.Random, state: State) -> Change:
    name = _any(chance, [name for name, service in state.services.items() if len(service.tables) < MOST_TABLES])
    if name is None:
        return None
    service = state.services[name]
    taken = {table.name for table in service.tables}
    free = next(one for number in range(MOST_TABLES) if (one := f"{name}-{number}") not in taken)
    rules = tuple(_rule(chance, service, path) for path in chance.choice((("/",), ("/part",), ("/part", "/"))))
    table = Table(free, chance.randrange(1000), rules)
    return f"add {table}", _with(state, name, replace(service, tables=(*service.tables, table)))


def _untabled(chance: random.Random, state: State) -> Change:
    name = _any(chance, [name for name, service in state.services.items() if service.tables])
    if name is None:
        return None
    service = state.services[name]
    table = chance.choice(service.tables)
    tables = tuple(one for one in service.tables if one is not table)
    return f"remove {table}", _with(state, name, replace(service, tables=tables))


# ---------------------------------------------------------------------------- hosts


def _hosted(chance: random.Random, state: State) -> Change:
    name = chance.choice([*state.services])
    service = state.services[name]
    host = _any(chance, [host for host in meshes.hosts(name) if host not in service.hosts])
    return host and (f"add host {host}", _with(state, name, replace(service, hosts=(*service.hosts, host))))


def _unhosted(chance: random.Random, state: State) -> Change:
    name = _any(chance, [name for name, service in state.services.items() if len(service.hosts) > 1])
    if name is None:
        return None
    service = state.services[name]
    host = chance.choice(service.hosts)
    left = tuple(one for one in service.hosts if one != host)
    return f"remove host {host}", _with(state, name, replace(service, hosts=left))


def _hostname(chance: random.Random, state: State) -> Change:
    host = chance.choice(meshes.HOSTNAMES)
    if host not in state.hostnames:
        return f"add {host} to the gateway", replace(state, hostnames=(*state.hostnames, host))
    left = tuple(one for one in state.hostnames if one != host)
    return (f"remove {host} from the gateway", replace(state, hostnames=left)) if left else None


# ---------------------------------------------------------------------------- deployments and services


def _deployed(chance: random.Random, state: State) -> Change:
    """Add a deployment; a table, if there is one, may send it traffic with the same edit."""
    name = chance.choice([*state.services])
    service = state.services[name]
    new = _any(chance, [one for one in meshes.VERSIONS[name] if one not in service.deployments])
    if new is None:
        return None
    grown = replace(service, deployments=(*service.deployments, new))
    if service.tables and chance.random() < 0.5:
        grown = replace(grown, tables=(_leading_to(service.tables[0], new), *service.tables[1:]))
    return f"add VirtualDeployment {new}: {grown.tables}", _with(state, name, grown)


def _leading_to(table: Table, deployment: str) -> Table:
    first, *others = table.rules
    return table._replace(rules=(first._replace(weights=(*first.weights, (deployment, 50))), *others))


def _undeployed(chance: random.Random, state: State) -> Change:
    """Remove a deployment, and from the tables whatever led to it."""
    name = chance.choice([*state.services])
    service = state.services[name]
    kept = meshes.VERSIONS[name][0] if name in meshes.START.services else ""
    old = _any(chance, [one for one in service.deployments if one != kept])
    if old is None or len(service.deployments) == 1:
        return None
    tables = tuple(filter(None, (_without(table, old) for table in service.tables)))
    left = tuple(one for one in service.deployments if one != old)
    return f"remove VirtualDeployment {old}", _with(state, name, replace(service, deployments=left, tables=tables))


def _without(table: Table, deployment: str) -> Table | None:
    left = (Rule(path, tuple(pair for pair in weights if pair[0] != deployment)) for path, weights in table.rules)
    rules = tuple(rule for rule in left if any(weight for _, weight in rule.weights))
    return table._replace(rules=rules) if rules else None


def _served(chance: random.Random, state: State) -> Change:
    """Add a service; who may call it, and the gateway's way to it, may come with the same edit."""
    name = _any(chance, [name for name in meshes.JOINING if name not in state.services])
    if name is None:
        return None
    deployments = tuple(chance.sample(meshes.VERSIONS[name], chance.randint(1, 2)))
    service = Service((name,), deployments, is_uniform=chance.random() < 0.7)
    if not service.is_uniform or chance.random() < 0.3:
        service = replace(service, tables=(Table(f"{name}-0", 500, (_rule(chance, service, "/"),)),))
    callers = chance.sample([*meshes.CALLERS], chance.randint(0, 3))
    doors = {name} if chance.random() < 0.5 else set()
    access = state.access | {(caller, name) for caller in callers}
    grown = replace(_with(state, name, service), access=access, doors=state.doors | doors)
    return f"add VirtualService {name} for {callers}: {service}", grown


def _unserved(chance: random.Random, state: State) -> Change:
    """Remove a service and all that belongs to it."""
    name = _any(chance, [name for name in meshes.JOINING if name in state.services])
    if name is None:
        return None
    services = {one: service for one, service in state.services.items() if one != name}
    access = frozenset(pair for pair in state.access if pair[1] != name)
    return f"remove VirtualService {name}", replace(state, services=services, access=access, doors=state.doors - {name})


# ---------------------------------------------------------------------------- access


def _allowed(chance: random.Random, state: State) -> Change:
    pairs = [(caller, service) for caller in meshes.CALLERS for service in state.services if caller != service]
    pair = _any(chance, [pair for pair in pairs if pair not in state.access])
    return pair and (f"add AccessPolicy {pair}", replace(state, access=state.access | {pair}))


def _forbidden(chance: random.Random, state: State) -> Change:
    pair = _any(chance, sorted(state.access))
    return pair and (f"remove AccessPolicy {pair}", replace(state, access=state.access - {pair}))


def _door(chance: random.Random, state: State) -> Change:
    name = _any(chance, [name for name in meshes.JOINING if name in state.services])
    done = "remove" if name in state.doors else "add"
    return name and (f"{done} the gateway's table for {name}", replace(state, doors=state.doors ^ {name}))


def _any(chance: random.Random, several: Sequence[V]) -> V | None:
    return chance.choice(several) if several else None


def _with(state: State, name: str, service: Service) -> State:
    return replace(state, services={**state.services, name: service})


KINDS: Mapping[str, tuple[int, Callable[[random.Random, State], Change]]] = {
    "weights": (6, _reweighed),
    "add table": (4, _tabled),
    "remove table": (3, _untabled),
    "add host": (3, _hosted),
    "remove host": (3, _unhosted),
    "gateway hostname": (2, _hostname),
    "add VirtualDeployment": (5, _deployed),
    "remove VirtualDeployment": (5, _undeployed),
    "add VirtualService": (4, _served),
    "remove VirtualService": (3, _unserved),
    "add AccessPolicy": (6, _allowed),
    "remove AccessPolicy": (3, _forbidden),
    "gateway table": (2, _door),
}
"""Kind -> how often it is tried, and how it is done."""
