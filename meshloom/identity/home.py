"""Where the control plane keeps what it must not forget: authorities, the keys of tokens, revocations, its own roots.

Law: two homes, a state folder and the Secrets of a cluster; nothing outside of this module minds which.
"""

import contextlib
import pathlib
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from meshloom.identity import authorities, register
from meshloom.identity.authority import serving, stores

ROOT_FILE = "root.pem"
"""In the state folder: the roots that proxies know the control plane by."""


@dataclass(frozen=True, slots=True)
class Home:
    """`option` is how it is said on the command line; `kept` keeps it current until the block ends."""

    authorities: stores.Store
    tokens: register.Store
    published: serving.Publication
    option: str
    kept: Callable[[], AbstractAsyncContextManager[None]] = contextlib.nullcontext


def folder(state: pathlib.Path) -> Home:
    """Return a state folder as a home."""
    published = serving.RootFile(state / ROOT_FILE)
    return Home(authorities.store(state), register.Folder(state), published, "--state")
