"""The nine kinds of `servicemesh.oci.oracle.com/v1beta1` as people write them.

Law: field for field the original API: names, limits, enums and defaults; what a value means is said in `graph.py`.
"""

import datetime
import enum
import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import pydantic
import pydantic_core
from pydantic import Field, StrictBool, StrictInt
from pydantic.alias_generators import to_camel

from mesh import mtls
from mesh.problems import Ref

GROUP = "servicemesh.oci.oracle.com"
API_VERSION = f"{GROUP}/v1beta1"

Name = Annotated[str, Field(min_length=1, max_length=255)]
Ocid = Annotated[str, Field(min_length=1, max_length=255)]
Description = Annotated[str, Field(max_length=400)]
Port = Annotated[StrictInt, Field(ge=1, le=65535)]
Weight = Annotated[StrictInt, Field(ge=0, le=100)]
Milliseconds = Annotated[StrictInt, Field(ge=0, le=2**63 - 1)]
Pods = Annotated[StrictInt, Field(ge=1, le=2**31 - 1)]
Text = Annotated[str, Field(min_length=1)]

NOT_A_QUANTITY = "not_a_quantity"
"""The error type of an amount that Kubernetes would not read."""

_QUANTITY = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(([KMGTPE]i)|[numkMGTPE]|([eE][+-]?\d+))?", re.ASCII)


def _quantity(value: Any) -> Any:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**63
    if is_number or (isinstance(value, str) and _QUANTITY.fullmatch(value)):
        return value
    raise pydantic_core.PydanticCustomError(NOT_A_QUANTITY, "not a quantity")


Quantity = Annotated[str | int | float, pydantic.BeforeValidator(_quantity)]


class Model(pydantic.BaseModel):
    """A frozen value with camelCase names outside; unknown fields are pruned, as the API server does."""

    model_config = pydantic.ConfigDict(
        frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True, hide_input_in_errors=True
    )

    @pydantic.model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, value: Any) -> Any:
        """Drop fields that are null, as the API server does; Go programs write `endpoints: null` for an empty list."""
        if isinstance(value, Mapping) and any(item is None for item in value.values()):
            return {key: item for key, item in value.items() if item is not None}
        return value


class OwnerReference(Model):
    """Which object made this one."""

    api_version: str = ""
    kind: str
    name: str
    uid: str = ""
    controller: bool = False


class Metadata(Model):
    """The part of `metadata` that has a meaning here."""

    name: str
    namespace: str = "default"
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    creation_timestamp: datetime.datetime | None = None
    deletion_timestamp: datetime.datetime | None = None
    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}
    finalizers: tuple[str, ...] = ()
    owner_references: tuple[OwnerReference, ...] = ()


class Resource(Model):
    """What all objects share."""

    plural: ClassVar[str]
    api_version: str = API_VERSION
    kind: str
    metadata: Metadata
    status: Mapping[str, Any] = {}

    @property
    def ref(self) -> Ref:
        """The address of this object."""
        return Ref(self.kind, self.metadata.namespace, self.metadata.name)

    @property
    def is_terminating(self) -> bool:
        """Whether its deletion has been asked for."""
        return self.metadata.deletion_timestamp is not None


class ResourceRef(Model):
    """A reference by name; the namespace defaults to the referrer's."""

    name: Name
    namespace: Text | None = None


class RefOrId(Model):
    """A reference by name or by an id that meshloom issued: exactly one of the two."""

    ref: ResourceRef | None = None
    id: Ocid | None = None


class MtlsMode(Model):
    """The mode in which a VirtualService receives."""

    mode: mtls.Mode


class MtlsMinimum(Model):
    """The lowest mode that a Mesh allows."""

    minimum: mtls.Mode


class AccessLogging(Model):
    """Whether a proxy logs its requests."""

    is_enabled: StrictBool = False


class TaggedSpec(Model):
    """What the seven kinds share that the original mirrored to its cloud."""

    compartment_id: Ocid
    description: Description | None = None
    freeform_tags: Mapping[str, str] = {}
    defined_tags: Mapping[str, Mapping[str, str]] = {}


