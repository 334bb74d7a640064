"""The state of an authority in a Kubernetes Secret.

Law: as `stores`; the API server's resource version tells who was first.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from meshloom.identity.authority.stores import FILE, Stored

PREFIX = "meshloom-authority-"
LONGEST = 253
LABELS: Mapping[str, str] = {"app.kubernetes.io/managed-by": "meshloom"}


@dataclass(frozen=True, slots=True)
class Content:
    """The data of a Secret, decoded, and its resource version."""

    data: Mapping[str, bytes] = field(repr=False)
    version: str


class Secrets(Protocol):
    """The Secrets of a namespace. Every method raises AuthorityError if the API server cannot be asked or refuses."""

    def read(self, name: str) -> Content | None:
        """Return a Secret; None if there is none of this name."""
        ...

    def create(self, name: str, data: Mapping[str, bytes], labels: Mapping[str, str]) -> str | None:
        """Create a Secret and return its resource version; None if there is one of this name."""
        ...

    def replace(self, name: str, data: Mapping[str, bytes], version: str) -> str | None:
        """Replace the data of a Secret of this resource version and return the new one; None if it is of another."""
        ...


class SecretStore:
    """One Secret for each name, all in one namespace."""

    def __init__(self, secrets: Secrets, namespace: str) -> None:
        self._secrets, self._namespace = secrets, namespace

    def where(self, name: str) -> str:
        """Return kind and address of the Secret."""
        return f"Secret {self._namespace}/{secret_name(name)}"

    def read(self, name: str) -> Stored | None:
        """Return what is there; a Secret without our key is there, and cannot be read."""
        found = self._secrets.read(secret_name(name))
        return Stored(found.data.get(FILE, b""), found.version) if found else None

    def create(self, name: str, content: bytes) -> str | None:
        """Create the Secret."""
        return self._secrets.create(secret_name(name), {FILE: content}, LABELS)

    def replace(self, name: str, content: bytes, version: str) -> str | None:
        """Replace the Secret."""
        return self._secrets.replace(secret_name(name), {FILE: content}, version)


def secret_name(name: str) -> str:
    """Return the name of the Secret for a name; where that is too long a digest stands for its end."""
    full = PREFIX + name
    if len(full) <= LONGEST:
        return full
    digest = hashlib.sha256(name.encode()).hexdigest()[:16]
    return f"{full[: LONGEST - 17].rstrip('.-')}-{digest}"
