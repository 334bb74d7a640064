"""Rules for the TLS of IngressGateway listeners.

Law: each function is one rule, named for what it finds; a wish that cannot be kept is an error where it would weaken
the gateway.
"""

from collections.abc import Iterator

from mesh import problems
from mesh.problems import Problem, Ref
from mesh.resources import GatewayProtocol, IngressGatewaySpec, ListenerTls, TlsMode
from mesh.rules import choices, gateways, wording

_CHECKING_CLIENTS = (TlsMode.PERMISSIVE, TlsMode.MUTUAL_TLS)


def _placed(spec: IngressGatewaySpec) -> Iterator[tuple[str, ListenerTls]]:
    for at, _, listener in gateways.placed_listeners(spec):
        if listener.tls is not None:
            yield f"{at}.tls", listener.tls


def missing_certificates(subject: Ref, spec: IngressGatewaySpec) -> Iterator[Problem]:
    """Rule 2.9.3: modes TLS, PERMISSIVE and MUTUAL_TLS have a server certificate from exactly one source."""
    for at, tls in _placed(spec):
        if tls.mode is TlsMode.DISABLED:
            continue
        if tls.server_certificate is None:
            fault = f"is missing, and mode {tls.mode.value} needs it"
            yield problems.error(subject, f"{at}.serverCertificate", fault, "add it with kubeSecretTlsCertificate")
        else:
            yield from choices.choice_problems(subject, f"{at}.serverCertificate", tls.server_certificate)


def missing_authorities(subject: Ref, spec: IngressGatewaySpec) -> Iterator[Problem]:
    """Rule 2.9.4: mode MUTUAL_TLS has a trusted CA bundle from exactly one source; PERMISSIVE has none or one."""
    for at, tls in _placed(spec):
        bundle = tls.client_validation and tls.client_validation.trusted_ca_bundle
        field = f"{at}.clientValidation.trustedCaBundle"
        if tls.mode is TlsMode.MUTUAL_TLS and not bundle:
            fault = "is missing, and mode MUTUAL_TLS needs it to check clients"
            yield problems.error(subject, field, fault, "add it with kubeSecretCaBundle, or set mode to TLS")
        if tls.mode in _CHECKING_CLIENTS and bundle:
            yield from choices.choice_problems(subject, field, bundle)


def unchecked_names(subject: Ref, spec: IngressGatewaySpec) -> Iterator[Problem]:
    """Rule 2.13.19: names of client certificates are asked for only where an authority vouches for them."""
    for at, tls in _placed(spec):
        checks = tls.client_validation
        if (
            tls.mode is TlsMode.PERMISSIVE
            and checks
            and checks.subject_alternate_names
            and not checks.trusted_ca_bundle
        ):
            yield problems.error(
                subject,
                f"{at}.clientValidation.subjectAlternateNames",
                "cannot be checked without trustedCaBundle",
                "add trustedCaBundle, or remove the names",
            )


def literal_names(subject: Ref, spec: IngressGatewaySpec) -> Iterator[Problem]:
    """Rule 2.13.20: names of client certificates are written in full; a `*` stands for itself."""
    for at, tls in _placed(spec):
        for index, name in enumerate(tls.client_validation.subject_alternate_names if tls.client_validation else ()):
            if "*" in name or not name:
                yield problems.warning(
                    subject,
                    f"{at}.clientValidation.subjectAlternateNames[{index}]",
                    f"{wording.quoted(name)} is compared letter by letter and will hardly match",
                    "write a name of the client certificate in full",
                )


def unused_tls(subject: Ref, spec: IngressGatewaySpec) -> Iterator[Problem]:
    """Rule 2.13.21: a tls block says nothing that its mode or its listener's protocol ignores."""
    for at, _, listener in gateways.placed_listeners(spec):
        if listener.tls is None:
            continue
        if listener.protocol is GatewayProtocol.TLS_PASSTHROUGH and listener.tls.mode is not TlsMode.DISABLED:
            fault = "is ignored: a TLS_PASSTHROUGH listener hands the encrypted stream on unopened"
            yield problems.warning(subject, f"{at}.tls", fault, "remove it, or set protocol to HTTP or TCP")
        elif listener.tls.mode is TlsMode.DISABLED and len(choices.chosen(listener.tls)) > 1:
            fault = "is DISABLED, so that certificates are ignored and clients talk in clear"
            yield problems.warning(subject, f"{at}.tls.mode", fault, "set it to TLS, or remove the certificates")
        elif listener.tls.mode is TlsMode.TLS and listener.tls.client_validation:
            fault = "is ignored: mode TLS checks no client"
            remedy = "set mode to MUTUAL_TLS, or remove clientValidation"
            yield problems.warning(subject, f"{at}.tls.clientValidation", fault, remedy)