class NamedSpec(TaggedSpec):
    """A tagged spec with a name of its own."""

    name: Name | None = None


# ---------------------------------------------------------------------------- Mesh


class CertificateAuthority(Model):
    """An authority by its id; the configuration maps the id to a source."""

    id: Ocid


class MeshSpec(TaggedSpec):
    """A mesh: a display name, one certificate authority, a minimum mTLS mode."""

    display_name: Name | None = None
    certificate_authorities: Annotated[tuple[CertificateAuthority, ...], Field(min_length=1, max_length=1)]
    mtls: MtlsMinimum | None = None


class Mesh(Resource):
    """The outermost object: services of one mesh trust one authority."""

    plural: ClassVar[str] = "meshes"
    kind: Literal["Mesh"] = "Mesh"
    spec: MeshSpec | None = None


# ---------------------------------------------------------------------------- VirtualService


class RoutingPolicyType(enum.Enum):
    """What happens to a request that no route table matches."""

    UNIFORM = "UNIFORM"
    DENY = "DENY"


class DefaultRoutingPolicy(Model):
    """The policy for requests that no route table matches."""

    type: RoutingPolicyType


class VirtualServiceSpec(NamedSpec):
    """A service: the hosts by which it is called and how it receives."""

    mesh: RefOrId
    default_routing_policy: DefaultRoutingPolicy | None = None
    hosts: tuple[str, ...] = ()
    mtls: MtlsMode | None = None


class VirtualService(Resource):
    """A logical service of a mesh."""

    plural: ClassVar[str] = "virtualservices"
    kind: Literal["VirtualService"] = "VirtualService"
    spec: VirtualServiceSpec | None = None


# ---------------------------------------------------------------------------- VirtualDeployment


class Protocol(enum.Enum):
    """What a VirtualDeployment listener speaks."""

    HTTP = "HTTP"
    HTTP2 = "HTTP2"
    GRPC = "GRPC"
    TCP = "TCP"
    TLS_PASSTHROUGH = "TLS_PASSTHROUGH"


class DiscoveryType(enum.Enum):
    """How the endpoints of a VirtualDeployment are found."""

    DNS = "DNS"
    DISABLED = "DISABLED"


class ServiceDiscovery(Model):
    """How the endpoints are found."""

    type: DiscoveryType
    hostname: str | None = None


class Listener(Model):
    """A port on which the application receives."""

    protocol: Protocol
    port: Port
    request_timeout_in_ms: Milliseconds | None = None
    idle_timeout_in_ms: Milliseconds | None = None


class VirtualDeploymentSpec(NamedSpec):
    """A version of a service: where it runs and on which ports it listens."""

    virtual_service: RefOrId
    service_discovery: ServiceDiscovery | None = None
    access_logging: AccessLogging | None = None
    listener: Annotated[tuple[Listener, ...], Field(max_length=10)] = ()


class VirtualDeployment(Resource):
    """One deployment (version) of a VirtualService."""

    plural: ClassVar[str] = "virtualdeployments"
    kind: Literal["VirtualDeployment"] = "VirtualDeployment"
    spec: VirtualDeploymentSpec | None = None


# ---------------------------------------------------------------------------- VirtualServiceRouteTable


class PathType(enum.Enum):
    """How a path is matched."""

    PREFIX = "PREFIX"


class VirtualDeploymentDestination(Model):
    """A weighted VirtualDeployment."""

    virtual_deployment: RefOrId
    weight: Weight
    port: Port | None = None


VirtualDeploymentDestinations = Annotated[tuple[VirtualDeploymentDestination, ...], Field(min_length=1, max_length=15)]


class HttpRoute(Model):
    """A route for HTTP, HTTP2 and GRPC requests."""

    destinations: VirtualDeploymentDestinations
    path: str | None = None
    path_type: PathType | None = None
    is_grpc: StrictBool = False
    request_timeout_in_ms: Milliseconds | None = None


