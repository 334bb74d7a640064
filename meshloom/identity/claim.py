"""What a proxy says of itself: its place in the mesh, as metadata of its node.

Law: `proxy(metadata(p)) == p`, but for the deployment of a gateway's pod, which nobody can claim; what is not exactly
of this form is refused, with the remedy, and never guessed at.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

import pydantic

from mesh.problems import Ref
from meshloom import addresses
from meshloom.identity import ways
from translator import names, proxies

KEY = "meshloom"
"""Under this key of the node's metadata the claim is found."""

REMEDY = "make the bootstrap with `meshloom bootstrap`"
NODE_ID_LIMIT = 1024
STATISTICS_PORT, HEALTH_PORT = 15006, 15010
PROXY_PORTS = (names.OUTBOUND_PORT, STATISTICS_PORT, HEALTH_PORT)
"""What a sidecar binds beside the ports of its deployment."""

_NAME = "[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?"
_REFERENCE = re.compile(f"{_NAME}/{_NAME}")
_DEPLOYMENT, _GATEWAY = "VirtualDeployment", "IngressGateway"


class ClaimError(ValueError):
    """A claim that cannot be understood; its text is one line for whoever made the bootstrap."""


def _reference(text: str) -> str:
    if len(text) > 2 * 253 + 1 or not _REFERENCE.fullmatch(text):
        raise ValueError("is not of the form namespace/name")
    return text


def _whole(port: Any) -> Any:
    """Return the port as an integer where protobuf's Struct has made it a double."""
    return int(port) if isinstance(port, float) and port.is_integer() else port


def _port_number(text: str) -> str:
    if not 0 < int(text) < 65536:
        raise ValueError("is not a port, which is a number from 1 to 65535")
    return text


Reference = Annotated[str, pydantic.AfterValidator(_reference)]
Ip = Annotated[str, pydantic.Field(max_length=64), pydantic.AfterValidator(addresses.ip)]
Port = Annotated[int, pydantic.BeforeValidator(_whole), pydantic.Field(ge=1, le=65535)]
ShortText = Annotated[str, pydantic.Field(max_length=600)]
PortName = Annotated[str, pydantic.Field(pattern="^[1-9][0-9]{0,4}$"), pydantic.AfterValidator(_port_number)]


