"""What a schema cannot say, in CEL: rules of one object that the original had too, in the words of `mesh.rules`.

Law: nothing is refused here that the original let in or that `mesh.rules` lets in; what needs the object's namespace,
other objects, or more time than the API server grants is left to the webhook. A rule is numbered as in `mesh.rules`.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from mesh import resources
from mesh.resources import Model
from mesh.rules import access, fields, gateways, names, transitions, wording

Schema = dict[str, Any]


class Constraint(NamedTuple):
    """An expression that must be true, and what is said where it is not.

    The words are fixed: to put values into them costs more than an API server grants, where texts may be long. `field`
    is the place that is named in the answer, relative to where the constraint stands.
    """

    rule: str
    message: str
    field: str = ""

    def document(self) -> Schema:
        """Return it as a member of `x-kubernetes-validations`."""
        found = {"rule": self.rule, "message": self.message, "fieldPath": self.field}
        return {key: value for key, value in found.items() if value}


def _one_of(
    model: type[Model], offered: tuple[str, ...] = (), at: str = "self", when: str = ""
) -> Iterator[Constraint]:
    """Yield what makes a choice of exactly one member; `when` is the condition under which there has to be one."""
    members = tuple(fields.known_fields(model))
    unless, field = f"!({when}) || " if when else "", at.removeprefix("self")
    some = " || ".join(f"has({at}.{name})" for name in members)
    yield Constraint(f"{unless}{some}", f"is empty; add one of {', '.join(offered or members)}", field)
    for pair in itertools.combinations(members, 2):
        alone = " || ".join(f"!has({at}.{name})" for name in pair)
        yield Constraint(f"{unless}{alone}", f"has {wording.both(pair)} at once; keep one of them", field)


def reference(field: str) -> Iterator[Constraint]:
    """Rule 2.3.2: a reference has exactly one of `ref` and `id`."""
    kind = field[:1].upper() + field[1:]
    yield Constraint("has(self.ref) || has(self.id)", f"has neither ref nor id; add ref with the name of the {kind}")
    both = f"has ref and id at once; keep the one that names the {kind}"
    yield Constraint("!has(self.ref) || !has(self.id)", both)


def _equal_ports() -> Iterator[Constraint]:
    """Rule 2.7.2: the destinations of one rule name the same port, or all name none."""
    first = "self.destinations[0]"
    same = f"has(d.port) == has({first}.port) && (!has(d.port) || d.port == {first}.port)"
    fault = "name different ports; give all of them the same port, or none of them a port"
    yield Constraint(f"self.destinations.all(d, {same})", fault, ".destinations")


def _discovery() -> Iterator[Constraint]:
    """Rules 2.6.1 and 2.6.2: discovery by DNS needs a hostname, disabled discovery has none."""
    missing = "is missing, and discovery by DNS needs it; add it, or set type to DISABLED"
    yield Constraint("self.type != 'DNS' || (has(self.hostname) && self.hostname != '')", missing, ".hostname")
    needless = "is given, but discovery is DISABLED; remove it, or set type to DNS"
    yield Constraint("self.type != 'DISABLED' || !has(self.hostname) || self.hostname == ''", needless, ".hostname")


def _sides() -> Iterator[Constraint]:
    """Rules 2.8.2 and 2.8.4: what is outside is no source, and a gateway no destination."""
    outside = (
        "cannot be a source, because who calls from outside cannot be recognised; name an ingressGateway and let the "
        "calls come through it"
    )
    yield Constraint("!has(self.source.externalService)", outside, ".source.externalService")
    gateway = "cannot be a destination; name the virtualService behind the gateway"
    yield Constraint("!has(self.destination.ingressGateway)", gateway, ".destination.ingressGateway")


def _named_hosts() -> Iterator[Constraint]:
    """Rule 2.9.1: a host with an HTTP or TLS_PASSTHROUGH listener has a name."""
    named = "(has(self.hostnames) && self.hostnames.size() > 0)"
    for protocol in ("HTTP", "TLS_PASSTHROUGH"):
        fault = f"is empty, and a {protocol} listener needs a name; add the names by which clients call, or `*` for all"
        yield Constraint(f"{named} || self.listeners.all(l, l.protocol != '{protocol}')", fault, ".hostnames")


def _high_ports() -> Iterator[Constraint]:
    """Rule 2.9.2: a gateway listens on ports from 1024."""
    lowest = gateways.LOWEST_PORT
    remedy = "use a higher port and let serviceport of the IngressGatewayDeployment offer the lower one"
    yield Constraint(f"self.port >= {lowest}", f"is below {lowest}; {remedy}", ".port")


def _certificates() -> Iterator[Constraint]:
    """Rule 2.9.3: what is served by TLS has a certificate from exactly one source."""
    for mode in ("TLS", "PERMISSIVE", "MUTUAL_TLS"):
        fault = f"is missing, and mode {mode} needs it; add it with kubeSecretTlsCertificate"
        yield Constraint(f"self.mode != '{mode}' || has(self.serverCertificate)", fault, ".serverCertificate")
    is_shown = "self.mode != 'DISABLED' && has(self.serverCertificate)"
    yield from _one_of(resources.TlsCertificate, at="self.serverCertificate", when=is_shown)
    yield from _authorities()


def _authorities() -> Iterator[Constraint]:
    """Rule 2.9.4: MUTUAL_TLS has a trusted CA bundle from exactly one source."""
    field = ".clientValidation.trustedCaBundle"
    has_bundle = f"has(self.clientValidation) && has(self{field})"
    fault = "is missing, and mode MUTUAL_TLS needs it to check clients"
    remedy = "add it with kubeSecretCaBundle, or set mode to TLS"
    yield Constraint(f"self.mode != 'MUTUAL_TLS' || ({has_bundle})", f"{fault}; {remedy}", field)
    yield from _one_of(resources.CaBundle, at=f"self{field}", when=f"self.mode == 'MUTUAL_TLS' && {has_bundle}")


def _bounds() -> Iterator[Constraint]:
    """Rule 2.11.1: minPods is at most maxPods."""
    fault = "is above maxPods; lower it or raise maxPods"
    yield Constraint("self.minPods <= self.maxPods", fault, ".minPods")


def _service_ports() -> Iterator[Constraint]:
    """Rules 2.11.2 and 2.11.4: a serviceport has a service, and of several each has a name."""
    needless = "serviceport is given, but there is no service; add spec.service, or remove it"
    yield Constraint("has(self.service) || self.ports.all(p, !has(p.serviceport))", needless, ".ports")
    named = "self.ports.all(p, !has(p.serviceport) || (has(p.name) && p.name != ''))"
    nameless = "name is missing, and a service with several ports needs it; add a name such as http"
    yield Constraint(f"self.ports.filter(p, has(p.serviceport)).size() <= 1 || {named}", nameless, ".ports")


_OF_MODELS: Mapping[type[Model], Callable[[], Iterator[Constraint]]] = {
    resources.RouteRule: lambda: _one_of(resources.RouteRule),
    resources.GatewayRouteRule: lambda: _one_of(resources.GatewayRouteRule),
    resources.ExternalService: lambda: _one_of(resources.ExternalService),
    resources.HttpRoute: _equal_ports,
    resources.TcpRoute: _equal_ports,
    resources.TlsPassthroughRoute: _equal_ports,
    resources.ServiceDiscovery: _discovery,
    resources.AccessPolicyRule: _sides,
    resources.GatewayHost: _named_hosts,
    resources.GatewayListener: _high_ports,
    resources.ListenerTls: _certificates,
    resources.Autoscaling: _bounds,
    resources.IngressGatewayDeploymentSpec: _service_ports,
}
"""What holds wherever a model stands."""

_OFFERED: Mapping[str, tuple[str, ...]] = {"source": access.SOURCES, "destination": access.DESTINATIONS}


def of_field(name: str, model: type[Model]) -> tuple[Constraint, ...]:
    """Return what holds for a model in the field of this name."""
    if model is resources.RefOrId:
        return tuple(reference(name))
    if model is resources.TrafficTarget:
        return tuple(_one_of(model, _OFFERED[name]))
    return tuple(_OF_MODELS[model]()) if model in _OF_MODELS else ()


def of_spec(kind: type[resources.Resource], spec: type[Model]) -> tuple[Constraint, ...]:
    """Return what holds from one version of a spec to the next: rules 2.3.4, 2.3.5 and 2.4.1."""
    inner, fixed = fields.known_fields(spec), (fields.alias(spec, name) for name in transitions.FIXED[kind])
    return tuple(_fixed(name, inner[name]) for name in fixed)


def _fixed(name: str, model: type[Model] | None) -> Constraint:
    same = _same_reference(name) if model is resources.RefOrId else _same(f"self.{name}", f"oldSelf.{name}")
    fault = "cannot be changed after creation; set it back, or create a new object under another name"
    return Constraint(same, fault, f".{name}")


def _same(new: str, old: str) -> str:
    return f"has({new}) == has({old}) && (!has({new}) || {new} == {old})"


def _same_reference(name: str) -> str:
    """Compare what references mean: a namespace on one side only may be the object's own, which CEL cannot know."""
    new, old = f"self.{name}", f"oldSelf.{name}"
    spaces = tuple(f"{side}.ref.__namespace__" for side in (new, old))
    missing = " || ".join(f"!has({space})" for space in spaces)
    names_alike = f"{new}.ref.name == {old}.ref.name && ({missing} || {' == '.join(spaces)})"
    return (
        f"{_same(f'{new}.id', f'{old}.id')} && has({new}.ref) == has({old}.ref) && (!has({new}.ref) || ({names_alike}))"
    )


def of_object() -> tuple[Constraint, ...]:
    """Return what holds for each whole object: rule 2.3.1."""
    longest = names.LONGEST_NAME
    fault = f"metadata.name has more than the {longest} characters allowed; shorten it"
    return (Constraint(f"self.metadata.name.size() <= {longest}", fault),)
