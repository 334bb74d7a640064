"""What `kubectl get` shows of each kind.

Law: conditions are addressed by their place, as the original did: their order in a status is fixed.
"""

from collections.abc import Mapping
from typing import Any

from mesh import identity

Column = dict[str, Any]

_BOUND: Mapping[str, str] = {
    "VirtualDeploymentBinding": "virtualDeployment",
    "IngressGatewayDeployment": "ingressGateway",
}
"""The kinds that deploy another, and what the fields about that begin with."""

_AGE: Column = {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}


def columns(kind: str) -> list[Column]:
    """Return the printer columns of one of the nine kinds."""
    if (own := identity.OWN_ID.get(kind)) is not None:
        return [*_conditions("DependenciesActive", "Configured"), _wide("Ocid", f".status.{own}"), _AGE]
    field = _BOUND[kind]
    named = field[:1].upper() + field[1:]
    return [
        *_conditions("DependenciesActive"),
        _wide(f"{named}Ocid", f".status.{field}Id"),
        _wide(f"{named}Name", f".status.{field}Name"),
        _AGE,
    ]


def _conditions(*before: str) -> list[Column]:
    """Return the columns of `Active`, which is the last condition, and of those before it, the last of them first."""
    active: Column = {"name": "Active", "type": "string", "jsonPath": f".status.conditions[{len(before)}].status"}
    others = [_wide(name, f".status.conditions[{place}].status") for place, name in enumerate(before)]
    return [active, *reversed(others)]


def _wide(name: str, path: str) -> Column:
    return {"name": name, "type": "string", "jsonPath": path, "priority": 1}
