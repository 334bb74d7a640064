"""What whoever runs the program may choose, in one YAML file; every setting has a default that serves.

Law: read once at the start; an unknown or impossible setting stops the program with one line that names it.
"""

import dataclasses
import pathlib
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Self

import pydantic
import yaml

from mesh import external, hosts, resolve, resources
from mesh.problems import Ref
from mesh.resolve.crossings import ANY as EVERY
from mesh.rules import names
from meshloom import addresses, errors
from meshloom.identity.authority import rotation
from meshloom.identity.authority.rotation import DAY
from meshloom.injector import wishes
from translator import traffic
from watchers import files

Seconds = Annotated[float, pydantic.Field(gt=0, le=3600)]
Count = Annotated[int, pydantic.Field(ge=1)]


OFF = "off"
"""Instead of an address: nothing is served."""


class _Settings(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Limits(_Settings):
    """What one peer of the ADS port may ask for."""

    request_bytes: Annotated[int, pydantic.Field(ge=64 * 1024)] = 4 * 1024 * 1024
    names: Count = 10_000
    """Resource names in a subscription."""
    streams_per_peer: Count = 100
    """Streams of one node id: an Envoy has one, a gRPC program without a proxy one for each service it calls."""


class Observing(_Settings):
    """When a change is taken up."""

    settle_seconds: Seconds = 0.1
    """After the last change, so that a burst of changes is taken up once."""
    at_most_seconds: Seconds = 1.0
    """After the first change, even if they do not end."""


def _label(text: str) -> str:
    if not names.is_label(text):
        raise ValueError("is not the name of a namespace")
    return text


class Files(_Settings):
    """How files are read."""

    largest_bytes: Annotated[int, pydantic.Field(ge=1024)] = files.LARGEST
    """Bytes of one file."""
    poll_seconds: Seconds = 1.0
    """Between looks at the folder where the system gives no notice of changes, as on a network file system."""


def _listened(text: str) -> str:
    if text not in ("", OFF):
        addresses.parsed(text)
    return text


def _nearby(text: str) -> str:
    if _listened(text) not in ("", OFF) and not addresses.is_private(addresses.parsed(text)):
        raise ValueError("can be reached from elsewhere, where tokens would be read along; use 127.0.0.1")
    return text


class Kubernetes(_Settings):
    """How a cluster is followed."""

    namespaces: tuple[Annotated[str, pydantic.AfterValidator(_label)], ...] = ()
    """Those that are followed; none: the whole cluster."""
    webhook: Annotated[str, pydantic.AfterValidator(_listened)] = ""
    """Where the API server asks whether a change is let in; empty: `0.0.0.0:9443` in a pod, otherwise nowhere."""
    operator: Annotated[str, pydantic.AfterValidator(_nearby)] = ""
    """Where the operator API is served to who shows a token; empty: `127.0.0.1:15016` in a pod, otherwise nowhere."""
    silence_seconds: Annotated[float, pydantic.Field(ge=5, le=3600)] = 150.0
    """A watch on which nothing has come for so long is begun anew; an API server says something every minute."""
    patience_seconds: Seconds = 10.0
    """A kind that cannot be followed for so long is a problem; what does not pass by itself is one at once."""
    injection: wishes.Injection = wishes.Injection()
    evictions: wishes.Evictions = wishes.Evictions()


class Operating(_Settings):
    """Where people and machines ask how the program is. `off` closes a door."""

    health: Annotated[str, pydantic.AfterValidator(_listened)] = "127.0.0.1:15014"
    """Where `/livez`, `/readyz` and `/metrics` are served: `IP:PORT` or `unix:/path`."""
    socket: str = ""
    """Where the operator API is served: a path; empty: in the user's runtime directory."""


def _space(text: str) -> str:
    if text != EVERY and not names.is_label(text):
        raise ValueError(f"is neither the name of a namespace nor {EVERY}")
    return text


Space = Annotated[str, pydantic.AfterValidator(_space)]


def _kind(text: str) -> str:
    if text not in resources.KINDS:
        raise ValueError(f"is not one of {', '.join(resources.KINDS)}")
    return text


class Permit(_Settings):
    """From which namespace one may refer to which; `*` is any. Without `kinds`: objects of every kind may."""

    source: Space = pydantic.Field(alias="from")
    target: Space = pydantic.Field(alias="to")
    kinds: tuple[Annotated[str, pydantic.AfterValidator(_kind)], ...] = ()
    """Those that refer."""


class Resolving(_Settings):
    """How the open points of the original API are read."""

    paths_by_segment: bool = True
    """`/foo` matches `/foo/bar` but not `/foobar`; otherwise a path is a plain string prefix."""
    cross_namespace_references: resolve.CrossNamespace = resolve.CrossNamespace.ALLOW
    """Which references into other namespaces count: `allow` all, `same` none, `listed` those permitted below."""
    permitted_references: tuple[Permit, ...] = ()

    @pydantic.model_validator(mode="after")
    def _counts(self) -> Self:
        if self.permitted_references and self.cross_namespace_references is not resolve.CrossNamespace.LISTED:
            raise ValueError("permitted_references counts only where cross_namespace_references is listed")
        return self

    def settings(self) -> resolve.Settings:
        """Return them as the model takes them."""
        permits = (resolve.Permit(one.source, one.target, frozenset(one.kinds)) for one in self.permitted_references)
        crossings = resolve.Crossings(self.cross_namespace_references, tuple(permits))
        return resolve.Settings(paths_by_segment=self.paths_by_segment, crossings=crossings)


def _network(text: str) -> str:
    if hosts.parsed_network(text) is None or hosts.has_host_bits(text):
        raise ValueError("is not a network; write it as 10.0.0.0/8 or fd00::/8")
    return text


Network = Annotated[str, pydantic.AfterValidator(_network)]


class Egress(_Settings):
    """What is never outside of a mesh, whatever name or network a policy opens."""

    internal_networks: tuple[Network, ...] = ()
    """Beside loopback, link-local and the like: those of pods, of Services, of machines."""
    exempt_networks: tuple[Network, ...] = ()
    """Let through after all."""

    def refused(self) -> tuple[str, ...]:
        """Return the networks that are never outside."""
        return external.refused(self.internal_networks, self.exempt_networks)


def _address(text: str) -> str:
    namespace, slash, name = text.partition("/")
    if not slash or not names.is_label(namespace) or not names.is_subdomain(name):
        raise ValueError("is not the address of a Secret; write namespace/name")
    return text


class Certificates(_Settings):
    """What certificates come from, and how long they last."""

    authorities: Mapping[str, Annotated[str, pydantic.AfterValidator(_address)]] = {}
    """Ids as in `spec.certificateAuthorities` of a Mesh, each with the Secret to sign with, `namespace/name`."""
    gateway_secrets: Mapping[str, Annotated[str, pydantic.AfterValidator(_address)]] = {}
    """Ids as in `ociTlsCertificate` and `ociCaBundle` of an IngressGateway, each with the Secret that stands for it."""
    lifetime_seconds: Annotated[float, pydantic.Field(le=365 * DAY)] = DAY
    """Of a proxy's certificate; it is renewed at about half of that."""
    root_lifetime_days: Annotated[float, pydantic.Field(le=100 * 365)] = 5 * 365.0
    """Of a root that meshloom makes; the next one begins after four fifths of that."""

    @pydantic.model_validator(mode="after")
    def _last(self) -> Self:
        self.policy()
        return self

    def policy(self) -> rotation.Policy:
        """Return how long things last. Raises ValueError."""
        return rotation.Policy(leaf_life=self.lifetime_seconds, root_life=self.root_lifetime_days * DAY)


class Keeping(_Settings):
    """What keeps traffic alive without being asked for."""

    retries: bool = True
    """One more try, at another endpoint, of what has not reached anybody; never because of an answer."""
    outlier_detection: bool = True
    """Endpoints that fail five times in a row are left out for ten seconds or longer, at most half of them."""
    high_limits: bool = True
    """Room for a million connections and requests a cluster; otherwise Envoy's own 1024."""

    def kept(self) -> traffic.Traffic:
        """Return them as the compiler takes them."""
        return traffic.Traffic(self.retries, self.outlier_detection, self.high_limits)


class Settings(_Settings):
    """All settings."""

    certificates: Certificates = Certificates()

    limits: Limits = Limits()
    files: Files = Files()
    kubernetes: Kubernetes = Kubernetes()
    resolving: Resolving = Resolving()
    egress: Egress = Egress()
    traffic: Keeping = Keeping()
    observing: Observing = Observing()
    operating: Operating = Operating()
    state: str = ""
    """The folder of keys, certificates and revocations; empty: the user's own."""
    stop_seconds: Seconds = 5.0
    """How long open streams get to end when the program stops."""

    def model(self, *, in_cluster: bool = False) -> resolve.Settings:
        """Return what the model takes of them; `in_cluster` as in `resolve.Settings`."""
        written = self.certificates.gateway_secrets.items()
        secrets = {name: Ref("Secret", *address.split("/", 1)) for name, address in written}
        read = self.resolving.settings()
        refused = self.egress.refused()
        return dataclasses.replace(read, gateway_secrets=secrets, refused=refused, in_cluster=in_cluster)


def loaded(path: pathlib.Path | None) -> Settings:
    """Return the settings of a YAML file, the defaults without one. Raises errors.UserError."""
    if path is None:
        return Settings()
    try:
        text = path.read_bytes()
    except OSError as fault:
        raise errors.UserError(f"settings {path} cannot be read: {' '.join(str(fault).split())}") from None
    return parsed(text, str(path))


def parsed(text: str | bytes, where: str) -> Settings:
    """Return the settings of YAML; `where` is what it is called in what goes wrong. Raises errors.UserError."""
    try:
        document: Any = yaml.safe_load(text)
    except yaml.YAMLError as fault:
        raise errors.UserError(f"settings {where} cannot be read: {' '.join(str(fault).split())}") from None
    try:
        return Settings.model_validate(document or {})
    except pydantic.ValidationError as fault:
        raise errors.UserError(f"settings {where}: {'; '.join(_lines(fault))}") from None


def _lines(fault: pydantic.ValidationError) -> Iterator[str]:
    for found in fault.errors(include_url=False, include_input=False, include_context=False):
        yield f"{'.'.join(map(str, found['loc'])) or 'the file'}: {found['msg']}"
