"""The rules of transparent capture, as iptables has them: which connections of a workload go to its proxy.

Law: the same wishes give the same rules, written as `iptables-save` writes them, so that what is there can be compared
with what is meant. They are in chains of our own, and one rule in each of two others leads to those.
"""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from meshloom.identity import claim
from translator import names

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Rules = tuple[str, ...]

INBOUND, OUTBOUND = "MESHLOOM_INBOUND", "MESHLOOM_OUTBOUND"
_PREFIX = "MESHLOOM_"
_HOOKS = {"PREROUTING": INBOUND, "OUTPUT": OUTBOUND}
"""Where packets come by, and the chain that they are sent to."""

PROXY_UID = 1337
VERSIONS = (4, 6)
_LOOPBACK = {4: "127.0.0.0/8", 6: "::1/128"}
_FROM_PROXY = {version: f"{address}/{32 if version == 4 else 128}" for version, address in names.TO_APPLICATION.items()}
_OWN = (claim.STATISTICS_PORT, claim.HEALTH_PORT)
"""What proxies show of themselves; nobody's proxy is asked for it in the place of another's."""


@dataclass(frozen=True, slots=True)
class Exempt:
    """Connections that are left alone: to these ports of whatever, and to and from these networks."""

    ports: tuple[int, ...] = ()
    networks: tuple[Network, ...] = ()


@dataclass(frozen=True, slots=True)
class Wishes:
    """Whose connections are not captured, and which of everybody else's. `sockets` are addresses with a port."""

    proxy_uid: int = PROXY_UID
    inbound: Exempt = Exempt()
    outbound: Exempt = Exempt()
    sockets: tuple[tuple[Address, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """What a table holds of ours: the rules of each chain of ours, and those of other chains that lead there."""

    chains: Mapping[str, Rules]
    hooks: Rules

    @property
    def is_nothing(self) -> bool:
        """Whether there is nothing of ours."""
        return not self.chains and not self.hooks


NOTHING = Found({}, ())


# ---------------------------------------------------------------------------- what is meant


def planned(wishes: Wishes, version: int) -> Found:
    """Return what a table of this version of IP is to hold of ours."""
    hooks = tuple(f"-A {where} -p tcp -j {chain}" for where, chain in _HOOKS.items())
    return Found({INBOUND: tuple(_inbound(wishes, version)), OUTBOUND: tuple(_outbound(wishes, version))}, hooks)


def _inbound(wishes: Wishes, version: int) -> Iterator[str]:
    yield from _left_alone(INBOUND, wishes.inbound, version, "-s")
    yield f"-A {INBOUND} -p tcp -j REDIRECT --to-ports {names.INBOUND_PORT}"


def _outbound(wishes: Wishes, version: int) -> Iterator[str]:
    loopback, owner = _LOOPBACK[version], f"-m owner --uid-owner {wishes.proxy_uid}"
    yield f"-A {OUTBOUND} -s {_FROM_PROXY[version]} -o lo -j RETURN"  # the proxy hands on to the application
    yield f"-A {OUTBOUND} ! -d {loopback} -o lo {owner} -j {INBOUND}"  # a service calls itself through its Service
    yield f"-A {OUTBOUND} {owner} -j RETURN"
    yield f"-A {OUTBOUND} -o lo -j RETURN"
    yield f"-A {OUTBOUND} -d {loopback} -j RETURN"
    yield from _left_alone(OUTBOUND, wishes.outbound, version, "-d")
    for address, port in sorted({one for one in wishes.sockets if one[0].version == version}, key=_in_order):
        network = ipaddress.ip_network(address)
        yield f"-A {OUTBOUND} -d {network} -p tcp -m tcp --dport {port} -j RETURN"
    yield f"-A {OUTBOUND} -p tcp -j REDIRECT --to-ports {names.OUTBOUND_PORT}"


def _left_alone(chain: str, exempt: Exempt, version: int, side: str) -> Iterator[str]:
    for port in sorted({*_OWN, *exempt.ports}):
        yield f"-A {chain} -p tcp -m tcp --dport {port} -j RETURN"
    for network in sorted({one for one in exempt.networks if one.version == version}, key=_in_order):
        match = f"{side} {network} " if network.prefixlen else ""  # everything: iptables writes no match for it
        yield f"-A {chain} {match}-j RETURN"


def _in_order(value: Any) -> str:
    return str(value)


# ---------------------------------------------------------------------------- what is there


def found(saved: str) -> Found:
    """Return what is ours in a table as `iptables-save` prints it."""
    lines = saved.splitlines()
    names_of = [line[1:].split(" ")[0] for line in lines if line.startswith(f":{_PREFIX}")]
    rules = [line for line in lines if line.startswith("-A ")]
    chains = {name: tuple(rule for rule in rules if _chain(rule) == name) for name in sorted(names_of)}
    return Found(chains, tuple(rule for rule in rules if _chain(rule) not in chains and f"-j {_PREFIX}" in rule))


def _chain(rule: str) -> str:
    return rule.split(" ")[1]


# ---------------------------------------------------------------------------- from the one to the other


def replacing(there: Found, plan: Found) -> str:
    """Return what `iptables-restore --noflush` makes the plan of what is there with: all at once or not at all."""
    chains = dict.fromkeys((*plan.chains, *there.chains))
    gone = [name for name in there.chains if name not in plan.chains]
    rules = [rule for name in plan.chains for rule in plan.chains[name]]
    hooks = [f"-I {rule.removeprefix('-A ')}" for rule in plan.hooks]  # in front: nothing may lead past the proxy
    return _restored(chains, [*_deletions(there.hooks), *rules, *hooks, *(f"-X {name}" for name in gone)])


def removing(there: Found) -> str:
    """Return what `iptables-restore --noflush` removes with whatever is ours."""
    return replacing(there, NOTHING)


def _deletions(hooks: Iterable[str]) -> Iterator[str]:
    return (f"-D {rule.removeprefix('-A ')}" for rule in hooks)


def _restored(chains: Iterable[str], commands: Iterable[str]) -> str:
    """Return a restore of the table `nat` in which these chains are empty before the commands."""
    return "\n".join(("*nat", *(f":{name} - [0:0]" for name in chains), *commands, "COMMIT", ""))
