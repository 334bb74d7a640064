"""Documents that are wrong, each with what the definitions say of it: the words of the model's rules."""

from typing import NamedTuple

FIXED = "cannot be changed after creation; set it back, or create a new object under another name"


class Judged(NamedTuple):
    """A short document (see tests.written), and the field and the words of the answer."""

    short: str
    field: str
    words: str


_TABLE = "VirtualServiceRouteTable: shop/pets\nvirtualService: {ref: {name: pets}}\nrouteRules: [%s]"
_TO = "{virtualDeployment: {ref: {name: pets-v1}}, weight: 50%s}"
_POLICY = "AccessPolicy: shop/all\nmesh: {ref: {name: main}}\nrules: [{action: ALLOW, source: %s, destination: %s}]"
_ALL = "{allVirtualServices: {}}"
_GATEWAY = "IngressGateway: shop/edge\nmesh: {ref: {name: main}}\nhosts: [{name: web, %s}]"
_TLS = _GATEWAY % "hostnames: [a], listeners: [{protocol: HTTP, port: 8443, tls: %s}]"
_SHOWN = "serverCertificate: {kubeSecretTlsCertificate: {secretName: a}}"
_DEPLOYED = "IngressGatewayDeployment: shop/edge\ningressGateway: {ref: {name: edge}}\ndeployment: {autoscaling: {minPods: %s}}\n%s"

WRONG: tuple[Judged, ...] = (
    Judged(
        "VirtualService: shop/pets\nmesh: {}", "spec.mesh", "has neither ref nor id; add ref with the name of the Mesh"
    ),
    Judged(
        "VirtualDeploymentBinding: shop/pets\nvirtualDeployment: {id: a, ref: {name: b}}\ntarget: {service: {ref: {name: pets}}}",
        "spec.virtualDeployment",
        "has ref and id at once; keep the one that names the VirtualDeployment",
    ),
    Judged(
        "VirtualDeployment: shop/pets\nvirtualService: {ref: {name: pets}}\nserviceDiscovery: {type: DNS}",
        "spec.serviceDiscovery.hostname",
        "is missing, and discovery by DNS needs it; add it, or set type to DISABLED",
    ),
    Judged(
        "VirtualDeployment: shop/pets\nvirtualService: {ref: {name: pets}}\nserviceDiscovery: {type: DISABLED, hostname: a}",
        "spec.serviceDiscovery.hostname",
        "is given, but discovery is DISABLED; remove it, or set type to DNS",
    ),
    Judged(_TABLE % "{}", "spec.routeRules[0]", "is empty; add one of httpRoute, tcpRoute, tlsPassthroughRoute"),
    Judged(
        _TABLE % f"{{httpRoute: {{destinations: [{_TO % ''}]}}, tcpRoute: {{destinations: [{_TO % ''}]}}}}",
        "spec.routeRules[0]",
        "has httpRoute and tcpRoute at once; keep one of them",
    ),
    Judged(
        _POLICY % ("{}", _ALL),
        "spec.rules[0].source",
        "is empty; add one of allVirtualServices: {}, virtualService, ingressGateway",
    ),
    Judged(
        _POLICY % (_ALL, "{}"),
        "spec.rules[0].destination",
        "is empty; add one of allVirtualServices: {}, virtualService, externalService",
    ),
    Judged(
        _POLICY % ("{allVirtualServices: {}, virtualService: {ref: {name: a}}}", _ALL),
        "spec.rules[0].source",
        "has allVirtualServices and virtualService at once; keep one of them",
    ),
    Judged(
        _POLICY % ("{externalService: {httpExternalService: {hostnames: [a]}}}", _ALL),
        "spec.rules[0].source.externalService",
        "cannot be a source, because who calls from outside cannot be recognised; name an ingressGateway and let the "
        "calls come through it",
    ),
    Judged(
        _POLICY % (_ALL, "{ingressGateway: {ref: {name: edge}}}"),
        "spec.rules[0].destination.ingressGateway",
        "cannot be a destination; name the virtualService behind the gateway",
    ),
    Judged(
        _POLICY % (_ALL, "{externalService: {}}"),
        "spec.rules[0].destination.externalService",
        "is empty; add one of tcpExternalService, httpExternalService, httpsExternalService",
    ),
    Judged(
        _GATEWAY % "listeners: [{protocol: TLS_PASSTHROUGH, port: 8443}]",
        "spec.hosts[0].hostnames",
        "is empty, and a TLS_PASSTHROUGH listener needs a name; add the names by which clients call, or `*` for all",
    ),
    Judged(
        _TLS % "{mode: PERMISSIVE}",
        "spec.hosts[0].listeners[0].tls.serverCertificate",
        "is missing, and mode PERMISSIVE needs it; add it with kubeSecretTlsCertificate",
    ),
    Judged(
        _TLS % "{mode: TLS, serverCertificate: {}}",
        "spec.hosts[0].listeners[0].tls.serverCertificate",
        "is empty; add one of ociTlsCertificate, kubeSecretTlsCertificate",
    ),
    Judged(
        _TLS % f"{{mode: MUTUAL_TLS, {_SHOWN}}}",
        "spec.hosts[0].listeners[0].tls.clientValidation.trustedCaBundle",
        "is missing, and mode MUTUAL_TLS needs it to check clients; add it with kubeSecretCaBundle, or set mode to TLS",
    ),
    Judged(
        _TLS % f"{{mode: MUTUAL_TLS, {_SHOWN}, clientValidation: {{trustedCaBundle: {{}}}}}}",
        "spec.hosts[0].listeners[0].tls.clientValidation.trustedCaBundle",
        "is empty; add one of ociCaBundle, kubeSecretCaBundle",
    ),
)
"""Answered in the very words of the rules."""

SIMILAR: tuple[Judged, ...] = (
    Judged(
        _TABLE % f"{{tcpRoute: {{destinations: [{_TO % ', port: 80'}, {_TO % ''}]}}}}",
        "spec.routeRules[0].tcpRoute.destinations",
        "name different ports; give all of them the same port, or none of them a port",
    ),
    Judged(
        _GATEWAY % "hostnames: [a], listeners: [{protocol: HTTP, port: 443}]",
        "spec.hosts[0].listeners[0].port",
        "is below 1024; use a higher port and let serviceport of the IngressGatewayDeployment offer the lower one",
    ),
    Judged(
        _DEPLOYED % ("3, maxPods: 2", "ports: [{port: 8080}]"),
        "spec.deployment.autoscaling.minPods",
        "is above maxPods; lower it or raise maxPods",
    ),
    Judged(
        _DEPLOYED % ("1, maxPods: 2", "ports: [{port: 8080, serviceport: 80}]"),
        "spec.ports",
        "serviceport is given, but there is no service; add spec.service, or remove it",
    ),
    Judged(
        _DEPLOYED
        % (
            "1, maxPods: 2",
            "ports: [{port: 8080, serviceport: 80}, {port: 8443, serviceport: 443}]\nservice: {type: ClusterIP}",
        ),
        "spec.ports",
        "name is missing, and a service with several ports needs it; add a name such as http",
    ),
    Judged(
        f"Mesh: shop/{'m' * 191}",
        "<nil>",
        "metadata.name has more than the 190 characters allowed; shorten it",
    ),
)
"""Answered in nearly the words of the rules, which can say numbers and places that CEL cannot."""