class TcpRoute(Model):
    """A route for TCP connections."""

    destinations: VirtualDeploymentDestinations


class TlsPassthroughRoute(Model):
    """A route for TLS connections that are not terminated."""

    destinations: VirtualDeploymentDestinations


class RouteRule(Model):
    """Exactly one of three kinds of route."""

    http_route: HttpRoute | None = None
    tcp_route: TcpRoute | None = None
    tls_passthrough_route: TlsPassthroughRoute | None = None


class VirtualServiceRouteTableSpec(NamedSpec):
    """An ordered list of rules for one VirtualService."""

    virtual_service: RefOrId
    priority: StrictInt | None = None
    route_rules: Annotated[tuple[RouteRule, ...], Field(min_length=1, max_length=15)]


class VirtualServiceRouteTable(Resource):
    """How requests to a VirtualService are spread over its deployments."""

    plural: ClassVar[str] = "virtualserviceroutetables"
    kind: Literal["VirtualServiceRouteTable"] = "VirtualServiceRouteTable"
    spec: VirtualServiceRouteTableSpec | None = None


# ---------------------------------------------------------------------------- AccessPolicy


class AllVirtualServices(Model):
    """Every VirtualService of the mesh."""


class TcpExternalService(Model):
    """Addresses outside of the mesh, in CIDR notation; no ports means all."""

    ip_addresses: Annotated[tuple[str, ...], Field(min_length=1, max_length=10)]
    ports: Annotated[tuple[Port, ...], Field(max_length=10)] = ()


class HttpExternalService(Model):
    """Host names outside of the mesh that are called in clear; no ports means all."""

    hostnames: Annotated[tuple[str, ...], Field(min_length=1, max_length=10)]
    ports: Annotated[tuple[Port, ...], Field(max_length=10)] = ()


class HttpsExternalService(Model):
    """Host names outside of the mesh that are called by TLS; no ports means all."""

    hostnames: Annotated[tuple[str, ...], Field(min_length=1, max_length=10)]
    ports: Annotated[tuple[Port, ...], Field(max_length=10)] = ()


class ExternalService(Model):
    """Exactly one kind of service outside of the mesh."""

    tcp_external_service: TcpExternalService | None = None
    http_external_service: HttpExternalService | None = None
    https_external_service: HttpsExternalService | None = None


class TrafficTarget(Model):
    """Exactly one side of an access rule."""

    all_virtual_services: AllVirtualServices | None = None
    virtual_service: RefOrId | None = None
    external_service: ExternalService | None = None
    ingress_gateway: RefOrId | None = None


class AccessAction(enum.Enum):
    """What an access rule does."""

    ALLOW = "ALLOW"


class AccessPolicyRule(Model):
    """Who may call whom."""

    action: AccessAction
    source: TrafficTarget
    destination: TrafficTarget


class AccessPolicySpec(NamedSpec):
    """Rules that add up over all policies of a mesh."""

    mesh: RefOrId
    rules: Annotated[tuple[AccessPolicyRule, ...], Field(min_length=1, max_length=50)]


class AccessPolicy(Resource):
    """Who may call whom in a mesh."""

    plural: ClassVar[str] = "accesspolicies"
    kind: Literal["AccessPolicy"] = "AccessPolicy"
    spec: AccessPolicySpec | None = None


# ---------------------------------------------------------------------------- IngressGateway


class OciTlsCertificate(Model):
    """A certificate by its cloud id; the configuration maps the id to a Secret."""

    certificate_id: Ocid


class KubeSecretTlsCertificate(Model):
    """A certificate from a Secret of type tls."""

    secret_name: str


class TlsCertificate(Model):
    """Exactly one source of a server certificate."""

    oci_tls_certificate: OciTlsCertificate | None = None
    kube_secret_tls_certificate: KubeSecretTlsCertificate | None = None


class OciCaBundle(Model):
    """A CA bundle by its cloud id; the configuration maps the id to a Secret."""

    ca_bundle_id: Ocid


class KubeSecretCaBundle(Model):
    """A CA bundle from the key `ca.crt` of a Secret."""

    secret_name: str


