"""The few Kubernetes facts that a mesh needs: Namespace, Service, EndpointSlice, Pod and who made it, Secret.

Law: what is not used is not read; the content of a Secret prints as `[redacted]`.
"""

from collections.abc import Mapping
from typing import ClassVar, Literal

import pydantic

from mesh.resources import Model, Resource


class Namespace(Resource):
    """A namespace and its labels."""

    plural: ClassVar[str] = "namespaces"
    api_version: str = "v1"
    kind: Literal["Namespace"] = "Namespace"


class ServicePort(Model):
    """A port of a Service."""

    name: str = ""
    port: int
    target_port: int | str | None = None
    protocol: str = "TCP"


class ServiceSpec(Model):
    """Selector, addresses and ports of a Service."""

    selector: Mapping[str, str] = {}
    cluster_ip: str = pydantic.Field(default="", alias="clusterIP")
    cluster_ips: tuple[str, ...] = pydantic.Field(default=(), alias="clusterIPs")
    ip_families: tuple[str, ...] = ()
    ports: tuple[ServicePort, ...] = ()


class Service(Resource):
    """A Kubernetes Service."""

    plural: ClassVar[str] = "services"
    api_version: str = "v1"
    kind: Literal["Service"] = "Service"
    spec: ServiceSpec = ServiceSpec()


class EndpointConditions(Model):
    """Whether an endpoint may be used; absent means yes, yes, no."""

    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class TargetRef(Model):
    """The pod behind an endpoint."""

    kind: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""


class Endpoint(Model):
    """One endpoint of a slice."""

    addresses: tuple[str, ...] = ()
    conditions: EndpointConditions = EndpointConditions()
    target_ref: TargetRef | None = None
    zone: str = ""


class EndpointPort(Model):
    """A port that all endpoints of a slice share."""

    name: str = ""
    port: int | None = None
    protocol: str = "TCP"


class EndpointSlice(Resource):
    """A part of the endpoints of a Service."""

    plural: ClassVar[str] = "endpointslices"
    api_version: str = "discovery.k8s.io/v1"
    kind: Literal["EndpointSlice"] = "EndpointSlice"
    address_type: str = "IPv4"
    endpoints: tuple[Endpoint, ...] = ()
    ports: tuple[EndpointPort, ...] = ()


class Pod(Resource):
    """A pod: its labels and owners are what counts."""

    plural: ClassVar[str] = "pods"
    api_version: str = "v1"
    kind: Literal["Pod"] = "Pod"


class ReplicaSet(Resource):
    """What keeps pods there for a Deployment: whose it is, is what counts."""

    plural: ClassVar[str] = "replicasets"
    api_version: str = "apps/v1"
    kind: Literal["ReplicaSet"] = "ReplicaSet"


class Deployment(Resource):
    """A Kubernetes Deployment: whose it is, is what counts."""

    plural: ClassVar[str] = "deployments"
    api_version: str = "apps/v1"
    kind: Literal["Deployment"] = "Deployment"


class Secret(Resource):
    """A Secret; its values are base64 text and never printed."""

    plural: ClassVar[str] = "secrets"
    api_version: str = "v1"
    kind: Literal["Secret"] = "Secret"
    type: str = "Opaque"
    data: Mapping[str, pydantic.SecretStr] = pydantic.Field(default={}, repr=False)

    def __repr__(self) -> str:
        return f"Secret({self.ref.key}, [redacted])"

    __str__ = __repr__


WORKLOADS: Mapping[str, type[Resource]] = {
    "Namespace": Namespace,
    "Service": Service,
    "EndpointSlice": EndpointSlice,
    "Pod": Pod,
    "ReplicaSet": ReplicaSet,
    "Deployment": Deployment,
    "Secret": Secret,
}
"""The Kubernetes kinds by name."""
