"""Which filter chain of a listener takes a connection: `envoy.config.listener.v3.FilterChainMatch`.

Law: the order of its proto. Step by step the most specific criterion that some chain names and that fits is taken, and
what was left behind is not looked at again; chains that name none at a step are taken where no other fits.
"""

import ipaddress
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Chain = Mapping[str, Any]
RAW, TLS = "raw_buffer", "tls"


@dataclass(frozen=True, slots=True)
class Met:
    """What is known of a connection when its chain is chosen: where it was going to, and what inspectors have seen."""

    address: str
    port: int
    sni: str = ""
    transport: str = RAW
    protocols: tuple[str, ...] = ()


def chosen(chains: Sequence[Chain], met: Met) -> Chain | None:
    """Return the chain that takes a connection, or None: it is closed."""
    left = [*chains]
    for field, wanted in _STEPS:
        left = _narrowed(left, field, wanted(met))
    assert len(left) <= 1, "Envoy refuses two chains with one match"
    return left[0] if left else None


def _narrowed(chains: Iterable[Chain], field: str, wanted: Iterable[Callable[[Any], bool]]) -> list[Chain]:
    named = [(chain, _criteria(chain, field)) for chain in chains]
    for fits in wanted:
        found = [chain for chain, given in named if any(map(fits, given))]
        if found:
            return found
    return [chain for chain, given in named if not given]


def _criteria(chain: Chain, field: str) -> list[Any]:
    given = chain.get("filter_chain_match", {}).get(field, [])
    return given if isinstance(given, list) else [given]


def _exactly(*values: Any) -> Iterator[Callable[[Any], bool]]:
    return (lambda given, value=value: given == value for value in values)


def _networks(met: Met) -> Iterator[Callable[[Any], bool]]:
    """Yield the networks that an address is in, the longest prefix first."""
    address = ipaddress.ip_address(met.address)
    for length in range(address.max_prefixlen, -1, -1):
        network = ipaddress.ip_network(f"{address}/{length}", strict=False)
        yield lambda given, network=network: _network(given) == network


def _network(given: Mapping[str, Any]) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_network(f"{given['address_prefix']}/{given.get('prefix_len', 0)}", strict=False)


def _names(met: Met) -> Iterator[Callable[[Any], bool]]:
    """Yield the name itself, then `*` before ever shorter ends of it; of `a.b` also `*.b`, never `*.a.b`."""
    name = met.sni.lower()
    labels = name.split(".")
    suffixes = [f"*.{'.'.join(labels[number:])}" for number in range(1, len(labels))]
    return _exactly(*([name, *suffixes] if name else []))


_STEPS: tuple[tuple[str, Callable[[Met], Iterable[Callable[[Any], bool]]]], ...] = (
    ("destination_port", lambda met: _exactly(met.port)),
    ("prefix_ranges", _networks),
    ("server_names", _names),
    ("transport_protocol", lambda met: _exactly(met.transport)),
    ("application_protocols", lambda met: _exactly(*met.protocols)),
)