class CaBundle(Model):
    """Exactly one source of a CA bundle."""

    oci_ca_bundle: OciCaBundle | None = None
    kube_secret_ca_bundle: KubeSecretCaBundle | None = None


class ClientValidation(Model):
    """Which client certificates are accepted."""

    trusted_ca_bundle: CaBundle | None = None
    subject_alternate_names: Annotated[tuple[str, ...], Field(max_length=10)] = ()


class TlsMode(enum.Enum):
    """What an ingress gateway listener accepts."""

    DISABLED = "DISABLED"
    PERMISSIVE = "PERMISSIVE"
    TLS = "TLS"
    MUTUAL_TLS = "MUTUAL_TLS"


class ListenerTls(Model):
    """TLS of an ingress gateway listener."""

    mode: TlsMode
    server_certificate: TlsCertificate | None = None
    client_validation: ClientValidation | None = None


class GatewayProtocol(enum.Enum):
    """What an ingress gateway listener speaks."""

    HTTP = "HTTP"
    TCP = "TCP"
    TLS_PASSTHROUGH = "TLS_PASSTHROUGH"


class GatewayListener(Model):
    """A port of an ingress gateway host."""

    protocol: GatewayProtocol
    port: Port
    tls: ListenerTls | None = None


class GatewayHost(Model):
    """A named set of host names and the ports on which they are served."""

    name: Name
    hostnames: Annotated[tuple[str, ...], Field(max_length=10)] = ()
    listeners: Annotated[tuple[GatewayListener, ...], Field(min_length=1, max_length=10)]


class IngressGatewaySpec(NamedSpec):
    """A gateway: its hosts and whether it logs."""

    mesh: RefOrId
    access_logging: AccessLogging | None = None
    hosts: Annotated[tuple[GatewayHost, ...], Field(min_length=1, max_length=5)]


class IngressGateway(Resource):
    """Where requests from outside enter a mesh."""

    plural: ClassVar[str] = "ingressgateways"
    kind: Literal["IngressGateway"] = "IngressGateway"
    spec: IngressGatewaySpec | None = None


# ---------------------------------------------------------------------------- IngressGatewayRouteTable


class VirtualServiceDestination(Model):
    """A VirtualService."""

    virtual_service: RefOrId
    weight: Weight | None = None
    port: Port | None = None


VirtualServiceDestinations = Annotated[tuple[VirtualServiceDestination, ...], Field(min_length=1, max_length=1)]


class IngressGatewayHostRef(Model):
    """A host of the gateway by name, and perhaps one of its ports."""

    name: Name
    port: Port | None = None


class GatewayHttpRoute(Model):
    """A gateway's route for HTTP requests."""

    destinations: VirtualServiceDestinations
    ingress_gateway_host: IngressGatewayHostRef | None = None
    path: str | None = None
    path_type: PathType | None = None
    is_grpc: StrictBool = False
    is_host_rewrite_enabled: StrictBool = False
    is_path_rewrite_enabled: StrictBool = False
    request_timeout_in_ms: Milliseconds | None = None


class GatewayTcpRoute(Model):
    """A gateway's route for TCP connections."""

    destinations: VirtualServiceDestinations
    ingress_gateway_host: IngressGatewayHostRef | None = None


class GatewayTlsPassthroughRoute(Model):
    """A gateway's route for TLS connections that are not terminated."""

    destinations: VirtualServiceDestinations
    ingress_gateway_host: IngressGatewayHostRef | None = None


class GatewayRouteRule(Model):
    """Exactly one of three kinds of route."""

    http_route: GatewayHttpRoute | None = None
    tcp_route: GatewayTcpRoute | None = None
    tls_passthrough_route: GatewayTlsPassthroughRoute | None = None


class IngressGatewayRouteTableSpec(NamedSpec):
    """An ordered list of rules for one IngressGateway."""

    ingress_gateway: RefOrId
    priority: StrictInt | None = None
    route_rules: Annotated[tuple[GatewayRouteRule, ...], Field(min_length=1, max_length=15)]


