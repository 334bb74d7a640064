"""How the proxies of a measurement reach a server: over TLS with a join token, as ADS is served, or in clear.

Law: what a client of `meshloom serve` does, and no more: it knows the server by the root in the state folder.
"""

import pathlib
import time
from collections.abc import Sequence
from typing import Any, Protocol

import grpc.aio

from meshloom.identity import claim, home, register, tokens
from meshloom.identity.authority import issue
from translator import proxies

Options = Sequence[tuple[str, Any]]
Metadata = tuple[tuple[str, str], ...]


class Door(Protocol):
    """A way to a server."""

    def channel(self, address: str, options: Options) -> grpc.aio.Channel:
        """Return a channel to it."""

    def proof(self, proxy: proxies.Sidecar) -> Metadata:
        """Return what a proxy shows of itself at the start of a stream."""


class InClear:
    """Nothing is proven."""

    def channel(self, address: str, options: Options) -> grpc.aio.Channel:
        """Return a channel in clear."""
        return grpc.aio.insecure_channel(address, options=options)

    def proof(self, _proxy: proxies.Sidecar) -> Metadata:
        """Return nothing."""
        return ()


class OverTls:
    """`state` is the state folder of the control plane."""

    def __init__(self, state: pathlib.Path) -> None:
        self._signing = register.Folder(state).signing()
        self._credentials = grpc.ssl_channel_credentials((state / home.ROOT_FILE).read_bytes())

    def channel(self, address: str, options: Options) -> grpc.aio.Channel:
        """Return a channel over TLS."""
        named = (*options, ("grpc.ssl_target_name_override", issue.CONTROL_PLANE))
        return grpc.aio.secure_channel(address, self._credentials, options=named)

    def proof(self, proxy: proxies.Sidecar) -> Metadata:
        """Return a token."""
        token = tokens.issued(claim.owner(proxy), self._signing.id, time.time(), tokens.VALID_SECONDS)
        return (("authorization", f"Bearer {tokens.signed(token, self._signing.key)}"),)
