"""Route configurations: virtual hosts side by side, under the name by which a listener asks for them.

Law: nothing in one speaks of the proxy that holds it, so that all callers of an equal scope hold the same bytes.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence

from envoy_data_plane.envoy.config.route import v3 as route_v3

from translator import names, resources, virtual_hosts, wire
from translator.resources import EncodedResource, ResourceName
from translator.virtual_hosts import Site, VirtualHost

_VIRTUAL_HOSTS = 2  # the number of the field


def outbound(sites: Sequence[Site]) -> EncodedResource:
    """Return the routes of callers that may reach these services and nothing else."""
    answering = (host for site in sites for host in site.answering)
    refusing = virtual_hosts.refusing(sites)
    nobody = virtual_hosts.of_nobody(wildcard for site in sites for wildcard in site.wildcards)
    hosts = virtual_hosts.first_come((*answering, *refusing, nobody))
    return _encoded(route_v3.RouteConfiguration(name=names.OUTBOUND), hosts, _references(sites))


def inbound(port: int, host: VirtualHost) -> EncodedResource:
    """Return the routes of a deployment's listener."""
    name = names.inbound(port)
    return _encoded(route_v3.RouteConfiguration(name=name), (host,), ((resources.CLUSTER, name),))


def gateway(port: int, sites: Sequence[Site]) -> EncodedResource:
    """Return the routes of a gateway's port; what the proxies inside say of a denial is not for strangers."""
    hosts = virtual_hosts.first_come(host for site in sites for host in site.answering)
    message = route_v3.RouteConfiguration(name=names.gateway(port), response_headers_to_remove=[names.DENIED_BY])
    return _encoded(message, hosts, _references(sites))


def _references(sites: Sequence[Site]) -> Iterator[ResourceName]:
    return itertools.chain.from_iterable(site.references for site in sites)


def _encoded(
    message: route_v3.RouteConfiguration, hosts: Iterable[VirtualHost], references: Iterable[ResourceName]
) -> EncodedResource:
    body = wire.spliced(message, _VIRTUAL_HOSTS, (host.body for host in hosts))
    return resources.encoded(resources.ROUTES, message.name, body, references)