class IngressGatewayRouteTable(Resource):
    """How requests to an IngressGateway reach VirtualServices."""

    plural: ClassVar[str] = "ingressgatewayroutetables"
    kind: Literal["IngressGatewayRouteTable"] = "IngressGatewayRouteTable"
    spec: IngressGatewayRouteTableSpec | None = None


# ---------------------------------------------------------------------------- VirtualDeploymentBinding


class ResourceRequirements(Model):
    """Compute resources of a proxy container, as Kubernetes writes them."""

    limits: Mapping[str, Quantity] = {}
    requests: Mapping[str, Quantity] = {}


class ServiceTarget(Model):
    """A Kubernetes Service and, perhaps, further labels of its pods."""

    ref: ResourceRef
    match_labels: Mapping[str, str] = {}


class BindingTarget(Model):
    """What a VirtualDeployment is bound to."""

    service: ServiceTarget


class VirtualDeploymentBindingSpec(Model):
    """Which pods are a VirtualDeployment."""

    virtual_deployment: RefOrId
    target: BindingTarget
    resources: ResourceRequirements | None = None
    mount_certificate_chain_from_host: StrictBool = False
    pod_upgrade_enabled: StrictBool = True


class VirtualDeploymentBinding(Resource):
    """Binds a VirtualDeployment to the pods behind a Service."""

    plural: ClassVar[str] = "virtualdeploymentbindings"
    kind: Literal["VirtualDeploymentBinding"] = "VirtualDeploymentBinding"
    spec: VirtualDeploymentBindingSpec | None = None


# ---------------------------------------------------------------------------- IngressGatewayDeployment


class Autoscaling(Model):
    """Bounds of the gateway's autoscaler."""

    min_pods: Pods
    max_pods: Pods
    resources: ResourceRequirements | None = None


class GatewayPods(Model):
    """The pods of a gateway."""

    autoscaling: Autoscaling
    labels: Mapping[str, str] = {}
    mount_certificate_chain_from_host: StrictBool = False


class GatewayPort(Model):
    """A port of the gateway's pods, and perhaps of its Service."""

    model_config = pydantic.ConfigDict(alias_generator=None)

    protocol: str = "TCP"
    port: Annotated[StrictInt, Field(ge=0, le=65535)]
    serviceport: Annotated[StrictInt, Field(ge=0, le=65535)] | None = None
    name: str | None = None


class ServiceType(enum.Enum):
    """The type of the gateway's Service."""

    LOAD_BALANCER = "LoadBalancer"
    NODE_PORT = "NodePort"
    CLUSTER_IP = "ClusterIP"


class GatewayService(Model):
    """The Service before the gateway's pods."""

    type: ServiceType
    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}


class SecretName(Model):
    """A Secret of the deployment's own namespace."""

    secret_name: str


class IngressGatewayDeploymentSpec(Model):
    """How a gateway is deployed."""

    ingress_gateway: RefOrId
    deployment: GatewayPods
    ports: tuple[GatewayPort, ...]
    service: GatewayService | None = None
    secrets: tuple[SecretName, ...] = ()


class IngressGatewayDeployment(Resource):
    """Deploys an IngressGateway."""

    plural: ClassVar[str] = "ingressgatewaydeployments"
    kind: Literal["IngressGatewayDeployment"] = "IngressGatewayDeployment"
    spec: IngressGatewayDeploymentSpec | None = None


KINDS: Mapping[str, type[Resource]] = {
    "Mesh": Mesh,
    "VirtualService": VirtualService,
    "VirtualDeployment": VirtualDeployment,
    "VirtualServiceRouteTable": VirtualServiceRouteTable,
    "VirtualDeploymentBinding": VirtualDeploymentBinding,
    "AccessPolicy": AccessPolicy,
    "IngressGateway": IngressGateway,
    "IngressGatewayDeployment": IngressGatewayDeployment,
    "IngressGatewayRouteTable": IngressGatewayRouteTable,
}
"""The nine kinds by name."""
