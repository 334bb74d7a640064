"""How the listeners of a gateway receive: in clear, by TLS, or both, with certificates from which Secrets.

Law: a listener that lacks what its TLS needs is not served at all, and says why; it never falls back to less.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from mesh import certificates, graph, problems, resources
from mesh.certificates import Use
from mesh.problems import Problem, Ref
from mesh.resources import GatewayProtocol, TlsMode
from mesh.rules import gateways, wording

Wanted = tuple[Ref, Use]
"""A Secret, and what for."""
SETTING = "certificates.gateway_secrets"


class Source(NamedTuple):
    """A Secret, what for, and where that is written, by name or by an id; no Secret: an id that stands for none."""

    secret: Ref | None
    use: Use
    field: str
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Keys:
    """Where certificates are: the namespace of the Secrets that are named, those that ids stand for, and why some of
    them cannot be used. Where a list of names is given, no others count.
    """

    namespace: str
    ids: Mapping[str, Ref] = field(default_factory=dict)
    faults: Mapping[Wanted, str] = field(default_factory=dict)
    listed: frozenset[str] | None = None

    def lacks(self, source: Source) -> bool:
        """Return whether what a source means cannot be used."""
        return source.secret is None or not self.lists(source) or bool(self.faults.get((source.secret, source.use)))

    def lists(self, source: Source) -> bool:
        """Return whether a Secret may be used: ids are mapped by whoever runs the control plane, and need no list."""
        if self.listed is None or source.id is not None or source.secret is None:
            return True
        return source.secret.name in self.listed


@dataclass(frozen=True, slots=True)
class Reception:
    """How a listener receives."""

    tls: graph.GatewayTls | None = None
    in_clear: bool = True


IN_CLEAR = Reception()


def reception(listener: resources.GatewayListener, keys: Keys) -> Reception | None:
    """Return how a listener receives; None where it cannot be served."""
    tls = listener.tls
    if tls is None or not _opens(listener):
        return IN_CLEAR
    found = sources("", listener, keys)
    if any(keys.lacks(source) for source in found) or not _is_complete(tls, found):
        return None
    by_use = {source.use: source.secret for source in found}
    certificate, authorities = by_use[Use.SERVER], by_use.get(Use.CLIENTS)
    if certificate is None:
        return None
    names = tls.client_validation.subject_alternate_names if tls.client_validation and authorities else ()
    return Reception(graph.GatewayTls(certificate, authorities, names), tls.mode is TlsMode.PERMISSIVE)


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


def wanted(spec: resources.IngressGatewaySpec, keys: Keys) -> tuple[Wanted, ...]:
    """Return the Secrets that the listeners of a gateway name and that may be used, each once."""
    placed = gateways.placed_listeners(spec)
    found = (source for at, _, one in placed for source in sources(at, one, keys) if keys.lists(source))
    return tuple(dict.fromkeys((source.secret, source.use) for source in found if source.secret is not None))


def _opens(listener: resources.GatewayListener) -> bool:
    """Return whether TLS ends at a listener."""
    is_on = listener.tls is not None and listener.tls.mode is not TlsMode.DISABLED
    return is_on and listener.protocol is not GatewayProtocol.TLS_PASSTHROUGH


def sources(at: str, listener: resources.GatewayListener, keys: Keys) -> tuple[Source, ...]:
    """Return what the listener at a place needs for its TLS, none where TLS does not end there."""
    tls = listener.tls
    if tls is None or not _opens(listener):
        return ()
    certificate, bundle = tls.server_certificate, _bundle(tls)
    return (
        *(_certificates(f"{at}.tls.serverCertificate", certificate, keys) if certificate else ()),
        *(_authorities(f"{at}.tls.clientValidation.trustedCaBundle", bundle, keys) if bundle else ()),
    )


def _certificates(at: str, written: resources.TlsCertificate, keys: Keys) -> Iterator[Source]:
    if one := written.kube_secret_tls_certificate:
        field = f"{at}.kubeSecretTlsCertificate.secretName"
        yield Source(Ref("Secret", keys.namespace, one.secret_name), Use.SERVER, field)
    if other := written.oci_tls_certificate:
        text = other.certificate_id
        yield Source(keys.ids.get(text), Use.SERVER, f"{at}.ociTlsCertificate.certificateId", text)


def _authorities(at: str, written: resources.CaBundle, keys: Keys) -> Iterator[Source]:
    if one := written.kube_secret_ca_bundle:
        secret = Ref("Secret", keys.namespace, one.secret_name)
        yield Source(secret, Use.CLIENTS, f"{at}.kubeSecretCaBundle.secretName")
    if other := written.oci_ca_bundle:
        text = other.ca_bundle_id
        yield Source(keys.ids.get(text), Use.CLIENTS, f"{at}.ociCaBundle.caBundleId", text)


def faults(subject: Ref, source: Source, keys: Keys) -> Iterator[Problem]:
    """Rules 2.9.6 and 2.9.7: a Secret that a listener names can be used; an id stands for one."""
    if source.secret is None:
        text = wording.quoted(source.id or "")
        fault = f"nobody has said which Secret {text} stands for, so this listener is not served"
        remedy = f"put the certificates into a Secret and name that, or map the id to one by {SETTING}"
        yield problems.error(subject, source.field, fault, remedy)
    elif said := keys.faults.get((source.secret, source.use)):
        name = Ref("Secret", source.secret.namespace, wording.printable(source.secret.name))
        fault = f"{name} {said}, so this listener is not served"
        yield problems.error(subject, source.field, fault, certificates.REMEDIES[source.use])
