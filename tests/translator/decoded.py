"""Bundles as people read them: plain values with Envoy's own field names, decoded from the bytes that are sent."""

import functools
from collections.abc import Iterable, Mapping
from typing import Any

import betterproto2
from envoy_data_plane.google import protobuf

from translator import bundles, resources

KINDS = {
    "clusters": resources.CLUSTER,
    "endpoints": resources.ENDPOINTS,
    "listeners": resources.LISTENER,
    "routes": resources.ROUTES,
    "filters": resources.FILTER,
    "runtimes": resources.RUNTIME,
}


def resource(body: bytes) -> dict[str, Any]:
    """Return a resource, an encoded Any, as `{"name": …}`."""
    message = protobuf.Any.parse(body).unpack()
    return message.to_dict(casing=_name, output_format=betterproto2.OutputFormat.PROTO_JSON)


def _name(field: str) -> str:
    """Return the name of a field in protobuf: betterproto2 makes `5_xx` of `5xx`."""
    return field.rstrip("_")


def bundle(parts: bundles.Bundle) -> dict[str, list[dict[str, Any]]]:
    """Return all resources of a bundle by kind, each kind in name order."""
    items = sorted((item for part in parts for item in part), key=lambda item: item.name)
    found = {kind: [resource(item.body) for item in items if item.type_url == url] for kind, url in KINDS.items()}
    return {kind: those for kind, those in found.items() if those}


def named(parts: bundles.Bundle, kind: str, name: str) -> dict[str, Any]:
    """Return one resource of a bundle."""
    return next(item for item in bundle(parts)[kind] if item["name"] == name)


def virtual_hosts(routes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the virtual hosts of a route configuration by name."""
    return {host["name"]: host for host in routes["virtual_hosts"]}


def by_domain(routes: Mapping[str, Any]) -> dict[str, str]:
    """Return the name of the virtual host of each domain."""
    pairs = [(domain, host["name"]) for host in routes["virtual_hosts"] for domain in host["domains"]]
    assert len(dict(pairs)) == len(pairs), "a domain stands twice"
    return dict(pairs)


def domains(parts: bundles.Bundle) -> list[tuple[str, ...]]:
    """Return the domains of each route configuration of a bundle, repetitions included."""
    return [_domains(item.body) for part in parts for item in part if item.type_url == resources.ROUTES]


@functools.cache
def _domains(body: bytes) -> tuple[str, ...]:
    routes = protobuf.Any.parse(body).unpack()
    return tuple(domain for host in routes.virtual_hosts for domain in host.domains)


def connection_manager(listener: Mapping[str, Any]) -> dict[str, Any]:
    """Return the HTTP connection manager of a listener with a single chain."""
    (found,) = connection_managers(listener)
    return found


def connection_managers(listener: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the HTTP connection manager of each chain of a listener."""
    return [only["typed_config"] for chain in listener["filter_chains"] for only in chain["filters"]]


def tcp_proxy(parts: bundles.Bundle, listener: Mapping[str, Any]) -> dict[str, Any]:
    """Return the TCP proxy of a listener with a single chain of nothing else, wherever it says it is."""
    (chain,) = listener["filter_chains"]
    (found,) = chain["filters"]
    return (found if "typed_config" in found else named(parts, "filters", found["name"]))["typed_config"]


def dangling(parts: bundles.Bundle) -> set[resources.ResourceName]:
    """Return what resources of a bundle refer to and the bundle lacks; the secrets of the proxy come from elsewhere."""
    items = [item for part in parts for item in part]
    needed = {ref for item in items for ref in item.references if ref[0] != resources.SECRET}
    return needed - {(item.type_url, item.name) for item in items}


def names(parts: Iterable[bundles.Part]) -> list[resources.ResourceName]:
    """Return type and name of each resource, repetitions included."""
    return [(item.type_url, item.name) for part in parts for item in part]
