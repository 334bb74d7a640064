"""What travels through a connection, and what becomes of it.

Law: plain values; a handshake holds what is said inside it, so that an application's own TLS in the mesh's is one in
another.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a peer shows of itself: its subject alternative names, and the root that stands behind it."""

    root: str
    uris: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request. `path` holds the query; header names are in lower case; `inside` is what a tunnel of CONNECT is for."""

    authority: str
    path: str = "/"
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    version: int = 1
    inside: "Payload | None" = None

    def header(self, name: str) -> str | None:
        """Return a header, or one of the parts that are no header, by the name that HTTP/2 gives them."""
        special = {":authority": self.authority, ":path": self.path, ":method": self.method}
        return special.get(name) or dict(self.headers).get(name)


def tunnel(authority: str, inside: "Payload") -> Request:
    """Return the request for a tunnel, and what is said in it."""
    return Request(authority, "", "CONNECT", inside=inside)


@dataclass(frozen=True, slots=True)
class Bytes:
    """What is no HTTP and no TLS; `is_first` says whether the client speaks before the server does."""

    is_first: bool = True


@dataclass(frozen=True, slots=True)
class Hello:
    """A TLS client and what it says when the handshake is over. `takes` judges the server's certificate."""

    inside: "Payload"
    sni: str = ""
    alpn: tuple[str, ...] = ()
    certificate: Certificate | None = None
    takes: Callable[[Certificate], bool] = lambda _: True


Payload = Request | Bytes | Hello


class Place(NamedTuple):
    """An address, or a name that has some, and a port."""

    address: str
    port: int


@dataclass(frozen=True, slots=True)
class Arrived:
    """An application has got it, as it says here."""

    at: str
    port: int
    payload: Payload


@dataclass(frozen=True, slots=True)
class Answered:
    """A proxy has answered by itself. `details` are Envoy's words for why, `text` the body."""

    status: int
    details: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Closed:
    """The connection has ended without an answer."""

    why: str


Outcome = Arrived | Answered | Closed
Chances = Mapping[Outcome, Fraction]
"""How likely each outcome is; together 1."""


def surely(outcome: Outcome) -> Chances:
    """Return the chances of what always happens."""
    return {outcome: Fraction(1)}


def mixed(several: Iterable[tuple[int | Fraction, Chances]]) -> Chances:
    """Return the chances of one of several, each taken as often as its weight says."""
    given = [*several]
    whole = sum(weight for weight, _ in given)
    found: dict[Outcome, Fraction] = {}
    for weight, chances in given:
        for outcome, chance in chances.items():
            found[outcome] = found.get(outcome, Fraction(0)) + chance * weight / whole
    return {outcome: chance for outcome, chance in found.items() if chance}


def changed(chances: Chances, change: Callable[[Outcome], Outcome]) -> Chances:
    """Return the chances of what a change makes of each outcome."""
    return mixed((chance, surely(change(outcome))) for outcome, chance in chances.items())
