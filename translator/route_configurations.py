"""Route configurations: virtual hosts side by side, under the name by which a listener asks for them.

Law: nothing in one speaks of the proxy that holds it, so that all callers of an equal scope hold the same bytes.
"""

import functools
import itertools
from collections.abc import Iterable, Iterator, Sequence

from envoy_data_plane.envoy.config.route import v3 as route_v3

from translator import names, resources, virtual_hosts, wire
from translator.resources import EncodedResource, ResourceName
from translator.virtual_hosts import Site, VirtualHost


def outbound(sites: Sequence[Site]) -> EncodedResource:
    """Return the routes of callers that may reach these services and nothing else."""
    answering = (host for site in sites for host in site.answering)
    refusing = virtual_hosts.refusing(sites)
    nobody = virtual_hosts.of_nobody(wildcard for site in sites for wildcard in site.elsewhere.wildcards)
    hosts = virtual_hosts.first_come((*answering, *refusing, nobody))
    return _encoded(names.OUTBOUND, hosts, _references(sites))


def inbound(port: int, host: VirtualHost) -> EncodedResource:
    """Return the routes of a deployment's listener."""
    name = names.inbound(port)
    return _encoded(name, (host,), ((resources.CLUSTER, name),))


def gateway(port: int, sites: Sequence[Site]) -> EncodedResource:
    """Return the routes of a gateway's port; what the proxies inside say of a denial is not for strangers."""
    hosts = virtual_hosts.first_come(host for site in sites for host in site.answering)
    return _encoded(names.gateway(port), hosts, _references(sites), (names.DENIED_BY,))


def _references(sites: Sequence[Site]) -> Iterator[ResourceName]:
    return itertools.chain.from_iterable(site.references for site in sites)


def _encoded(
    name: str, hosts: Iterable[VirtualHost], references: Iterable[ResourceName], hidden: tuple[str, ...] = ()
) -> EncodedResource:
    body = _without_hosts(name, hidden) + b"".join([host.element for host in hosts])
    return resources.encoded(resources.ROUTES, name, body, references)


@functools.cache
def _without_hosts(name: str, hidden: tuple[str, ...]) -> bytes:
    """Return the encoding up to the virtual hosts; `hidden` are the headers removed from responses."""
    return wire.encode(route_v3.RouteConfiguration(name=name, response_headers_to_remove=list(hidden)))
