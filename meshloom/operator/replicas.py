"""Asks all replicas of a control plane in a cluster, each by its own loopback port and with a token made for that.

Law: the credentials of whoever asks go to the API server alone; a replica is shown a token that opens nothing but the
operator API. One that is ready and cannot be asked is a fault: what is shown is all there is.
"""

import asyncio
import http.client
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, cast

from meshloom import addresses, errors
from meshloom.cluster import permits, residence
from meshloom.install import workload
from watchers import api_server, portforward

TOKEN_SECONDS: Final = 600
"""The shortest life that an API server gives a token."""

_PORT: Final = cast("addresses.Socket", addresses.parsed(residence.OPERATOR)).port


@dataclass(frozen=True, slots=True)
class Cluster:
    """A control plane in a namespace of a cluster."""

    access: api_server.Access = api_server.USUAL
    namespace: str = residence.NAMESPACE


class Answer(NamedTuple):
    """What a replica answered; `pod` is its name."""

    pod: str
    status: int
    body: bytes


def answers(at: Cluster, target: str, *, most: int, within: float) -> tuple[Answer, ...]:
    """Return what each replica answers to GET of this path, by the name of its pod. Raises errors.UserError."""
    return asyncio.run(_answers(at, target, most, within))


async def _answers(at: Cluster, target: str, most: int, within: float) -> tuple[Answer, ...]:
    try:
        async with api_server.connected(at.access) as api:
            pods = await _pods(api, at.namespace)
            sent = _request(target, await _token(api, at.namespace))
            asked = [_asked(api, at.namespace, pod, sent, most, within) for pod in pods]
            return tuple(_had(await asyncio.gather(*asked, return_exceptions=True)))
    except api_server.ApiError as fault:
        hint = "; that takes leave to get and create pods/portforward" if fault.status in _MAY_NOT else ""
        raise errors.UserError(f"--kubernetes: {fault.message}{hint}") from None


_MAY_NOT: Final = (401, 403)


def _had(found: Iterable[Answer | BaseException | None]) -> Iterator[Answer]:
    """Yield the answers; what went wrong with one is raised, now that no other is being asked any more."""
    for one in found:
        if isinstance(one, BaseException):
            raise one
        if one is not None:
            yield one


async def _pods(api: api_server.ApiServer, namespace: str) -> list[Mapping[str, Any]]:
    """Return the pods of the replicas that run. Raises ApiError, errors.UserError."""
    selector = ",".join(f"{key}={value}" for key, value in workload.SELECTOR.items())
    found = await api.request("GET", api_server.path("v1", "pods", namespace), {"labelSelector": selector})
    running = [pod for pod in found["items"] if pod.get("status", {}).get("phase") == "Running"]
    if not any(map(_is_ready, running)):
        raise errors.UserError(
            f"--kubernetes: no replica of a control plane is ready in namespace {namespace}; name the namespace that "
            f"it is in, or see what keeps it (kubectl -n {namespace} describe pods)"
        )
    return sorted(running, key=_name)


def _name(pod: Mapping[str, Any]) -> str:
    return str(pod["metadata"]["name"])


def _is_ready(pod: Mapping[str, Any]) -> bool:
    conditions = pod.get("status", {}).get("conditions") or ()
    is_ready = any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
    return is_ready and not pod["metadata"].get("deletionTimestamp")


async def _token(api: api_server.ApiServer, namespace: str) -> str:
    """Return a new token of the account that may ask. Raises ApiError, errors.UserError."""
    spec = {"audiences": [permits.AUDIENCE], "expirationSeconds": TOKEN_SECONDS}
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    at = api_server.path("v1", "serviceaccounts", namespace, permits.ACCOUNT, "token")
    try:
        made = await api.request("POST", at, body=body)
    except api_server.ApiError as fault:
        if fault.status not in (*_MAY_NOT, 404):
            raise
        hint = "that takes its account, which `meshloom install` makes, and leave to create serviceaccounts/token"
        raise errors.UserError(f"--kubernetes: no token could be made: {fault.message}; {hint}") from None
    return str(made["status"]["token"])


def _request(target: str, token: str) -> bytes:
    head = (f"GET {target} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {token}", "Connection: close")
    return "".join(f"{line}\r\n" for line in (*head, "")).encode("ascii")


async def _asked(
    api: api_server.ApiServer, namespace: str, pod: Mapping[str, Any], sent: bytes, most: int, within: float
) -> Answer | None:
    """Return what a replica answers; None of one that is not ready and does not. Raises ApiError."""
    try:
        text = await portforward.exchanged(api, namespace, _name(pod), _PORT, sent, most=most, within=within)
        return Answer(_name(pod), *_read(text))
    except (api_server.ApiError, http.client.HTTPException) as fault:
        if not _is_ready(pod):
            return None
        if isinstance(fault, api_server.ApiError):
            raise
        words = f"Pod {namespace}/{_name(pod)} does not answer: {type(fault).__name__}"
        raise api_server.ApiError(0, api_server.UNREACHABLE, words) from None


def _read(text: bytes) -> tuple[int, bytes]:
    """Return status and body of an answer in HTTP. Raises http.client.HTTPException."""
    answer = http.client.HTTPResponse(cast("Any", _Received(text)))
    answer.begin()
    return answer.status, answer.read()


class _Received:
    """What `http.client` takes for a socket: bytes that have come."""

    def __init__(self, text: bytes) -> None:
        self._text = text

    def makefile(self, _mode: str) -> io.BytesIO:
        """Return them as a file."""
        return io.BytesIO(self._text)
