"""Listeners of transparent capture: the kernel sends connections to two ports, where they are told apart by what was
dialled.

Law: of what goes out each port, and each address of a service of bytes, is a listener of its own, bound to nothing; of
what comes in each port is a filter chain of its own. So a change to one leaves the connections of all others alone.
"""

import datetime
from collections.abc import Iterable, Iterator, Sequence

from envoy_data_plane.envoy.config.core import v3 as core_v3
from envoy_data_plane.envoy.config.listener import v3 as listener_v3
from envoy_data_plane.envoy.extensions.filters.listener.original_dst import v3 as original_v3
from envoy_data_plane.envoy.type import v3 as type_v3

from translator import access_log, listeners, names, proxies, resources, tcp, wire
from translator.access_log import Owner
from translator.doors import Door, Inspection
from translator.resources import EncodedResource

_FILTER_CHAINS = 3  # the number of the field
_OUTBOUND, _INBOUND = core_v3.TrafficDirection.OUTBOUND, core_v3.TrafficDirection.INBOUND
_SILENCE = datetime.timedelta(seconds=1)
"""How long a caller may say nothing before it is taken for one in clear: the server may be the first to speak."""

_SILENCE_ALLOWED = {
    Inspection.CLIENT_FIRST: datetime.timedelta(seconds=10),
    Inspection.SERVER_MAY_BE_FIRST: _SILENCE,
}


def outbound(door: Door, is_ipv4_only: bool) -> EncodedResource:
    """Return the listener of all that an application opens: it goes to others, or out by this door, or is closed."""
    first, *others = _addresses(names.OUTBOUND_PORT, is_ipv4_only)
    listener = listener_v3.Listener(
        name=names.OUTBOUND,
        address=first,
        additional_addresses=_additional(others),
        use_original_dst=True,
        traffic_direction=_OUTBOUND,
        default_filter_chain=tcp.nowhere(f"{names.OUTBOUND}/{names.NO_DESTINATION}"),
    )
    return _encoded(listener, door)


def outbound_at(port: int, door: Door, is_ipv4_only: bool = False) -> EncodedResource:
    """Return the listener of what is dialled at a port, wherever that is."""
    name = names.outbound_at(port)
    first, *others = _addresses(port, is_ipv4_only)
    listener = listener_v3.Listener(
        name=name,
        address=first,
        additional_addresses=_additional(others),
        bind_to_port=False,
        traffic_direction=_OUTBOUND,
    )
    if door.inspection is Inspection.NONE:
        return _encoded(listener, door)
    inspected = wire.varied(
        listener,
        listener_filters=[listeners.inspector()],
        listener_filters_timeout=_SILENCE_ALLOWED[door.inspection],
        continue_on_listener_filters_timeout=door.inspection is Inspection.SERVER_MAY_BE_FIRST,
        default_filter_chain=tcp.nowhere(f"{name}/{names.NO_HOST}"),
    )
    return _encoded(inspected, door)


def outbound_tcp(address: str, port: int, door: Door) -> EncodedResource:
    """Return the listener of what is dialled at one address and port."""
    listener = listener_v3.Listener(
        name=names.outbound_tcp(address, port),
        address=listeners.socket_address(address, port),
        bind_to_port=False,
        traffic_direction=_OUTBOUND,
    )
    return _encoded(listener, door)


def inbound(own: Owner, doors: Sequence[Door], passthrough: Sequence[int], is_ipv4_only: bool) -> EncodedResource:
    """Return the listener of all that others open to an application; what no door is for is closed.

    `passthrough` are the ports whose connections reach it as they are.
    """
    first, *others = _addresses(names.INBOUND_PORT, is_ipv4_only)
    is_inspected = any(door.inspection is not Inspection.NONE for door in doors)
    listener = listener_v3.Listener(
        name=names.INBOUND,
        address=first,
        additional_addresses=_additional(others),
        listener_filters=[_original(), *([_inspector(passthrough)] if is_inspected else [])],
        listener_filters_timeout=_SILENCE,
        continue_on_listener_filters_timeout=True,
        traffic_direction=_INBOUND,
        access_log=access_log.of_failures(own),
        default_filter_chain=tcp.shut(own, f"{names.INBOUND}/{names.NO_LISTENER}"),
    )
    chains = tuple(chain for door in doors for chain in door.chains)
    passing = tuple(wire.encode(tcp.passthrough(port)) for port in passthrough)
    needed = [name for door in doors for name in door.references]
    through = [(resources.CLUSTER, names.PASSTHROUGH)] if passthrough else []
    return _encoded(listener, Door((*chains, *passing), references=(*dict.fromkeys(needed), *through)))


def _original() -> listener_v3.ListenerFilter:
    """Return the filter that asks the kernel what was dialled."""
    config = wire.packed(original_v3.OriginalDst())
    return listener_v3.ListenerFilter(name="envoy.filters.listener.original_dst", typed_config=config)


def _inspector(passthrough: Iterable[int]) -> listener_v3.ListenerFilter:
    """Return the filter that reads what a caller offers, but for ports where nobody asks."""
    ranges = [type_v3.Int32Range(start=port, end=port + 1) for port in passthrough]
    matches = [listener_v3.ListenerFilterChainMatchPredicate(destination_port_range=one) for one in ranges]
    if not matches:
        return listeners.inspector()
    either = listener_v3.ListenerFilterChainMatchPredicateMatchSet(rules=matches)
    several = listener_v3.ListenerFilterChainMatchPredicate(or_match=either)
    return wire.varied(listeners.inspector(), filter_disabled=several if len(matches) > 1 else matches[0])


def _addresses(port: int, is_ipv4_only: bool) -> Iterator[core_v3.Address]:
    return (
        listeners.socket_address(host, port) for host in (proxies.ANYWHERE[:1] if is_ipv4_only else proxies.ANYWHERE)
    )


def _additional(others: Iterable[core_v3.Address]) -> list[listener_v3.AdditionalAddress]:
    return [listener_v3.AdditionalAddress(address=one) for one in others]


def _encoded(listener: listener_v3.Listener, door: Door) -> EncodedResource:
    body = wire.spliced(listener, _FILTER_CHAINS, door.chains)
    return resources.encoded(resources.LISTENER, listener.name, body, door.references)
