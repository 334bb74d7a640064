"""`meshloom capture`: lead the connections of a workload through its proxy, show what does, undo it.

Law: nothing is decided here; the rules are those of `meshloom.capture.rules`. What is in place already is not touched.
"""

import contextlib
import ipaddress
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import typer

from meshloom import addresses, errors
from meshloom.capture import pod_knows, rules, tables
from meshloom.injector import contract
from translator import names

DIFFERENT = 1

_RESOLVERS = pathlib.Path("/etc/resolv.conf")


@dataclass(frozen=True, slots=True)
class Given:
    """What people type: ports, networks as 10.0.0.0/8 or an address, sockets as 10.96.0.1:443 or [fd00::1]:443."""

    proxy_uid: int
    inbound_ports: Sequence[int]
    inbound_networks: Sequence[str]
    outbound_ports: Sequence[int]
    outbound_networks: Sequence[str]
    sockets: Sequence[str]


@dataclass(frozen=True, slots=True)
class Where:
    """The programs that tables are read and written with, and whether IPv6 is left out."""

    tool: str
    ipv4_only: bool


def wishes(given: Given) -> rules.Wishes:
    """Return what the options wish. Raises errors.UserError."""
    inbound = rules.Exempt(
        _ports("--exclude-inbound-port", given.inbound_ports),
        _networks("--exclude-inbound-cidr", given.inbound_networks),
    )
    outbound = rules.Exempt(
        _ports("--exclude-outbound-port", given.outbound_ports),
        _networks("--exclude-outbound-cidr", given.outbound_networks),
    )
    if not 0 < given.proxy_uid < 1 << 32:
        raise errors.UserError(
            f"--proxy-uid: {given.proxy_uid} cannot be told from others; give the number of the user that the proxy "
            "runs as, and nothing else does; not 0"
        )
    return rules.Wishes(given.proxy_uid, inbound, outbound, tuple(_socket(text) for text in given.sockets))


def apply(wished: rules.Wishes, where: Where) -> None:
    """Put the rules in place. Raises errors.UserError."""
    found = [(table, tables.found(table), rules.planned(wished, table.version)) for table in _tables(where)]
    for table, there, plan in found:
        if there == plan:
            typer.echo(f"IPv{table.version}: captured already, {_counted(plan)}")
        else:
            tables.write(table, rules.replacing(there, plan))
            typer.echo(f"IPv{table.version}: captured, {_counted(plan)}")


def remove(where: Where) -> None:
    """Leave nothing of ours. Raises errors.UserError."""
    for table in _tables(where):
        there = tables.found(table)
        if there.is_nothing:
            typer.echo(f"IPv{table.version}: nothing to remove")
        else:
            tables.write(table, rules.removing(there))
            typer.echo(f"IPv{table.version}: removed, {_counted(there)}")


def show(wished: rules.Wishes, where: Where) -> int:
    """Print what is in place and whether it is what is wished; return the exit code. Raises errors.UserError."""
    same = [_shown(table, tables.found(table), rules.planned(wished, table.version)) for table in _tables(where)]
    return 0 if all(same) else DIFFERENT


def _shown(table: tables.Table, there: rules.Found, plan: rules.Found) -> bool:
    if there.is_nothing:
        typer.echo(f"IPv{table.version}: not captured")
        return False
    is_same = there == plan
    typer.echo(f"IPv{table.version}: {'as these options say' if is_same else 'not as these options say'}")
    here, meant = _lines(there), _lines(plan)
    for line in dict.fromkeys((*here, *meant)):
        mark = " " if line in here and line in meant else "+" if line in here else "-"
        typer.echo(f"  {mark} {line}")
    return is_same


def _lines(found: rules.Found) -> list[str]:
    return [*found.hooks, *(rule for name in found.chains for rule in found.chains[name])]


def _counted(found: rules.Found) -> str:
    return f"{len(_lines(found))} rules"


def _tables(where: Where) -> tuple[tables.Table, ...]:
    """Return the tables that are there, IPv6 first, for that may fail; say what is left out."""
    four, six = (tables.Table(version, where.tool) for version in rules.VERSIONS)
    if where.ipv4_only:
        return (four,)
    if not tables.has_ipv6():
        typer.echo("IPv6: no interface here speaks it, so it is left out")
        return (four,)
    return six, four


# ---------------------------------------------------------------------------- what a pod knows


def is_asked(env: Mapping[str, str]) -> bool:
    """Return whether a pod is to be captured, as its variables say. Raises errors.UserError."""
    port = env.get(contract.PORT_VARIABLE) or str(names.OUTBOUND_PORT)
    if port != str(names.OUTBOUND_PORT):
        raise errors.UserError(
            f"{contract.PORT_VARIABLE}: proxies take connections at {names.OUTBOUND_PORT}, not at {port[:60]!r}"
        )
    if env.get(contract.CAPTURE_VARIABLE, "true").lower() == "true":
        return True
    typer.echo(f"{contract.CAPTURE_VARIABLE} is not true, so nothing is captured")
    return False


def in_pod(env: Mapping[str, str], resolvers: pathlib.Path = _RESOLVERS) -> tuple[str, ...]:
    """Return what a pod asks beside the mesh, as `--exempt` takes it: the Kubernetes API, and its resolvers."""
    with contextlib.suppress(OSError):
        text = resolvers.read_text()
        return (*pod_knows.api(env), *pod_knows.resolvers(text))
    return pod_knows.api(env)


# ---------------------------------------------------------------------------- what people type


def _ports(option: str, given: Iterable[int]) -> tuple[int, ...]:
    ports = tuple(given)
    for port in ports:
        if not 0 < port < 65536:
            raise errors.UserError(f"{option}: {port} is not a port, which is a number from 1 to 65535")
    return ports


def _networks(option: str, texts: Iterable[str]) -> tuple[rules.Network, ...]:
    return tuple(_network(option, text) for text in texts)


def _network(option: str, text: str) -> rules.Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError as fault:
        raise errors.UserError(f"{option}: {fault}; write it as 10.0.0.0/8, 10.0.0.7 or fd00::/8") from None


def _socket(text: str) -> tuple[rules.Address, int]:
    try:
        found = addresses.parsed(text)
    except ValueError as fault:
        raise errors.UserError(f"--exempt: {fault}") from None
    if not isinstance(found, addresses.Socket):
        raise errors.UserError(f"--exempt: {text} is no address with a port; write it as 10.96.0.1:443")
    return ipaddress.ip_address(found.host), found.port
