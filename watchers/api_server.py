"""The connection to a Kubernetes API server: JSON in, JSON out, and the lines of a watch.

Law: what goes wrong is one kind of error, in words; none of the client's models is made; no credential is ever said.
"""

import asyncio
import contextlib
import json
import ssl
import urllib.parse
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import aiohttp
from kubernetes.aio import client, config

from watchers import kubeconfigs, lifelines

MANAGER: Final = "meshloom"
"""The field manager of what is applied (https://kubernetes.io/docs/reference/using-api/server-side-apply/)."""

JSON: Final = "application/json"
MERGE_PATCH: Final = "application/merge-patch+json"
JSON_PATCH: Final = "application/json-patch+json"
APPLY_PATCH: Final = "application/apply-patch+yaml"

UNREACHABLE: Final = "Unreachable"
"""The reason of an error where nobody answered, or not in time."""
MISCONFIGURED: Final = "Misconfigured"
"""The reason of an error where it is not known whom to ask, or how."""

REQUEST_SECONDS: Final = 10.0
CONNECT_SECONDS: Final = 5.0
RELOAD_SECONDS: Final = 10.0
"""Between two looks at a kubeconfig whose credentials are not accepted any more."""

_AT_MOST = 500
"""Characters of an answer that is not a Status, in an error."""

NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Access:
    """How an API server is found: by a kubeconfig file and one of its contexts.

    Without a file: where a pod finds it, if this is one; otherwise by the user's kubeconfig, as kubectl does.
    """

    kubeconfig: str = ""
    context: str = ""


USUAL: Final = Access()


