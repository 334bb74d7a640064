"""The Secrets of one namespace, read and written as wholes (`meshloom.identity.authority.secret_store.Secrets`).

Law: no value of a Secret is in a message. Of two who write at once one wins, and the other learns of it.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from meshloom.cluster import from_threads
from meshloom.identity.authority.faults import AuthorityError
from meshloom.identity.authority.secret_store import Content
from watchers import api_server
from watchers.api_server import MERGE_PATCH, ApiError

_CONFLICT, _NOT_FOUND = 409, 404


class Secrets:
    """Asked in threads that may wait."""

    def __init__(self, asking: from_threads.Asking, namespace: str) -> None:
        self._asking, self._namespace = asking, namespace

    def read(self, name: str) -> Content | None:
        """Return a Secret; None if there is none of this name. Raises AuthorityError."""
        try:
            return content(self._asking.request("GET", self._path(name)))
        except ApiError as fault:
            if fault.status == _NOT_FOUND:
                return None
            raise self._told(name, fault) from None

    def create(self, name: str, data: Mapping[str, bytes], labels: Mapping[str, str]) -> str | None:
        """Create a Secret and return its version; None if there is one of this name. Raises AuthorityError."""
        try:
            return _version(self._asking.request("POST", self._path(), secret(name, data, labels)))
        except ApiError as fault:
            if fault.status == _CONFLICT:
                return None
            raise self._told(name, fault) from None

    def replace(self, name: str, data: Mapping[str, bytes], version: str) -> str | None:
        """Write these data to a Secret of this version and return the new one; None if it is of another.

        Raises AuthorityError.
        """
        body = {"metadata": {"resourceVersion": version}, "data": encoded(data)}
        try:
            return _version(self._asking.request("PATCH", self._path(name), body, content_type=MERGE_PATCH))
        except ApiError as fault:
            if fault.status in (_CONFLICT, _NOT_FOUND):
                return None
            raise self._told(name, fault) from None

    def _path(self, name: str = "") -> str:
        return api_server.path("v1", "secrets", self._namespace, name)

    def _told(self, name: str, fault: ApiError) -> AuthorityError:
        return AuthorityError(f"Secret {self._namespace}/{name} cannot be used: {fault.message}", remedy(fault))


def remedy(fault: ApiError) -> str:
    """Return what to do where a Secret cannot be used."""
    if fault.status in (401, 403):
        return "let the Role of meshloom's ServiceAccount allow get, create and patch of Secrets there"
    return "see whether the API server answers; meshloom goes on with what it knows, and tries again"


def secret(name: str, data: Mapping[str, bytes], labels: Mapping[str, str]) -> dict[str, Any]:
    """Return a Secret as the API takes it."""
    metadata = {"name": name, "labels": dict(labels)}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": encoded(data)}


def encoded(data: Mapping[str, bytes]) -> dict[str, str]:
    """Return data as the API takes them."""
    return {key: base64.b64encode(value).decode("ascii") for key, value in data.items()}


def content(found: Any) -> Content:
    """Return what a Secret of the API holds; what is not Base64 is empty."""
    data = found.get("data") or {}
    return Content({key: _decoded(value) for key, value in data.items()}, _version(found))


def _decoded(value: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _version(found: Any) -> str:
    return str(found["metadata"]["resourceVersion"])
