"""Credentials without cryptography: the program only hands on what an authority gives it."""

import dataclasses
from typing import NamedTuple

from mesh import graph, identity, inventory
from mesh.problems import Problem

ROUND = 3600.0


class Key(NamedTuple):
    pem: bytes


class Leaf(NamedTuple):
    chain: bytes
    key: Key


class Roots(NamedTuple):
    pem: bytes


@dataclasses.dataclass(frozen=True)
class Issued:
    leaves: dict[identity.Identity, Leaf]
    roots: dict[str, Roots]
    problems: tuple[Problem, ...] = ()
    due: float = ROUND
    is_watching: bool = False


def leaf(of: identity.Identity, serial: int = 1) -> Leaf:
    return Leaf(f"certificate {serial} of {of.uri}".encode(), Key(f"key {serial} of {of.uri}".encode()))


def roots(domain: str, serial: int = 1) -> Roots:
    return Roots(f"roots {serial} of {domain}".encode())


def credentials(identities, serial: int = 1) -> Issued:
    """Return credentials for these identities; others are made by another serial."""
    leaves = {one: leaf(one, serial) for one in sorted(identities)}
    domains = sorted({one.trust_domain for one in leaves})
    return Issued(leaves, {domain: roots(domain, serial) for domain in domains})


class Authority:
    """Issues for whoever is asked for; remembers what it was told."""

    def __init__(self) -> None:
        self.serial = 1
        self.asked = []
        self.held = []
        self.changes = {}
        """What is other than usual in what it gives."""

    def credentials(self, of: graph.Graph, identities, seen: inventory.Inventory, held) -> Issued:
        self.asked.append(identities)
        self.held.append(held)
        return dataclasses.replace(credentials(identities, self.serial), **self.changes)
