"""What whoever runs the program may choose of injection: a part of the settings.

Law: as `meshloom.settings`, to which it belongs.
"""

import enum
import importlib.metadata
import ipaddress
from typing import Annotated

import pydantic

from meshloom.admission import configuration
from meshloom.injector.terms import Terms

NAMESPACE = "meshloom-system"
_ADS_PORT = 15012

NATIVE_SINCE = (1, 29)
"""The Kubernetes in which containers that start first and end last are there without being asked for."""


class Sidecars(enum.Enum):
    """How proxies are put into pods; AUTO is NATIVE where the cluster has that."""

    AUTO = "auto"
    NATIVE = "native"
    CLASSIC = "classic"


class PullPolicy(enum.Enum):
    """When the image of proxies is fetched."""

    ALWAYS = "Always"
    IF_NOT_PRESENT = "IfNotPresent"
    NEVER = "Never"


def _network(text: str) -> str:
    ipaddress.ip_network(text)
    return text


Network = Annotated[str, pydantic.AfterValidator(_network)]
Port = Annotated[int, pydantic.Field(ge=1, le=65535)]


class Evictions(pydantic.BaseModel):
    """How pods whose proxy is missing or outdated are made anew."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    enabled: bool = True
    """Evict them; otherwise they are only marked."""
    per_minute: Annotated[float, pydantic.Field(gt=0, le=6000)] = 30.0
    """So many at most, of all together."""


class Injection(pydantic.BaseModel):
    """What pods are given."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    image: str = pydantic.Field(
        default_factory=lambda: f"meshloom-proxy:{importlib.metadata.version('meshloom')}", min_length=1
    )
    """The image of proxies."""
    pull_policy: PullPolicy | None = None
    """When it is fetched; empty: as Kubernetes does for its tag."""
    sidecars: Sidecars = Sidecars.AUTO
    ads: str = ""
    """Where proxies in pods find the control plane; empty: at its Service."""
    mds_endpoint: str = ""
    """Told to proxies as the variable MDS_ENDPOINT, as the original did."""
    exempt_networks: tuple[Network, ...] = ()
    """What applications dial there is not captured."""
    exempt_ports: tuple[Port, ...] = ()
    """Nor what they dial at these ports."""

    def terms(self, version: tuple[int, int], namespace: str = NAMESPACE) -> Terms:
        """Return them as injection takes them, for a cluster of this version of Kubernetes, and a control plane in this
        namespace.
        """
        is_native = version >= NATIVE_SINCE if self.sidecars is Sidecars.AUTO else self.sidecars is Sidecars.NATIVE
        return Terms(
            self.image,
            self.ads or f"{configuration.SERVICE}.{namespace}.svc:{_ADS_PORT}",
            is_native,
            self.pull_policy.value if self.pull_policy else "",
            self.mds_endpoint,
            self.exempt_networks,
            self.exempt_ports,
        )
