"""Who may open an ADS stream: by a join token, a Kubernetes token or a client certificate, as which proxy, how long.

Law: closed by default. What decides when a stream begins decides as long as it lasts, by the same function. Messages
and logs hold nothing of a token.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final, Protocol

from mesh.problems import Ref
from meshloom.identity import certificates, claim, register, tokens, unproven
from translator import proxies
from xds import node as nodes
from xds import ports

HEADER: Final = "authorization"


class Directory(Protocol):
    """What the mesh is like now; asked on the event loop, must answer at once."""

    def identity(self, owner: Ref) -> str | None:
        """Return the SPIFFE URI of an IngressGateway, or of the VirtualService that a VirtualDeployment belongs to."""

    def roots(self, trust_domain: str) -> bytes:
        """Return the root certificates of a mesh by its trust domain, in PEM; empty if there is no such mesh."""


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod that runs, as the API server knows it by the token it was given."""

    namespace: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A token that the API server accepts, and when it expires, in seconds since the epoch."""

    pod: Pod
    until: float


class ReviewError(Exception):
    """The API server could not be asked."""


class TokenReviewer(Protocol):
    """Asks the API server about ServiceAccount tokens."""

    async def review(self, token: str, audience: str) -> Reviewed | None:
        """Return whose token it is, None if it is not accepted for this audience or not bound to a pod.

        Answers within seconds. Raises ReviewError.
        """


class Pods(Protocol):
    """Which proxies pods are; asked on the event loop, must answer at once."""

    def owners(self, pod: Pod) -> frozenset[Ref]:
        """Return the VirtualDeployments and IngressGateways whose proxies run in a pod, none if it is gone."""

    def deployment(self, pod: Pod) -> Ref | None:
        """Return the IngressGatewayDeployment for which a gateway's pod was made, None for all others."""


@dataclass(frozen=True, slots=True)
class Kubernetes:
    """The two ports that tokens of ServiceAccounts need."""

    reviewer: TokenReviewer
    pods: Pods


class Clock(Protocol):
    """Says what time it is."""

    def __call__(self) -> float:
        """Return the seconds since the epoch."""


