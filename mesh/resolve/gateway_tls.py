"""How the listeners of a gateway receive: in clear, by TLS, or both, with certificates from which Secrets.

Law: a listener that lacks what its TLS needs is not served at all, and says why; it never falls back to less.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from mesh import certificates, graph, problems, resources
from mesh.certificates import Use
from mesh.problems import Problem, Ref
from mesh.resolve.references import Settled
from mesh.resources import GatewayProtocol, TlsMode
from mesh.rules import gateways, wording

Wanted = tuple[Ref, Use]
"""A Secret, and what for."""
SETTING = "certificates.gateway_secrets"


@dataclass(frozen=True, slots=True)
class Keys:
    """Where certificates are: the Secrets that ids stand for, and why some of the Secrets cannot be used."""

    ids: Mapping[str, Ref] = field(default_factory=dict)
    faults: Mapping[Wanted, str] = field(default_factory=dict)


class Source(NamedTuple):
    """A Secret, what for, and where that is written; None: an id that stands for none."""

    secret: Ref | None
    use: Use
    field: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Reception:
    """How a listener receives."""

    tls: graph.GatewayTls | None = None
    in_clear: bool = True


IN_CLEAR = Reception()


def reception(subject: Ref, at: str, listener: resources.GatewayListener, keys: Keys) -> Settled[Reception | None]:
    """Return how a listener receives; None where it cannot be served."""
    tls = listener.tls
    if tls is None or not _opens(listener):
        return Settled(IN_CLEAR)
    sources = tuple(_sources(subject.namespace, at, tls, keys.ids))
    found = tuple(problem for source in sources for problem in _faults(subject, source, keys))
    if found or not _is_complete(tls, sources):
        return Settled(None, found)
    by_use = {source.use: source.secret for source in sources}
    certificate, authorities = by_use[Use.SERVER], by_use.get(Use.CLIENTS)
    assert certificate is not None  # noqa: S101 - what is missing is among the faults
    names = tls.client_validation.subject_alternate_names if tls.client_validation and authorities else ()
    return Settled(Reception(graph.GatewayTls(certificate, authorities, names), tls.mode is TlsMode.PERMISSIVE))


def _is_complete(tls: resources.ListenerTls, sources: tuple[Source, ...]) -> bool:
    """Return whether all that a mode needs has one source; rules 2.9.3, 2.9.4 and 2.13.19 say so if not."""
    uses = [source.use for source in sources]
    names = tls.client_validation.subject_alternate_names if tls.client_validation else ()
    is_asked = _bundle(tls) is not None or (tls.mode is TlsMode.PERMISSIVE and bool(names))
    checks_clients = tls.mode is TlsMode.MUTUAL_TLS or is_asked
    return uses.count(Use.SERVER) == 1 and uses.count(Use.CLIENTS) == int(checks_clients)


def _bundle(tls: resources.ListenerTls) -> resources.CaBundle | None:
    """Return whose certificates are asked of clients: mode TLS asks for none."""
    return tls.client_validation.trusted_ca_bundle if tls.client_validation and tls.mode is not TlsMode.TLS else None


def wanted(spec: resources.IngressGatewaySpec, namespace: str, ids: Mapping[str, Ref]) -> tuple[Wanted, ...]:
    """Return the Secrets that the listeners of a gateway name, each once."""
    blocks = ((at, one.tls) for at, _, one in gateways.placed_listeners(spec) if _opens(one) and one.tls)
    sources = (source for at, tls in blocks for source in _sources(namespace, at, tls, ids))
    return tuple(dict.fromkeys((source.secret, source.use) for source in sources if source.secret is not None))


def _opens(listener: resources.GatewayListener) -> bool:
    """Return whether TLS ends at a listener."""
    is_on = listener.tls is not None and listener.tls.mode is not TlsMode.DISABLED
    return is_on and listener.protocol is not GatewayProtocol.TLS_PASSTHROUGH


def _sources(namespace: str, at: str, tls: resources.ListenerTls, ids: Mapping[str, Ref]) -> Iterator[Source]:
    if tls.server_certificate is not None:
        yield from _certificates(namespace, f"{at}.tls.serverCertificate", tls.server_certificate, ids)
    if (bundle := _bundle(tls)) is not None:
        yield from _authorities(namespace, f"{at}.tls.clientValidation.trustedCaBundle", bundle, ids)


def _certificates(
    namespace: str, at: str, written: resources.TlsCertificate, ids: Mapping[str, Ref]
) -> Iterator[Source]:
    if one := written.kube_secret_tls_certificate:
        field = f"{at}.kubeSecretTlsCertificate.secretName"
        yield Source(Ref("Secret", namespace, one.secret_name), Use.SERVER, field)
    if other := written.oci_tls_certificate:
        text = other.certificate_id
        yield Source(ids.get(text), Use.SERVER, f"{at}.ociTlsCertificate.certificateId", text)


def _authorities(namespace: str, at: str, written: resources.CaBundle, ids: Mapping[str, Ref]) -> Iterator[Source]:
    if one := written.kube_secret_ca_bundle:
        yield Source(Ref("Secret", namespace, one.secret_name), Use.CLIENTS, f"{at}.kubeSecretCaBundle.secretName")
    if other := written.oci_ca_bundle:
        text = other.ca_bundle_id
        yield Source(ids.get(text), Use.CLIENTS, f"{at}.ociCaBundle.caBundleId", text)


def _faults(subject: Ref, source: Source, keys: Keys) -> Iterator[Problem]:
    """Rules 2.9.6 and 2.9.7: a Secret that a listener names can be used; an id stands for one."""
    if source.secret is None:
        fault = f"nobody has said which Secret {wording.quoted(source.text)} stands for, so this listener is not served"
        remedy = f"put the Secret beside the gateway and name it, or map the id to one by {SETTING}"
        yield problems.error(subject, source.field, fault, remedy)
    elif said := keys.faults.get((source.secret, source.use)):
        name = Ref("Secret", source.secret.namespace, wording.printable(source.secret.name))
        fault = f"{name} {said}, so this listener is not served"
        yield problems.error(subject, source.field, fault, certificates.REMEDIES[source.use])
