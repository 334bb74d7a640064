"""The variables of the environment by which a proxy in a pod knows what it is.

Law: names that the original API has keep them; nothing here proves anything, for who a pod is its token says.
"""

import json
import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from mesh import quantities
from meshloom.injector import contract
from meshloom.injector.decision import Chosen
from meshloom.injector.pods import Json
from meshloom.injector.terms import Terms

THREADS_WITHOUT_LIMIT: Final = 2
MOST_THREADS: Final = 64
_SPARE_SECONDS = 3
"""Between the end of a drain and that of the pod."""

POD: Final[list[Json]] = [
    {"name": name, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}}
    for name, path in (
        ("IP_ADDRESS", "status.podIP"),  # what the original calls deprecated
        ("POD_IP", "status.podIP"),
        ("POD_IPS", "status.podIPs"),
        ("POD_UID", "metadata.uid"),
        ("POD_NAME", "metadata.name"),
        ("POD_NAMESPACE", "metadata.namespace"),
    )
]
"""What a container is told of its pod."""


def of_init(port: int) -> list[Json]:
    """Return the variables of the container that captures."""
    told = {contract.CAPTURE_VARIABLE: "true", contract.PORT_VARIABLE: str(port)}
    return [*pairs(told), *(one for one in POD if one["name"] == "POD_IP")]


def of_proxy(chosen: Chosen, terms: Terms, probes: str, grace: int, resources: Mapping[str, Any]) -> list[Json]:
    """Return the variables of a sidecar; `probes` are recorded targets, `grace` the seconds its pod has to end."""
    told = {
        "DEPLOYMENT_ID": chosen.binding.deployment_id,
        contract.LEVEL_VARIABLE: chosen.log_level,
        "MDS_ENDPOINT": terms.mds_endpoint,
        contract.PROXY_VARIABLE: chosen.binding.deployment.key,
        contract.ADS_VARIABLE: terms.ads,
        contract.CONCURRENCY_VARIABLE: str(concurrency(resources)),
        contract.DRAIN_VARIABLE: str(drain_seconds(grace)),
        contract.PROBES_VARIABLE: probes,
        contract.PASSTHROUGH_VARIABLE: ",".join(map(str, chosen.passthrough)),
        contract.TAGS_VARIABLE: json.dumps(dict(chosen.binding.tags), separators=(",", ":")),
    }
    return [*pairs(told), *POD]


def concurrency(resources: Mapping[str, Any]) -> int:
    """Return the number of Envoy's threads: as many as the limit of processors has begun, two without one."""
    limits = resources.get("limits")
    written = limits.get("cpu") if isinstance(limits, Mapping) else None
    return THREADS_WITHOUT_LIMIT if written is None else _threads(quantities.amount(str(written)))


def _threads(processors: Decimal) -> int:
    return min(MOST_THREADS, max(1, math.ceil(processors)))


def drain_seconds(grace: int) -> int:
    """Return how long a proxy may drain in a pod that is given so long to end."""
    return max(1, grace - _SPARE_SECONDS)


def pairs(told: Mapping[str, str]) -> list[Json]:
    """Return variables, but for those that are empty; a dollar that stands for itself is written twice."""
    return [{"name": name, "value": value.replace("$", "$$")} for name, value in told.items() if value]
