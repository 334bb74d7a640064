"""Route configurations: virtual hosts side by side, under the name by which a listener asks for them.

Law: nothing in one speaks of the proxy that holds it, so that all callers of an equal scope hold the same bytes.
What weights do not change is joined, and searched for clashes, once.
"""

import enum
import functools
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from envoy_data_plane.envoy.config.core import v3 as core_v3
from envoy_data_plane.envoy.config.route import v3 as route_v3

from translator import names, resources, virtual_hosts, wire
from translator.egress import Fronts
from translator.resources import EncodedResource, ResourceName
from translator.virtual_hosts import Outline, Site, VirtualHost


@dataclass(frozen=True, slots=True)
class Frame:
    """The routes of callers but for the virtual hosts that answer: what comes `behind` these, as `encoded`, of which
    `digests` tell.

    `is_plain` says that no domain is claimed twice, so that all is joined as it is.
    """

    behind: tuple[VirtualHost, ...]
    encoded: bytes
    digests: bytes
    is_plain: bool
    references: frozenset[ResourceName]


def frame(outside: Fronts, *sites: Outline) -> Frame:
    """Return the frame of the routes of callers that may reach these services, what is outside, and nothing else."""
    wildcards = (wildcard for site in sites for wildcard in site.elsewhere.wildcards)
    nobody = virtual_hosts.of_nobody(wildcards, outside.routes)
    behind = (*virtual_hosts.refusing(sites), *outside.hosts, nobody)
    domains = (*(site.domains for site in sites), *(host.domains for host in behind))
    return Frame(
        behind,
        b"".join([host.element for host in behind]),
        b"".join([host.digest for host in behind]),
        virtual_hosts.is_each_once(itertools.chain.from_iterable(domains)),
        outside.references.union(_references(sites)),
    )


def outbound(around: Frame, *sites: Site) -> EncodedResource:
    """Return the routes of callers that may reach these services, in their frame."""
    answering = [host for site in sites for host in site.answering]
    if not around.is_plain:
        hosts = virtual_hosts.first_come((*answering, *around.behind))
        return _encoded(names.OUTBOUND, hosts, around.references)
    before = _without_hosts(names.OUTBOUND)
    return _joined(names.OUTBOUND, before, answering, around.references, around.encoded, around.digests)


def captured(port: int, hosts: Iterable[VirtualHost], references: Iterable[ResourceName]) -> EncodedResource:
    """Return the routes of what applications dial at a port: which port a request names besides does not count."""
    name = names.outbound_at(port)
    alone = route_v3.RouteConfiguration(name=name, ignore_port_in_host_matching=True)
    return _joined(name, wire.encode(alone), hosts, references)


def inbound(port: int, host: VirtualHost) -> EncodedResource:
    """Return the routes of a deployment's listener."""
    name = names.inbound(port)
    return _encoded(name, (host,), ((resources.CLUSTER, name),))


def gateway(
    name: str, sites: Sequence[Site], others: tuple[str, ...] = (), *, is_mutual: bool = False
) -> EncodedResource:
    """Return routes of a gateway; `others` are names that are not for those who have them, and get 421.

    What the proxies inside say of a denial is not for strangers. Who has proven who it is (`is_mutual`) is told to
    applications.
    """
    answering = [host for site in sites for host in site.answering]
    hosts = virtual_hosts.first_come((*answering, *([virtual_hosts.misdirected(others)] if others else [])))
    return _encoded(name, hosts, _references(sites), _Edge.PROVEN if is_mutual else _Edge.STRANGER)


class _Edge(enum.Enum):
    """Whose requests routes are for."""

    INSIDE = "inside"
    STRANGER = "stranger"
    PROVEN = "proven"


def _references(sites: Iterable[Site | Outline]) -> Iterator[ResourceName]:
    return itertools.chain.from_iterable(site.references for site in sites)


def _encoded(
    name: str, hosts: Iterable[VirtualHost], references: Iterable[ResourceName], edge: _Edge = _Edge.INSIDE
) -> EncodedResource:
    return _joined(name, _without_hosts(name, edge), hosts, references)


def _joined(
    name: str,
    before: bytes,
    hosts: Iterable[VirtualHost],
    references: Iterable[ResourceName],
    behind: bytes = b"",
    digests: bytes = b"",
) -> EncodedResource:
    """Return what comes before virtual hosts, these, and what is joined already, of which these digests tell: version
    and bytes do not depend on which of them are.
    """
    listed = [*hosts]
    pieces = (before, *[host.element for host in listed], behind)
    content = (before, *[host.digest for host in listed], digests)
    return resources.joined(resources.ROUTES, name, pieces, content, references)


@functools.cache
def _without_hosts(name: str, edge: _Edge = _Edge.INSIDE) -> bytes:
    """Return the encoding up to the virtual hosts."""
    is_inside = edge is _Edge.INSIDE
    unproven = [names.INTERNAL] if name != names.OUTBOUND else []
    return wire.encode(
        route_v3.RouteConfiguration(
            name=name,
            response_headers_to_remove=[] if is_inside else [names.DENIED_BY],
            request_headers_to_remove=unproven if is_inside else [*unproven, names.CLIENT],
            request_headers_to_add=[_client()] if edge is _Edge.PROVEN else [],
        )
    )


def _client() -> core_v3.HeaderValueOption:
    """Return the header that says whose certificate was seen, in the form of `x-forwarded-client-cert`."""
    return core_v3.HeaderValueOption(
        header=core_v3.HeaderValue(key=names.CLIENT, value="%REQ(X-FORWARDED-CLIENT-CERT)%"),
        append_action=core_v3.HeaderValueOptionHeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD,
    )
