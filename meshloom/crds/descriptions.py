"""What `kubectl explain` says of each field.

Law: every field of every model has its words here, once; a field that is inherited has those of its parent.
"""

from collections.abc import Mapping

from mesh import resources
from mesh.resources import Model

_MESH = "The Mesh that it belongs to. It cannot be changed after creation."
_PATH = (
    "The beginning of the paths that match, by segments: /foo matches /foo and /foo/bar, not /foobar. All if absent."
)
_PATH_TYPE = "How the path is matched. There is only PREFIX."
_IS_GRPC = "Whether only gRPC requests match; false: all do."
_TIMEOUT = "Milliseconds until a request is given up; 0 is no limit. 15000 if absent, for gRPC no limit."
_PRIORITY = "The table with the lower number comes first; of equal ones the older. 500 if absent."
_RULES = "Routes in order: the first that matches decides."
_HTTP_ROUTE = "For listeners of HTTP, HTTP2 and GRPC. A rule has exactly one kind of route."
_TCP_ROUTE = "For listeners of TCP. A rule has exactly one kind of route."
_TLS_ROUTE = "For listeners of TLS_PASSTHROUGH. A rule has exactly one kind of route."
_WEIGHTED = "Where the traffic goes, in proportion to the weights."
_ONE_SERVICE = "Where the traffic goes: exactly one VirtualService, whose own route tables decide further."
_GATEWAY_HOST = "The host of the gateway that this rule is for; every host if absent."
_HELD = "The name of the Secret; the namespace is that of the gateway's deployment."
_RESOURCES = "Compute resources of the proxy container, instead of meshloom's defaults."
_OUTSIDE_PORTS = "Ports on which it may be reached; all if absent or empty."
_NAMES_OUTSIDE = "Names that may be called: in full, `*.suffix` or `*`."
_CHAIN = "Whether the node's /etc/pki is mounted into the proxy."
_MODE = "STRICT: mutual TLS only; PERMISSIVE: plaintext too; DISABLED: plaintext only."