class Gatekeeper:
    """Asks for proofs (`xds.ports.Gatekeeper`). `in_clear` says whether peers in clear are taken at their word."""

    def __init__(
        self,
        known: register.Register,
        directory: Directory,
        now: Clock,
        *,
        in_clear: bool = False,
        kubernetes: Kubernetes | None = None,
    ) -> None:
        self._known, self._directory, self._now = known, directory, now
        self._in_clear, self._kubernetes = in_clear, kubernetes

    async def proof(self, caller: ports.Caller) -> ports.Proof | ports.Refusal:
        """Return what the peer has proven, or why that is nothing."""
        if not caller.encrypted:
            return unproven.NOTHING if self._in_clear else _IN_CLEAR
        if caller.certificate:
            return self._certified(caller)
        if HEADER not in caller.metadata:
            return _ABSENT
        try:
            token = tokens.bare(caller.metadata[HEADER])
            if self._kubernetes is None or tokens.key_id(token) in self._known.known.keys:
                return self._joined(token)
            return await self._reviewed(token, self._kubernetes)
        except tokens.TokenError as fault:
            return _unauthenticated(fault.reason, str(fault))

    def key(self, proof: ports.Proof, node: nodes.Node) -> proxies.Proxy | ports.Refusal:
        """Return the proxy that a node claims to be, or why it cannot be understood."""
        proxy = unproven.claimed(node)
        if isinstance(proxy, ports.Refusal) or isinstance(proof.of, unproven.Unproven):
            return proxy
        instance = claim.instance(proxy, node.id)
        if instance is None:
            return _denied("contradiction", f"the node id contradicts the node's metadata; {claim.REMEDY}")
        if instance and isinstance(proof.of, Pod) and instance != proof.of.name:
            return _denied("contradiction", f"the node id names another pod than {proof.of.namespace}/{proof.of.name}")
        if isinstance(proxy, proxies.Gateway) and isinstance(proof.of, Pod):
            return proxy._replace(deployment=self._deployment(proof.of))
        return proxy

    def denied(self, proof: ports.Proof, key: Hashable) -> ports.Refusal | None:
        """Return why a proof does not give access to a proxy's configuration now; None if it does."""
        if not isinstance(key, proxies.Proxy):
            raise TypeError(f"{type(key).__name__} is no proxy")
        owner = claim.owner(key)
        match proof.of:
            case unproven.Unproven():
                return None
            case tokens.Token() as token:
                return self._token_denied(token, owner)
            case certificates.Certified() as certified:
                return self._certificate_denied(certified, owner)
            case Pod() as pod:
                return self._pod_denied(pod, key)
            case other:
                raise TypeError(f"{type(other).__name__} is no proof")

    def _certified(self, caller: ports.Caller) -> ports.Proof | ports.Refusal:
        try:
            roots = self._directory.roots
            return ports.Proof(*certificates.verified(caller.certificate, caller.chain, roots, self._now()))
        except certificates.CertificateError as fault:
            return _unauthenticated(fault.reason, str(fault))

    def _joined(self, text: str) -> ports.Proof | ports.Refusal:
        """Raises tokens.TokenError."""
        known = self._known.known
        token = tokens.read(text, known.keys)
        fault = known.fault(token, self._now())
        if fault is not None:
            raise fault
        return ports.Proof(token, float(token.expires))

    async def _reviewed(self, token: str, kubernetes: Kubernetes) -> ports.Proof | ports.Refusal:
        try:
            reviewed = await kubernetes.reviewer.review(token, tokens.AUDIENCE)
        except ReviewError:
            return ports.Refusal("UNAVAILABLE", "the API server cannot be asked about the token now", "unavailable")
        if reviewed is None:
            return _unauthenticated("foreign", "the token is neither a join token nor one that the API server accepts")
        return ports.Proof(reviewed.pod, reviewed.until)

    def _token_denied(self, token: tokens.Token, owner: Ref) -> ports.Refusal | None:
        fault = self._known.known.fault(token, self._now())
        if fault is not None:
            return _unauthenticated(fault.reason, str(fault))
        return None if token.owner == owner else _other(f"token is of {token.owner}", owner)

    def _certificate_denied(self, certified: certificates.Certified, owner: Ref) -> ports.Refusal | None:
        if certified.root not in certificates.fingerprints(self._directory.roots(certified.trust_domain)):
            return _unauthenticated("revoked", "the root of the certificate is not trusted any more")
        if self._directory.identity(owner) != certified.uri:
            return _other(f"certificate is of {certified.uri}", owner)
        return _OF_WHICH if self._kubernetes is not None and owner.kind == "IngressGateway" else None

    def _pod_denied(self, pod: Pod, key: proxies.Proxy) -> ports.Refusal | None:
        owner = claim.owner(key)
        owners = self._kubernetes.pods.owners(pod) if self._kubernetes is not None else frozenset()
        is_its_own = not isinstance(key, proxies.Gateway) or (
            key.deployment and key.deployment == self._deployment(pod)
        )
        is_bound = owner in owners and is_its_own
        return None if is_bound else _other(f"pod {pod.namespace}/{pod.name} is not bound to it", owner)

    def _deployment(self, pod: Pod) -> Ref | None:
        return self._kubernetes.pods.deployment(pod) if self._kubernetes is not None else None


def _unauthenticated(reason: str, message: str) -> ports.Refusal:
    return ports.Refusal("UNAUTHENTICATED", message, reason)


def _denied(reason: str, message: str) -> ports.Refusal:
    return ports.Refusal("PERMISSION_DENIED", message, reason)


def _other(what: str, owner: Ref) -> ports.Refusal:
    return _denied("deployment", f"the node says that it is {owner}, but the {what}")


_ABSENT: Final = _unauthenticated(
    "absent",
    "no token and no client certificate; make a token with `meshloom token create` and name it in the bootstrap",
)
_OF_WHICH: Final = _denied(
    "deployment",
    "in a cluster a certificate does not say for which IngressGatewayDeployment a gateway runs, on which its Secrets "
    "depend; show the token of its pod, or outside of the cluster a join token",
)
_IN_CLEAR: Final = _unauthenticated("plaintext", "ADS in clear proves nothing; use TLS")
