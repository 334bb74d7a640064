"""What the objects of a gateway are called, and by what they are known.

Law: names and selector are those of the original operator, so that what it made is taken over in place.
"""

from collections.abc import Mapping
from typing import Final

from meshloom.injector import contract

DEPLOYMENT_LABEL: Final = "servicemesh.oci.oracle.com/ingress-gateway-deployment"
"""On every object of a gateway, with the name of the IngressGatewayDeployment; selectors hold nothing else."""
OURS: Final[Mapping[str, str]] = {"app.kubernetes.io/managed-by": "meshloom"}

WATCHED: Final = f"{DEPLOYMENT_LABEL},app.kubernetes.io/managed-by=meshloom"
"""The selector of all objects that were made for gateways."""


def deployment_name(name: str) -> str:
    """Return the name of the Deployment."""
    return f"{name}-deployment"


def autoscaler_name(name: str) -> str:
    """Return the name of the HorizontalPodAutoscaler."""
    return f"{name}-scalar"


def service_name(name: str) -> str:
    """Return the name of the Service."""
    return f"{name}-service"


def budget_name(name: str) -> str:
    """Return the name of the PodDisruptionBudget, which the original did not make."""
    return f"{name}-disruption"


def selector(name: str) -> dict[str, str]:
    """Return what selects the pods of a gateway, and nothing else does."""
    return {DEPLOYMENT_LABEL: name}


def of_object(name: str, wished: Mapping[str, str]) -> dict[str, str]:
    """Return the labels of an object: those that somebody wished for, under our own."""
    return {**wished, **OURS, **selector(name)}


def of_pod(name: str, wished: Mapping[str, str]) -> dict[str, str]:
    """Return the labels of a pod; a gateway is a proxy, and none is put beside it."""
    return {**wished, contract.LABEL: contract.DISABLED, **selector(name)}
