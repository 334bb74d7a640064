"""Static bootstraps: a proxy's configuration as one file that a real Envoy can load without a control plane."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tests import certificates

Resources = Mapping[str, Sequence[Mapping[str, Any]]]
"""By kind (`clusters`, `listeners`, `routes`), as `decoded.bundle` returns them."""

INTERNAL = "type.googleapis.com/envoy.extensions.bootstrap.internal_listener.v3.InternalListener"


def static_bootstrap(resources: Resources, holder: certificates.Files) -> dict[str, Any]:
    """Return a bootstrap with these resources and the certificate of this holder in place of what they would ask a
    control plane for.
    """
    parts = Parts(*({item["name"]: item for item in resources.get(kind, ())} for kind in Parts._fields))
    endpoints = {item["cluster_name"]: item for item in resources.get("endpoints", ())}
    inside = "type.googleapis.com/envoy.extensions.bootstrap.internal_listener.v3.InternalListener"
    return {
        "bootstrap_extensions": [{"name": "envoy.bootstrap.internal_listener", "typed_config": {"@type": inside}}],
        "static_resources": {
            "clusters": [_settled(_without_sds(item), endpoints) for item in resources.get("clusters", ())],
            "listeners": [_whole(_without_sds(item), parts) for item in resources.get("listeners", ())],
            "secrets": [*_secrets(holder), *_of_gateways(resources, holder)],
        },
        "layered_runtime": {
            "layers": [*map(_layer, resources.get("runtimes", ())), {"name": "admin", "admin_layer": {}}]
        },
    }


def _layer(runtime: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": runtime["name"], "static_layer": runtime["layer"]}


def _secrets(holder: certificates.Files) -> list[dict[str, Any]]:
    pair = {"certificate_chain": {"filename": str(holder.chain)}, "private_key": {"filename": str(holder.key)}}
    return [
        {"name": "identity", "tls_certificate": pair},
        {"name": "authorities", "validation_context": {"trusted_ca": {"filename": str(holder.roots)}}},
    ]


def _of_gateways(resources: Resources, holder: certificates.Files) -> list[dict[str, Any]]:
    """Return what stands for the secrets of a gateway's listeners: the holder's own."""
    certificate, authorities = _secrets(holder)
    asked = sorted(name for name in _asked(resources.get("listeners", ())) if name.startswith("gateway/"))
    return [{**(authorities if name.endswith("/authorities") else certificate), "name": name} for name in asked]


def _asked(of: Any) -> set[str]:
    """Return the names of the secrets that are asked for anywhere in this."""
    if isinstance(of, Mapping):
        own = {of["name"]} if "sds_config" in of else set()
        return own.union(*map(_asked, of.values()))
    return set().union(*map(_asked, of)) if isinstance(of, list | tuple) else set()


def _without_sds(of: Any) -> Any:
    """Return a copy in which secrets are those of the bootstrap."""
    if isinstance(of, Mapping):
        return {name: _without_sds(value) for name, value in of.items() if name != "sds_config"}
    return [_without_sds(item) for item in of] if isinstance(of, list) else copy.copy(of)


def _settled(cluster: dict[str, Any], endpoints: Mapping[str, Any]) -> dict[str, Any]:
    """Return a cluster with the endpoints in it that it would ask a control plane for."""
    if "eds_cluster_config" not in cluster:
        return cluster
    rest = {name: value for name, value in cluster.items() if name not in ("type", "eds_cluster_config")}
    return {**rest, "load_assignment": endpoints[cluster["name"]]}


class Parts(NamedTuple):
    """What listeners would ask a control plane for, by name."""

    routes: Mapping[str, Any]
    filters: Mapping[str, Any]


def _whole(listener: dict[str, Any], parts: Parts) -> dict[str, Any]:
    """Return a listener with its parts in it."""
    for chain in listener.get("filter_chains", ()):
        chain["filters"] = [
            parts.filters[each["name"]] if "config_discovery" in each else each for each in chain["filters"]
        ]
        for config in (each["typed_config"] for each in chain["filters"]):
            if "rds" in config:
                config["route_config"] = parts.routes[config.pop("rds")["route_config_name"]]
    return listener