class ApiError(Exception):
    """A request that was not answered as wanted. `status` is 0 where nobody answered.

    `reason` is that of the API server's Status, as `NotFound` or `Expired`. `retry_after`: seconds, 0 if not said.
    """

    def __init__(self, status: int, reason: str, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.status, self.reason, self.message, self.retry_after = status, reason, message, retry_after

    @property
    def is_absent(self) -> bool:
        """Whether there is no such object, or no such kind."""
        return self.status == 404


def path(api_version: str, plural: str, namespace: str = "", name: str = "", subresource: str = "") -> str:
    """Return the path of a collection or of an object (https://kubernetes.io/docs/reference/using-api/api-concepts/)."""
    root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
    space = f"/namespaces/{_quoted(namespace)}" if namespace else ""
    rest = "".join(f"/{_quoted(part)}" for part in (plural, name, subresource) if part)
    return f"{root}{space}{rest}"


def _quoted(part: str) -> str:
    return urllib.parse.quote(part, safe="")


@contextlib.asynccontextmanager
async def connected(access: Access) -> AsyncIterator["ApiServer"]:
    """Yield the API server; nothing is asked of it yet. Raises ApiError if it is not known where it is."""
    server = ApiServer(access, await _configuration(access))
    try:
        yield server
    finally:
        await server.close()


class ApiServer:
    """Owned by the event loop that it is made in; as many requests at once as one likes."""

    def __init__(self, access: Access, configuration: client.Configuration) -> None:
        self._access = access
        self._client = lifelines.api_client(configuration)
        self._former: client.ApiClient | None = None
        self._loaded = asyncio.get_running_loop().time()

    async def close(self) -> None:
        """Close all connections."""
        for each in (self._client, self._former):
            if each is not None:
                await each.close()

    async def request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] = NOTHING,
        body: Any = None,
        *,
        content_type: str = JSON,
        accept: str = JSON,
        within: float = REQUEST_SECONDS,
    ) -> Any:
        """Return the JSON that answers a request `within` so many seconds. Raises ApiError."""
        limit = aiohttp.ClientTimeout(total=within, connect=min(within, CONNECT_SECONDS))
        async with (
            _told(f"{method} {path}", within),
            self._answer(method, path, query, body, content_type, accept, limit) as answer,
        ):
            text = await answer.read()
        return _decoded(text)

    async def applied(
        self, path: str, body: Any, query: Mapping[str, str] = NOTHING, *, within: float = REQUEST_SECONDS
    ) -> Any:
        """Apply an object on the server's side as ours alone, and return what became of it. Raises ApiError."""
        asked = {"fieldManager": MANAGER, "force": "true", **query}
        return await self.request("PATCH", path, asked, body, content_type=APPLY_PATCH, within=within)

    async def lines(
        self, path: str, query: Mapping[str, str], silence: float, accept: str = JSON
    ) -> AsyncGenerator[bytes, None]:
        """Yield the lines of a watch until the server ends it; `silence` seconds without a byte end it, too.

        An empty one comes first, as soon as the server has agreed to the watch: objects may be long in coming.
        Raises ApiError. Close the generator (`contextlib.aclosing`) to end the watch.
        """
        limit = aiohttp.ClientTimeout(total=None, connect=CONNECT_SECONDS, sock_read=silence)
        async with _told(f"GET {path}", silence), self._answer("GET", path, query, None, JSON, accept, limit) as answer:
            yield (rest := b"")
            async for chunk in answer.content.iter_any():
                *whole, rest = (rest + chunk).split(b"\n")
                for line in whole:
                    yield line

    @contextlib.asynccontextmanager
    async def _answer(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Any,
        content_type: str,
        accept: str,
        limit: aiohttp.ClientTimeout,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        said = {"Accept": accept, "Content-Type": content_type}
        url, headers = await self._addressed(method, path, query, said)
        response = await self._client.rest_client.request(method, url, headers, body, _request_timeout=limit)
        async with response.response as answer:
            if answer.status >= 400:
                fault = _fault(answer, await answer.read())
                await self._reload(fault)
                raise fault
            try:
                yield answer
            finally:
                _abandon(answer)

    @contextlib.asynccontextmanager
    async def socket(
        self, path: str, query: Mapping[str, str], protocol: str, within: float
    ) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """Yield a WebSocket that was opened `within` so many seconds. Raises ApiError, also where it breaks off."""
        url, headers = await self._addressed("GET", path, query, {})
        opening = lifelines.session(self._client).ws_connect(url, headers=headers, protocols=(protocol,))
        async with _told(f"GET {path}", within), opening as opened:
            yield opened

    async def _addressed(
        self, method: str, path: str, query: Mapping[str, str], said: Mapping[str, str]
    ) -> tuple[str, dict[str, str]]:
        """Return the URL of a request, and its headers with who asks."""
        headers = {**said, "User-Agent": MANAGER}
        settings = await self._client.configuration.auth_settings()
        await self._client.update_params_for_auth(headers, [], list(settings), path, method, None)
        return f"{self._client.configuration.host}{path}{'?' if query else ''}{urllib.parse.urlencode(query)}", headers

    async def _reload(self, fault: ApiError) -> None:
        """Read the credentials anew where they are not accepted any more: a kubeconfig may have been renewed."""
        now = asyncio.get_running_loop().time()
        if fault.status != 401 or now - self._loaded < RELOAD_SECONDS:
            return
        self._loaded = now
        with contextlib.suppress(ApiError):
            new = lifelines.api_client(await _configuration(self._access))
            oldest, self._former, self._client = self._former, self._client, new
            if oldest is not None:  # whose requests have ended long ago, which those of the one before need not
                await oldest.close()


def _abandon(answer: aiohttp.ClientResponse) -> None:
    """Close the connection of an answer that has not been read to its end, without waiting for the server's goodbye."""
    held = answer.connection
    if held is not None and held.transport is not None:
        held.transport.abort()


# ---------------------------------------------------------------------------- who is asked


async def _configuration(access: Access) -> client.Configuration:
    """Raises ApiError."""
    found = client.Configuration()
    found.connection_pool_maxsize = 0  # each watch holds a connection, so their number is not limited here
    is_by_file = bool(access.kubeconfig or access.context or not kubeconfigs.is_in_pod())
    if is_by_file and (absent := kubeconfigs.absent(access.kubeconfig)):
        raise ApiError(0, MISCONFIGURED, f"kubeconfig {absent} does not exist; name the file with --kubeconfig")
    try:
        if is_by_file:
            await config.load_kube_config(
                access.kubeconfig or None, access.context or None, found, persist_config=False
            )
        else:
            config.load_incluster_config(found)
    except (config.ConfigException, OSError, ValueError, TypeError) as fault:
        where = f"kubeconfig {access.kubeconfig}" if access.kubeconfig else "the API server's address"
        words = f"{where} cannot be read: {' '.join(str(fault).split())[:_AT_MOST]}"
        raise ApiError(0, MISCONFIGURED, words) from None
    return found


# ---------------------------------------------------------------------------- what goes wrong


@contextlib.asynccontextmanager
async def _told(what: str, seconds: float) -> AsyncIterator[None]:
    """Say what goes wrong with a connection as ApiError."""
    try:
        yield
    except TimeoutError:
        raise ApiError(0, UNREACHABLE, f"{what}: no answer within {seconds:g} s") from None
    except aiohttp.WSServerHandshakeError as refused:
        raise ApiError(refused.status, "", f"{what}: the API server answers {refused.status}") from None
    except (aiohttp.ClientError, OSError, ssl.SSLError) as fault:
        raise ApiError(0, UNREACHABLE, f"{what}: {_words(fault)}") from None


def _words(fault: Exception) -> str:
    return " ".join(str(fault).split())[:_AT_MOST] or type(fault).__name__


def _fault(answer: aiohttp.ClientResponse, body: bytes) -> ApiError:
    status = _status(body)
    message = str(
        status.get("message") or f"{answer.status} {answer.reason}: {body[:_AT_MOST].decode(errors='replace')}"
    )
    return ApiError(answer.status, str(status.get("reason") or answer.reason), message, _wait(answer, status))


def _status(body: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _wait(answer: aiohttp.ClientResponse, status: Mapping[str, Any]) -> float:
    details = status.get("details")
    said = answer.headers.get("Retry-After") or (details.get("retryAfterSeconds") if isinstance(details, dict) else 0)
    try:
        return max(0.0, float(said or 0))
    except (TypeError, ValueError):
        return 0.0


def _decoded(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise ApiError(0, UNREACHABLE, "the answer is not JSON; whoever answers there is no API server") from None
