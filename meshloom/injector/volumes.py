"""The volumes of a proxy in a pod: who it is, where it keeps what it starts with, and perhaps the host's certificates.

Law: the token is for the control plane alone and mounted into the proxy alone.
"""

from typing import Final

from meshloom.identity import tokens
from meshloom.injector import contract
from meshloom.injector.pods import Json

IDENTITY, RUN, PKI = "meshloom-identity", "meshloom-run", "pki"
TOKEN_SECONDS: Final = 3600
_RUN_BYTES = "4Mi"

Mounted = list[tuple[Json, Json]]
"""Volumes, each with its mount."""


def identity() -> tuple[Json, Json]:
    """Return the volume of the token and of the roots that the control plane is known by, and its mount."""
    sources = [
        {
            "serviceAccountToken": {
                "audience": tokens.AUDIENCE,
                "expirationSeconds": TOKEN_SECONDS,
                "path": contract.TOKEN_FILE,
            }
        },
        {
            "configMap": {
                "name": contract.ROOT_MAP,
                "items": [{"key": contract.ROOT_FILE, "path": contract.ROOT_FILE}],
            }
        },
    ]
    return {"name": IDENTITY, "projected": {"sources": sources}}, _mount(IDENTITY, contract.IDENTITY_FOLDER, True)


def run() -> tuple[Json, Json]:
    """Return the volume of what a proxy starts with, and its mount."""
    volume = {"name": RUN, "emptyDir": {"medium": "Memory", "sizeLimit": _RUN_BYTES}}
    return volume, _mount(RUN, contract.RUN_FOLDER, False)


def pki() -> tuple[Json, Json]:
    """Return the volume of the host's certificates, and its mount."""
    return {"name": PKI, "hostPath": {"path": contract.PKI}}, _mount(PKI, contract.PKI, True)


def of_proxy(*, with_pki: bool) -> Mounted:
    """Return the volumes of a sidecar."""
    return [identity(), run(), *([pki()] if with_pki else [])]


def apart(mounted: Mounted, taken: frozenset[str]) -> Mounted:
    """Return volumes under names that are not taken."""
    return [_renamed(volume, mount, free(volume["name"], taken)) for volume, mount in mounted]


def _renamed(volume: Json, mount: Json, name: str) -> tuple[Json, Json]:
    return {**volume, "name": name}, {**mount, "name": name}


def free(name: str, taken: frozenset[str]) -> str:
    """Return a name that is not taken: this one, or this one of ours."""
    return free(f"meshloom-{name}", taken) if name in taken else name


def _mount(name: str, path: str, is_read_only: bool) -> Json:
    return {"name": name, "mountPath": path, **({"readOnly": True} if is_read_only else {})}
