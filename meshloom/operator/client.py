"""Asks a running control plane, over its operator socket.

Law: what goes wrong is one line that names the socket and what to do; what comes back is checked before it is shown.
"""

import http.client
import socket
import urllib.parse
from typing import TypeVar

import pydantic

from meshloom import addresses, errors, plain
from meshloom.operator import shapes, sockets

SECONDS = 15.0
LARGEST = 256 << 20
"""Bytes of one answer."""

S = TypeVar("S", bound=pydantic.BaseModel)


class UnreachableError(errors.UserError):
    """Nobody answers on the socket."""


def proxies(at: addresses.Pipe, proxy: str | None) -> shapes.Proxies:
    """Return how far all proxies are, or those of one name. Raises errors.UserError."""
    return _asked(at, f"/proxies/{_quoted(proxy)}" if proxy else "/proxies", shapes.Proxies)


def config(at: addresses.Pipe, proxy: str, kind: str | None, name: str | None) -> shapes.Configs:
    """Return what the proxies of one name should have and have. Raises errors.UserError."""
    asked = {key: value for key, value in (("type", kind), ("name", name)) if value is not None}
    return _asked(at, f"/config/{_quoted(proxy)}?{urllib.parse.urlencode(asked)}", shapes.Configs)


def address(named: str) -> addresses.Pipe:
    """Return the socket to ask. Raises errors.UserError."""
    found = sockets.address(named)
    if found is None:
        raise errors.UserError(f"{sockets.OPTION}: there is nobody to ask at `off`; name the socket of a control plane")
    return found


def _quoted(proxy: str) -> str:
    return urllib.parse.quote(proxy, safe="/")


def _asked(at: addresses.Pipe, target: str, shape: type[S]) -> S:
    status, body = _answered(at, target)
    if status != http.client.OK:
        said = plain.printable(body[:500].decode(errors="replace").strip(), 200)
        raise errors.UserError(f"the control plane on {at.path} says: {said}")
    try:
        return shape.model_validate_json(body)
    except pydantic.ValidationError:
        raise errors.UserError(
            f"the answer of {at.path} is not {shapes.VERSION}; use the version of meshloom that the control plane has"
        ) from None


def _answered(at: addresses.Pipe, target: str) -> tuple[int, bytes]:
    connection = _Connection(at.path)
    try:
        connection.request("GET", target)
        response = connection.getresponse()
        return response.status, response.read(LARGEST)
    except (FileNotFoundError, ConnectionRefusedError):
        raise UnreachableError(
            f"no control plane answers on {at.path}; start one with `meshloom serve`, or name the socket of one that "
            f"runs with {sockets.OPTION}"
        ) from None
    except PermissionError:
        raise errors.UserError(
            f"{at.path} belongs to another user; ask as the user who runs the control plane"
        ) from None
    except (OSError, http.client.HTTPException) as fault:
        raise UnreachableError(
            f"the control plane on {at.path} does not answer: {type(fault).__name__} {fault}"
        ) from None
    finally:
        connection.close()


class _Connection(http.client.HTTPConnection):
    """HTTP on a unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=SECONDS)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(SECONDS)
        self.sock.connect(self._path)
