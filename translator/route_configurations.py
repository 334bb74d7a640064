"""Route configurations: virtual hosts side by side, under the name by which a listener asks for them.

Law: nothing in one speaks of the proxy that holds it, so that all callers of an equal scope hold the same bytes.
What weights do not change is joined, and searched for clashes, once.
"""

import functools
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from envoy_data_plane.envoy.config.route import v3 as route_v3

from translator import names, resources, virtual_hosts, wire
from translator.resources import EncodedResource, ResourceName
from translator.virtual_hosts import Outline, Site, VirtualHost


@dataclass(frozen=True, slots=True)
class Frame:
    """The routes of callers but for the virtual hosts that answer: what comes `behind` these, as `encoded`.

    `is_plain` says that no domain is claimed twice, so that all is joined as it is.
    """

    behind: tuple[VirtualHost, ...]
    encoded: bytes
    is_plain: bool
    references: frozenset[ResourceName]


def frame(*sites: Outline) -> Frame:
    """Return the frame of the routes of callers that may reach these services and nothing else."""
    nobody = virtual_hosts.of_nobody(wildcard for site in sites for wildcard in site.elsewhere.wildcards)
    behind = (*virtual_hosts.refusing(sites), nobody)
    domains = (*(site.domains for site in sites), *(host.domains for host in behind))
    return Frame(
        behind,
        b"".join([host.element for host in behind]),
        virtual_hosts.is_each_once(itertools.chain.from_iterable(domains)),
        frozenset(_references(sites)),
    )


def outbound(around: Frame, *sites: Site) -> EncodedResource:
    """Return the routes of callers that may reach these services, in their frame."""
    answering = [host for site in sites for host in site.answering]
    if not around.is_plain:
        hosts = virtual_hosts.first_come((*answering, *around.behind))
        return _encoded(names.OUTBOUND, hosts, around.references)
    return _encoded(names.OUTBOUND, answering, around.references, behind=around.encoded)


def inbound(port: int, host: VirtualHost) -> EncodedResource:
    """Return the routes of a deployment's listener."""
    name = names.inbound(port)
    return _encoded(name, (host,), ((resources.CLUSTER, name),))


def gateway(port: int, sites: Sequence[Site]) -> EncodedResource:
    """Return the routes of a gateway's port; what the proxies inside say of a denial is not for strangers."""
    hosts = virtual_hosts.first_come(host for site in sites for host in site.answering)
    return _encoded(names.gateway(port), hosts, _references(sites), (names.DENIED_BY,))


def _references(sites: Iterable[Site | Outline]) -> Iterator[ResourceName]:
    return itertools.chain.from_iterable(site.references for site in sites)


def _encoded(
    name: str,
    hosts: Iterable[VirtualHost],
    references: Iterable[ResourceName],
    hidden: tuple[str, ...] = (),
    behind: bytes = b"",
) -> EncodedResource:
    body = b"".join([_without_hosts(name, hidden), *[host.element for host in hosts], behind])
    return resources.encoded(resources.ROUTES, name, body, references)


@functools.cache
def _without_hosts(name: str, hidden: tuple[str, ...]) -> bytes:
    """Return the encoding up to the virtual hosts; `hidden` are the headers removed from responses."""
    unproven = [names.INTERNAL] if name != names.OUTBOUND else []
    return wire.encode(
        route_v3.RouteConfiguration(
            name=name, response_headers_to_remove=list(hidden), request_headers_to_remove=unproven
        )
    )