DESCRIPTIONS: Mapping[type[Model], Mapping[str, str]] = {
    resources.ResourceRef: {
        "name": "The name of the object.",
        "namespace": "Its namespace; that of the object that refers if absent.",
    },
    resources.RefOrId: {
        "ref": "By name. Exactly one of ref and id is given.",
        "id": "By an id that meshloom issued, as in a status. Exactly one of ref and id is given.",
    },
    resources.TaggedSpec: {
        "compartmentId": "A compartment of the cloud that this API comes from. Required but not used: any text does.",
        "description": "Words for people. Not used.",
        "freeformTags": "Tags of the cloud that this API comes from. Not used.",
        "definedTags": "Tags of the cloud that this API comes from, by namespace. Not used.",
    },
    resources.NamedSpec: {
        "name": "The name in statistics and messages; `namespace/name` of the object if absent. It cannot be changed "
        "after creation. References go by the name of the object."
    },
    resources.AccessLogging: {"isEnabled": "Whether proxies log each request and connection; not if absent."},
    resources.MeshSpec: {
        "displayName": "The name in statistics and messages; `namespace/name` of the object if absent.",
        "certificateAuthorities": "The authority that certifies its proxies. It cannot be changed after creation.",
        "mtls": "The lowest mTLS mode of services; STRICT if absent.",
    },
    resources.CertificateAuthority: {
        "id": "An id that the settings of meshloom map to a Secret. Any other stands for an authority that meshloom "
        "makes for this Mesh."
    },
    resources.MtlsMinimum: {
        "minimum": f"The lowest mode that a service may have, and the mode of those without. {_MODE}"
    },
    resources.VirtualServiceSpec: {
        "mesh": _MESH,
        "defaultRoutingPolicy": "What becomes of requests that no route table matches; they are denied if absent.",
        "hosts": "Names by which the service is called: in full, `*.suffix`, or with a port. Optional for TCP alone.",
        "mtls": "How the service receives; as the Mesh's minimum if absent.",
    },
    resources.DefaultRoutingPolicy: {
        "type": "UNIFORM: to all deployments that listen on the port, equally; DENY: nowhere."
    },
    resources.MtlsMode: {"mode": f"Not below the Mesh's minimum. {_MODE}"},
    resources.VirtualDeploymentSpec: {
        "virtualService": "The VirtualService of which this is a version. It cannot be changed after creation.",
        "serviceDiscovery": "How endpoints are found where no VirtualDeploymentBinding tells; not at all if absent.",
        "accessLogging": "Whether the proxies of this deployment log.",
        "listener": "Ports on which the application receives, each once. None if it only calls others.",
    },
    resources.ServiceDiscovery: {
        "type": "DNS: by the hostname; DISABLED: not at all.",
        "hostname": "The name or address to look up. Required for DNS, forbidden otherwise.",
    },
    resources.Listener: {
        "protocol": "What is spoken there. TLS_PASSTHROUGH is TLS of the application's own, by server name.",
        "port": "The port on which callers reach the application.",
        "requestTimeoutInMs": f"{_TIMEOUT} Not for TCP and TLS_PASSTHROUGH.",
        "idleTimeoutInMs": "Milliseconds without traffic until a request or connection is ended; 0 is no limit. "
        "300000 if absent, for TCP and TLS_PASSTHROUGH 3600000.",
    },
    resources.VirtualServiceRouteTableSpec: {
        "virtualService": "The VirtualService whose routes these are. It cannot be changed after creation.",
        "priority": _PRIORITY,
        "routeRules": _RULES,
    },
    resources.RouteRule: {"httpRoute": _HTTP_ROUTE, "tcpRoute": _TCP_ROUTE, "tlsPassthroughRoute": _TLS_ROUTE},
    resources.HttpRoute: {
        "destinations": _WEIGHTED,
        "path": _PATH,
        "pathType": _PATH_TYPE,
        "isGrpc": _IS_GRPC,
        "requestTimeoutInMs": _TIMEOUT,
    },
    resources.TcpRoute: {"destinations": _WEIGHTED},
    resources.TlsPassthroughRoute: {"destinations": _WEIGHTED},
    resources.VirtualDeploymentDestination: {
        "virtualDeployment": "A VirtualDeployment of the same VirtualService.",
        "weight": "Its share of the sum of all weights of the rule.",
        "port": "The listener that gets the traffic; the port that was called if absent. The same in a whole rule.",
    },
    resources.AccessPolicySpec: {
        "mesh": _MESH,
        "rules": "Who may call whom. Rules of all policies add up; what none allows is refused.",
    },
    resources.AccessPolicyRule: {
        "action": "There is only ALLOW.",
        "source": "Who calls: exactly one of allVirtualServices, virtualService and ingressGateway.",
        "destination": "Who is called: exactly one of allVirtualServices, virtualService and externalService.",
    },
    resources.TrafficTarget: {
        "allVirtualServices": "Every VirtualService of the mesh. Written as {}.",
        "virtualService": "One VirtualService.",
        "externalService": "What is outside of the mesh. Only as a destination.",
        "ingressGateway": "One IngressGateway. Only as a source.",
    },
    resources.ExternalService: {
        "tcpExternalService": "By address. Exactly one of the three kinds is given.",
        "httpExternalService": "By name, in clear. Exactly one of the three kinds is given.",
        "httpsExternalService": "By name, over TLS of the caller's own. Exactly one of the three kinds is given.",
    },
    resources.TcpExternalService: {
        "ipAddresses": "Networks such as 10.0.0.0/8 or fd00::/8, or addresses.",
        "ports": _OUTSIDE_PORTS,
    },
    resources.HttpExternalService: {"hostnames": _NAMES_OUTSIDE, "ports": _OUTSIDE_PORTS},
    resources.HttpsExternalService: {"hostnames": _NAMES_OUTSIDE, "ports": _OUTSIDE_PORTS},
    resources.IngressGatewaySpec: {
        "mesh": "The Mesh that it leads into. It cannot be changed after creation.",
        "accessLogging": "Whether the proxies of this gateway log.",
        "hosts": "What is served, by name and port. Of two that claim one name on a port the first has it.",
    },
    resources.GatewayHost: {
        "name": "What route tables call this host.",
        "hostnames": "Names by which clients call: in full, `*.suffix` or `*`. Required for HTTP and TLS_PASSTHROUGH.",
        "listeners": "Ports on which it is served.",
    },
    resources.GatewayListener: {
        "protocol": "HTTP: by host name; TLS_PASSTHROUGH: TLS by server name, unopened; TCP: by port alone.",
        "port": "The port on which the gateway's pods listen, from 1024.",
        "tls": "Whether clients use TLS; plaintext if absent.",
    },
    resources.ListenerTls: {
        "mode": "TLS; MUTUAL_TLS: clients show a certificate; PERMISSIVE: plaintext too; DISABLED: plaintext only.",
        "serverCertificate": "What the gateway shows to clients. Required unless DISABLED.",
        "clientValidation": "Which client certificates are accepted. Required for MUTUAL_TLS.",
    },
    resources.TlsCertificate: {
        "ociTlsCertificate": "By an id of the cloud that this API comes from. Exactly one source is given.",
        "kubeSecretTlsCertificate": "From a Secret of type kubernetes.io/tls. Exactly one source is given.",
    },
    resources.OciTlsCertificate: {"certificateId": "An id that the settings of meshloom map to a Secret."},
    resources.KubeSecretTlsCertificate: {"secretName": _HELD},
    resources.ClientValidation: {
        "trustedCaBundle": "Authorities whose client certificates are accepted. Required for MUTUAL_TLS.",
        "subjectAlternateNames": "Names of which a client certificate must have one, in full; any if absent.",
    },
    resources.CaBundle: {
        "ociCaBundle": "By an id of the cloud that this API comes from. Exactly one source is given.",
        "kubeSecretCaBundle": "From the key ca.crt of a Secret. Exactly one source is given.",
    },
    resources.OciCaBundle: {"caBundleId": "An id that the settings of meshloom map to a Secret."},
    resources.KubeSecretCaBundle: {"secretName": _HELD},
    resources.IngressGatewayRouteTableSpec: {
        "ingressGateway": "The IngressGateway whose routes these are. It cannot be changed after creation.",
        "priority": _PRIORITY,
        "routeRules": _RULES,
    },
    resources.GatewayRouteRule: {"httpRoute": _HTTP_ROUTE, "tcpRoute": _TCP_ROUTE, "tlsPassthroughRoute": _TLS_ROUTE},
    resources.GatewayHttpRoute: {
        "destinations": _ONE_SERVICE,
        "ingressGatewayHost": _GATEWAY_HOST,
        "path": _PATH,
        "pathType": _PATH_TYPE,
        "isGrpc": _IS_GRPC,
        "isHostRewriteEnabled": "Whether the Host becomes the hostname of the deployment that is chosen.",
        "isPathRewriteEnabled": "Whether the path that matched becomes /, before the service's own rules are asked.",
        "requestTimeoutInMs": _TIMEOUT,
    },
    resources.GatewayTcpRoute: {"destinations": _ONE_SERVICE, "ingressGatewayHost": _GATEWAY_HOST},
    resources.GatewayTlsPassthroughRoute: {"destinations": _ONE_SERVICE, "ingressGatewayHost": _GATEWAY_HOST},
    resources.VirtualServiceDestination: {
        "virtualService": "A VirtualService of the gateway's mesh.",
        "weight": "Not used: there is one destination.",
        "port": "A port of the service; its only one if absent.",
    },
    resources.IngressGatewayHostRef: {
        "name": "The name of one of the gateway's hosts.",
        "port": "One of its ports; all if absent.",
    },
    resources.VirtualDeploymentBindingSpec: {
        "virtualDeployment": "The VirtualDeployment that the pods are. It may be changed.",
        "target": "Which pods.",
        "resources": _RESOURCES,
        "mountCertificateChainFromHost": _CHAIN,
        "podUpgradeEnabled": "Whether pods with an outdated proxy are replaced; false: they are only marked.",
    },
    resources.BindingTarget: {"service": "The pods behind a Kubernetes Service."},
    resources.ServiceTarget: {
        "ref": "The Service.",
        "matchLabels": "Labels that the pods must have beside those that the Service selects by.",
    },
    resources.ResourceRequirements: {
        "limits": "The most that it may use, as cpu: 500m.",
        "requests": "What is set aside for it, as memory: 128Mi.",
    },
    resources.IngressGatewayDeploymentSpec: {
        "ingressGateway": "The IngressGateway that the pods are. It cannot be changed after creation.",
        "deployment": "The gateway's pods.",
        "ports": "Ports of the pods, and of the Service before them.",
        "service": "A Service before the pods; none if absent.",
        "secrets": "Secrets of this namespace that the gateway's listeners may use, each once.",
    },
    resources.GatewayPods: {
        "autoscaling": "How many pods there are.",
        "labels": "More labels of the Deployment and its pods.",
        "mountCertificateChainFromHost": _CHAIN,
    },
    resources.Autoscaling: {
        "minPods": "The fewest pods.",
        "maxPods": "The most pods; not below minPods.",
        "resources": _RESOURCES,
    },
    resources.GatewayPort: {
        "protocol": "TCP; gateways listen to nothing else.",
        "port": "The port of one of the gateway's listeners.",
        "serviceport": "The port of the Service that leads to it; none if absent.",
        "name": "Its name. Required where several ports have a serviceport.",
    },
    resources.GatewayService: {
        "type": "The type of the Service.",
        "labels": "Labels of the Service.",
        "annotations": "Annotations of the Service.",
    },
    resources.SecretName: {"secretName": "The name of the Secret."},
}
"""By model, and by the name that users write."""


def description(model: type[Model], field: str) -> str:
    """Return the words about a field, which there are for each."""
    return next(DESCRIPTIONS[owner][field] for owner in _owners(model) if field in DESCRIPTIONS.get(owner, {}))


def _owners(model: type[Model]) -> tuple[type[Model], ...]:
    return tuple(owner for owner in model.__mro__ if issubclass(owner, Model))
