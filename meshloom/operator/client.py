"""Asks a running control plane: on its socket, on a port that leads to one in a cluster, or all of a cluster.

Law: what goes wrong is one line that names the socket and what to do; what comes back is checked before it is shown.
"""

import http.client
import pathlib
import socket
import urllib.parse
from dataclasses import dataclass
from typing import TypeVar

import pydantic

from meshloom import addresses, errors, plain
from meshloom.identity import kept
from meshloom.operator import replicas, shapes, sockets

SECONDS = 15.0
LARGEST = 256 << 20
"""Bytes of one answer."""
_LARGEST_TOKEN = 16 << 10

S = TypeVar("S", bound=pydantic.BaseModel)


@dataclass(frozen=True, slots=True)
class Forwarded:
    """A port of this machine that leads to a control plane, and the file of the token that is shown there."""

    at: addresses.Socket
    token: str

    def __str__(self) -> str:
        return str(self.at)


Place = addresses.Pipe | Forwarded | replicas.Cluster


class UnreachableError(errors.UserError):
    """Nobody answers on the socket."""


def proxies(at: Place, proxy: str | None) -> shapes.Proxies:
    """Return how far all proxies are, or those of one name. Raises errors.UserError."""
    found = _asked(at, f"/proxies/{_quoted(proxy)}" if proxy else "/proxies", shapes.Proxies)
    connected = sorted((proxy for one in found for proxy in one.proxies), key=lambda proxy: proxy.connected)
    return shapes.Proxies(version=shapes.VERSION, proxies=tuple(connected))


def config(at: Place, proxy: str, kind: str | None, name: str | None) -> shapes.Configs:
    """Return what the proxies of one name should have and have. Raises errors.UserError."""
    asked = {key: value for key, value in (("type", kind), ("name", name)) if value is not None}
    found = _asked(at, f"/config/{_quoted(proxy)}?{urllib.parse.urlencode(asked)}", shapes.Configs)
    return shapes.Configs(version=shapes.VERSION, configs=tuple(config for one in found for config in one.configs))


def address(named: str, token: str = "") -> Place:
    """Return where to ask: a socket, or with the file of a token a port. Raises errors.UserError."""
    if token:
        return Forwarded(_port(named), token)
    found = sockets.address(named)
    if found is None:
        raise errors.UserError(f"{sockets.OPTION}: there is nobody to ask at `off`; name the socket of a control plane")
    return found


def _port(named: str) -> addresses.Socket:
    try:
        found = addresses.parsed(named)
    except ValueError:
        found = None
    if not isinstance(found, addresses.Socket) or not addresses.is_private(found):
        raise errors.UserError(
            f"{sockets.OPTION}: a token goes to a port of this machine alone, where `kubectl port-forward` listens, as "
            "127.0.0.1:15016"
        )
    return found


def _shown(path: str) -> dict[str, str]:
    try:
        token = kept.content(pathlib.Path(path), _LARGEST_TOKEN).decode("ascii").strip()
    except (FileNotFoundError, UnicodeDecodeError):
        token = ""
    if not token or not token.isprintable():
        raise errors.UserError(
            f"--operator-token: {path} holds no token; write one there with `kubectl create token meshloom-operator "
            "--audience meshloom-operator -n meshloom-system`"
        )
    return {"Authorization": f"Bearer {token}"}


def _quoted(proxy: str) -> str:
    return urllib.parse.quote(proxy, safe="/")


def _asked(at: Place, target: str, shape: type[S]) -> list[S]:
    """Return what is answered; of several replicas, one of which has what is asked for, that of those that have it."""
    if not isinstance(at, replicas.Cluster):
        return [_read(_name(at), *_answered(at, target), shape)]
    answers = replicas.answers(at, target, most=LARGEST, within=SECONDS)
    having = [one for one in answers if one.status != http.client.NOT_FOUND] or answers[:1]
    return [_read(f"Pod {at.namespace}/{one.pod}", one.status, one.body, shape) for one in having]


def _read(where: str, status: int, body: bytes, shape: type[S]) -> S:
    if status != http.client.OK:
        said = plain.printable(body[:500].decode(errors="replace").strip(), 200)
        raise errors.UserError(f"the control plane on {where} says: {said}")
    try:
        return shape.model_validate_json(body)
    except pydantic.ValidationError:
        raise errors.UserError(
            f"the answer of {where} is not {shapes.VERSION}; use the version of meshloom that the control plane has"
        ) from None


def _answered(at: addresses.Pipe | Forwarded, target: str) -> tuple[int, bytes]:
    headers = _shown(at.token) if isinstance(at, Forwarded) else {}
    connection = _connection(at)
    try:
        connection.request("GET", target, headers=headers)
        response = connection.getresponse()
        return response.status, response.read(LARGEST)
    except (FileNotFoundError, ConnectionRefusedError):
        raise UnreachableError(
            f"no control plane answers on {_name(at)}; start one with `meshloom serve`, or name the socket of one that "
            f"runs with {sockets.OPTION}"
        ) from None
    except PermissionError:
        raise errors.UserError(
            f"{_name(at)} belongs to another user; ask as the user who runs the control plane"
        ) from None
    except (OSError, http.client.HTTPException) as fault:
        raise UnreachableError(
            f"the control plane on {_name(at)} does not answer: {type(fault).__name__} {fault}"
        ) from None
    finally:
        connection.close()


def _name(at: addresses.Pipe | Forwarded) -> str:
    return at.path if isinstance(at, addresses.Pipe) else str(at)


def _connection(at: addresses.Pipe | Forwarded) -> http.client.HTTPConnection:
    if isinstance(at, addresses.Pipe):
        return _Connection(at.path)
    return http.client.HTTPConnection(at.at.host, at.at.port, timeout=SECONDS)


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
