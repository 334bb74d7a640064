"""Rules for AccessPolicies.

Law: each function is one rule, named for what it finds.
"""

from collections.abc import Iterator

from mesh import hosts, problems, resources
from mesh.problems import Problem, Ref
from mesh.resources import AccessPolicySpec
from mesh.rules import choices, fields, host_names, wording

ByName = resources.HttpExternalService | resources.HttpsExternalService

SOURCES = ("allVirtualServices: {}", "virtualService", "ingressGateway")
DESTINATIONS = ("allVirtualServices: {}", "virtualService", "externalService")


def ambiguous_targets(subject: Ref, spec: AccessPolicySpec) -> Iterator[Problem]:
    """Rules 2.8.1 and 2.8.3: a source, and a destination, is exactly one of the things it can be."""
    for index, rule in enumerate(spec.rules):
        yield from choices.choice_problems(subject, f"spec.rules[{index}].source", rule.source, SOURCES)
        yield from choices.choice_problems(subject, f"spec.rules[{index}].destination", rule.destination, DESTINATIONS)


def external_sources(subject: Ref, spec: AccessPolicySpec) -> Iterator[Problem]:
    """Rule 2.8.2: what is outside of the mesh is no source."""
    for index, rule in enumerate(spec.rules):
        if rule.source.external_service is not None:
            yield problems.error(
                subject,
                f"spec.rules[{index}].source.externalService",
                "cannot be a source, because who calls from outside cannot be recognised",
                "name an ingressGateway and let the calls come through it",
            )


def gateways_outside(subject: Ref, spec: AccessPolicySpec) -> Iterator[Problem]:
    """Rule 2.13.40: an ingress gateway lets calls in; it makes none to the outside."""
    for index, rule in enumerate(spec.rules):
        if rule.source.ingress_gateway is not None and rule.destination.external_service is not None:
            yield problems.warning(
                subject,
                f"spec.rules[{index}].destination.externalService",
                "is of no use to an ingressGateway, which calls nothing outside of the mesh; this rule is ignored",
                "name the virtualService that calls it as the source",
            )


def gateway_destinations(subject: Ref, spec: AccessPolicySpec) -> Iterator[Problem]:
    """Rule 2.8.4: an ingress gateway is no destination."""
    for index, rule in enumerate(spec.rules):
        if rule.destination.ingress_gateway is not None:
            yield problems.error(
                subject,
                f"spec.rules[{index}].destination.ingressGateway",
                "cannot be a destination",
                "name the virtualService behind the gateway",
            )


def ambiguous_external_services(subject: Ref, spec: AccessPolicySpec) -> Iterator[Problem]:
    """Rule 2.8.5: an external service is exactly one of TCP, HTTP and HTTPS."""
    for at, service in fields.found(resources.ExternalService, spec):
        yield from choices.choice_problems(subject, at, service)


def odd_networks(subject: Ref, spec: AccessPolicySpec) -> Iterator[Problem]:
    """Rule 2.13.15: addresses are written as networks, as 10.0.0.0/8, without bits behind the prefix."""
    for at, service in fields.found(resources.TcpExternalService, spec):
        for index, text in enumerate(service.ip_addresses):
            yield from _network_problems(subject, f"{at}.ipAddresses[{index}]", text)


def _network_problems(subject: Ref, field: str, text: str) -> Iterator[Problem]:
    network = hosts.parsed_network(text)
    if network is None:
        fault = f"{wording.quoted(text)} is not an address or a network"
        yield problems.error(subject, field, fault, "write it as 10.0.0.0/8 or fd00::/8")
    elif "/" not in text:
        yield problems.warning(subject, field, f"{text} is read as {network}", f"write {network}")
    elif hosts.has_host_bits(text):
        fault = f"{text} is one address of {network}, and all of that network is meant"
        yield problems.warning(subject, field, fault, f"write {network}")


def odd_hostnames(subject: Ref, spec: AccessPolicySpec) -> Iterator[Problem]:
    """Rules 2.13.9 to 2.13.12: external host names can be read, are in lower case, are listed once, have no port."""
    by_http = fields.found(resources.HttpExternalService, spec)
    by_https = fields.found(resources.HttpsExternalService, spec)
    placed: tuple[tuple[str, ByName], ...] = (*by_http, *by_https)
    for at, service in placed:
        for index, text in enumerate(service.hostnames):
            field = f"{at}.hostnames[{index}]"
            yield from host_names.host_problems(subject, field, text)
            yield from host_names.unused_port(subject, field, text, "move it to ports")
        yield from host_names.repeated_hosts(subject, f"{at}.hostnames", service.hostnames)


def nameless_tls(subject: Ref, spec: AccessPolicySpec) -> Iterator[Problem]:
    """Rule 2.13.16: an HTTPS service has names; TLS never says the address that it calls."""
    for at, service in fields.found(resources.HttpsExternalService, spec):
        for index, text in enumerate(service.hostnames):
            host = hosts.parsed_host(text)
            if host is not None and host.is_address:
                yield problems.error(
                    subject,
                    f"{at}.hostnames[{index}]",
                    f"{host} is an address, which TLS does not announce, and can never match",
                    "write the name, or use tcpExternalService",
                )