class _Claim(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


class SidecarClaim(_Claim):
    """A proxy beside an application, of a VirtualDeployment, in explicit capture."""

    proxy: Literal["sidecar"]
    of: Reference
    workload_address: Ip
    application_address: Ip
    application_ports: Annotated[dict[PortName, Port], pydantic.Field(max_length=100)] = {}
    outbound_tcp: Annotated[dict[ShortText, ShortText], pydantic.Field(max_length=100)] = {}
    """Where TCP is dialled, and the service that it leads to."""


class CapturedClaim(_Claim):
    """A proxy beside an application, of a VirtualDeployment, in transparent capture."""

    proxy: Literal["captured"]
    of: Reference
    passthrough_ports: Annotated[list[Port], pydantic.Field(max_length=100)] = []
    ipv4_only: bool = False


class GatewayClaim(_Claim):
    """A proxy of an IngressGateway."""

    proxy: Literal["gateway"]
    of: Reference
    address: Ip


class ProxylessClaim(_Claim):
    """A gRPC program of a VirtualDeployment that speaks xDS itself."""

    proxy: Literal["proxyless"]
    of: Reference


Claim = SidecarClaim | CapturedClaim | GatewayClaim | ProxylessClaim
_CLAIMS: pydantic.TypeAdapter[Claim] = pydantic.TypeAdapter(Annotated[Claim, pydantic.Field(discriminator="proxy")])


def proxy(claimed: object) -> proxies.Proxy:
    """Return the proxy that the metadata of a node claims to be. Raises ClaimError."""
    told = claimed.get(KEY) if isinstance(claimed, Mapping) else None
    if not isinstance(told, Mapping):
        raise ClaimError(f"the node says nothing under metadata.{KEY}; {REMEDY}")
    try:
        claim = _CLAIMS.validate_python(dict(told))
    except pydantic.ValidationError as fault:
        raise ClaimError(f"metadata.{KEY}{_first(fault)}; {REMEDY}") from None
    try:
        return _claimed(claim)
    except ValueError as fault:
        raise ClaimError(f"metadata.{KEY}: {fault}; {REMEDY}") from None


def metadata(given: proxies.Proxy) -> dict[str, Any]:
    """Return the metadata by which a proxy says who it is."""
    match given:
        case proxies.Sidecar(deployment, capture):
            return {KEY: _told(deployment, capture)}
        case proxies.Gateway(gateway, address):
            return {KEY: {"proxy": "gateway", "of": gateway.key, "address": address}}
        case proxies.Proxyless(deployment):
            return {KEY: {"proxy": "proxyless", "of": deployment.key}}


def _told(deployment: Ref, capture: proxies.Capture) -> dict[str, Any]:
    match capture:
        case proxies.Explicit():
            ports = {str(port): application for port, application in capture.application_ports}
            told = {
                "proxy": "sidecar",
                "of": deployment.key,
                "workload_address": capture.workload_address,
                "application_address": capture.application_address,
                "application_ports": ports,
            }
            led = {ways.dialled(one): ways.meant(one) for one in capture.outbound_tcp}
            return {**told, "outbound_tcp": led} if led else told
        case proxies.Transparent(passthrough, is_ipv4_only):
            of = deployment.key
            return {"proxy": "captured", "of": of, "passthrough_ports": list(passthrough), "ipv4_only": is_ipv4_only}


def owner(given: proxies.Proxy) -> Ref:
    """Return the VirtualDeployment or IngressGateway whose proxy this is."""
    return given.gateway if isinstance(given, proxies.Gateway) else given.deployment


def given_by(given: proxies.Proxy) -> Ref:
    """Return what a proxy's configuration is given by: its owner, or the IngressGatewayDeployment of its pod."""
    return given.given_by if isinstance(given, proxies.Gateway) else given.deployment


def bound(given: proxies.Envoy) -> str:
    """Return the IP address that a proxy binds its listeners to."""
    if isinstance(given, proxies.Gateway):
        return given.address
    match given.capture:
        case proxies.Explicit(workload_address=address):
            return address
        case proxies.Transparent(is_ipv4_only=is_ipv4_only):
            return proxies.ANYWHERE[not is_ipv4_only]


def node_id(given: proxies.Proxy) -> str:
    """Return the node id of a proxy, as `sidecar/shop/pets-v1/127.0.1.1`; some have no address."""
    match given:
        case proxies.Sidecar(capture=proxies.Transparent()):
            return f"sidecar/{owner(given).key}"
        case proxies.Sidecar():
            return f"sidecar/{owner(given).key}/{bound(given)}"
        case proxies.Gateway():
            return f"gateway/{owner(given).key}/{bound(given)}"
        case proxies.Proxyless():
            return f"proxyless/{owner(given).key}"


def instance(given: proxies.Proxy, node: str) -> str | None:
    """Return which of the replicas of a proxy has this node id: the name of its pod, empty if it says none.

    None: it is the node id of another proxy.
    """
    named = node_id(given)
    if node == named:
        return ""
    return node.removeprefix(f"{named}/") if node.startswith(f"{named}/") else None


def reference(kind: str, text: str) -> Ref:
    """Return the address of an object of this kind written as `namespace/name`. Raises ValueError."""
    namespace, _, name = _reference(text).partition("/")
    return Ref(kind, namespace, name)


def sidecar(
    of: str, workload: str, application: str, ports: Mapping[int, int], outbound_tcp: Iterable[proxies.TcpWay] = ()
) -> proxies.Sidecar:
    """Return the sidecar of a VirtualDeployment in explicit capture. Raises ValueError if two would bind one port."""
    pairs = tuple(sorted(ports.items()))
    if addresses.clash(workload, application) and (not pairs or {*ports, *PROXY_PORTS} & {*ports.values()}):
        raise ValueError(
            f"sidecar and application would both listen on {workload}, at the same port; give the application an "
            "address of its own, as 127.0.0.1, or ports of its own, as --application-port 9080=8080"
        )
    led = tuple(sorted(outbound_tcp))
    if refusal := ways.clash(led, workload, PROXY_PORTS):
        raise ValueError(refusal)
    return proxies.Sidecar(reference(_DEPLOYMENT, of), proxies.Explicit(workload, application, pairs, led))


def captured(of: str, passthrough: Iterable[int], *, is_ipv4_only: bool) -> proxies.Sidecar:
    """Return the sidecar of a VirtualDeployment in transparent capture. Raises ValueError."""
    ports = tuple(sorted(set(passthrough)))
    if kept := sorted({*ports} & {*PROXY_PORTS, names.INBOUND_PORT}):
        raise ValueError(f"port {kept[0]} is the proxy's own, and nothing can pass it; leave it out")
    return proxies.Sidecar(reference(_DEPLOYMENT, of), proxies.Transparent(ports, is_ipv4_only))


def gateway(of: str, address: str) -> proxies.Gateway:
    """Return the proxy of an IngressGateway that binds this address. Raises ValueError."""
    return proxies.Gateway(reference(_GATEWAY, of), address)


def proxyless(of: str) -> proxies.Proxyless:
    """Return the gRPC program of a VirtualDeployment that has no proxy. Raises ValueError."""
    return proxies.Proxyless(reference(_DEPLOYMENT, of))


def _claimed(claim: Claim) -> proxies.Proxy:
    match claim:
        case SidecarClaim():
            return _sidecar(claim)
        case CapturedClaim():
            return captured(claim.of, claim.passthrough_ports, is_ipv4_only=claim.ipv4_only)
        case GatewayClaim():
            return gateway(claim.of, claim.address)
        case ProxylessClaim():
            return proxyless(claim.of)


def _sidecar(claim: SidecarClaim) -> proxies.Sidecar:
    ports = {int(port): application for port, application in claim.application_ports.items()}
    led = [ways.way(service, at) for at, service in claim.outbound_tcp.items()]
    return sidecar(claim.of, claim.workload_address, claim.application_address, ports, led)


def _first(fault: pydantic.ValidationError) -> str:
    """Return where and what the first fault is, as ` of: is not of the form namespace/name`."""
    found = fault.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(str(part) for part in found["loc"] if part not in ("sidecar", "captured", "gateway", "proxyless"))
    message = found["msg"].removeprefix("Value error, ")
    return f".{where}: {message}" if where else f": {message}"
