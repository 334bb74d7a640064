"""Static bootstraps: a proxy's configuration as one file that a real Envoy can load without a control plane."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

Resources = Mapping[str, Sequence[Mapping[str, Any]]]
"""By kind (`clusters`, `listeners`, `routes`), as `decoded.bundle` returns them."""


def static_bootstrap(resources: Resources) -> dict[str, Any]:
    """Return a bootstrap with these resources; listeners hold the routes that they would ask a control plane for."""
    routes = {item["name"]: item for item in resources.get("routes", ())}
    return {
        "static_resources": {
            "clusters": copy.deepcopy(list(resources.get("clusters", ()))),
            "listeners": [_with_routes(listener, routes) for listener in resources.get("listeners", ())],
        }
    }


def _with_routes(listener: Mapping[str, Any], routes: Mapping[str, Any]) -> dict[str, Any]:
    inlined = copy.deepcopy(dict(listener))
    for chain in inlined["filter_chains"]:
        for network_filter in chain["filters"]:
            config = network_filter["typed_config"]
            if "rds" in config:
                config["route_config"] = routes[config.pop("rds")["route_config_name"]]
    return inlined
