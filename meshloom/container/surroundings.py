"""What a proxy in a container is, by the variables of its environment.

Law: pure; a variable that is missing or wrong is named in one line. Nothing of it proves anything: the token does.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from meshloom import addresses, bootstrap, errors, secure_ads
from meshloom.container import orders
from meshloom.identity import claim
from meshloom.injector import contract, decision, targets
from translator import proxies

ALL_ADDRESSES: Final = {False: "::", True: "0.0.0.0"}  # noqa: S104 - those of a pod, which nobody else has
"""By whether there is IPv4 alone: what a gateway binds."""

LEVELS: Final = {"warn": "warning"}
"""What Envoy calls otherwise."""

BOOTSTRAP: Final = "envoy.json"
DEFAULT_CONCURRENCY: Final = 2

_GATEWAY_ADDRESS: Final = "MESHLOOM_GATEWAY_ADDRESS"


@dataclass(frozen=True, slots=True)
class Folders:
    """Where token and root are mounted, and where what is made is written."""

    identity: str
    run: str


def files(env: Mapping[str, str], folders: Folders, envoy: str, *, is_ipv4_only: bool) -> Mapping[str, str]:
    """Return name -> text of the files for the folder of the run; `envoy` is the program. Raises errors.UserError."""
    proxy = _proxy(env, is_ipv4_only)
    host, probes = claim.bound(proxy), _probes(env)
    root, token = (os.path.join(folders.identity, name) for name in (contract.ROOT_FILE, contract.TOKEN_FILE))
    proof = secure_ads.Proof(folders.run, root, secure_ads.Token(token))
    place = bootstrap.Place(_control_plane(env), host, bootstrap.admin_address(host), proof, env.get("POD_NAME", ""))
    socket = os.path.join(folders.run, orders.SOCKET)
    made = bootstrap.bootstrap(proxy, place, more=_tags(env), probes=addresses.Pipe(socket) if probes else None)
    told = orders.Orders(
        _argv(env, envoy, os.path.join(folders.run, BOOTSTRAP)),
        _socket(bootstrap.admin_address(host)),
        float(_number(env, contract.DRAIN_VARIABLE, bootstrap.DRAIN_SECONDS)),
        _addresses(env),
        probes,
        socket,
        isinstance(proxy, proxies.Gateway),
    )
    return {BOOTSTRAP: json.dumps(made), orders.FILE: orders.written(told), **proof.files()}


def _socket(address: addresses.Socket) -> tuple[str, int]:
    return address.host, address.port


def _argv(env: Mapping[str, str], envoy: str, file: str) -> tuple[str, ...]:
    _, *arguments = bootstrap.command_line(file)
    threads = str(_number(env, contract.CONCURRENCY_VARIABLE, DEFAULT_CONCURRENCY))
    return (envoy, *arguments, "--concurrency", threads, "--log-level", _level(env))


def _proxy(env: Mapping[str, str], is_ipv4_only: bool) -> proxies.Envoy:
    sidecar, gateway = env.get(contract.PROXY_VARIABLE, ""), env.get(contract.GATEWAY_VARIABLE, "")
    if bool(sidecar) == bool(gateway):
        raise errors.UserError(
            f"{contract.PROXY_VARIABLE} or {contract.GATEWAY_VARIABLE} says whose proxy this is, as shop/pets-v1: "
            "one of the two, which whoever makes the pod sets"
        )
    name = contract.PROXY_VARIABLE if sidecar else contract.GATEWAY_VARIABLE
    try:
        if gateway:
            return claim.gateway(gateway, env.get(_GATEWAY_ADDRESS) or ALL_ADDRESSES[is_ipv4_only])
        ports = decision.passthrough_ports(env.get(contract.PASSTHROUGH_VARIABLE, ""))
        return claim.captured(sidecar, ports, is_ipv4_only=is_ipv4_only)
    except ValueError as fault:
        raise errors.UserError(f"{name}: {fault}") from None


def _control_plane(env: Mapping[str, str]) -> addresses.Dialled:
    try:
        return addresses.dialled(env.get(contract.ADS_VARIABLE, ""))
    except ValueError as fault:
        raise errors.UserError(f"{contract.ADS_VARIABLE}: {fault}") from None


def _probes(env: Mapping[str, str]) -> targets.Targets:
    try:
        return targets.read(env.get(contract.PROBES_VARIABLE, ""))
    except (ValueError, TypeError):
        raise errors.UserError(f"{contract.PROBES_VARIABLE} is not what injection has written") from None


def _tags(env: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    try:
        return tuple(
            (str(name), str(value)) for name, value in json.loads(env.get(contract.TAGS_VARIABLE, "{}")).items()
        )
    except (ValueError, AttributeError):
        raise errors.UserError(f"{contract.TAGS_VARIABLE} is not what injection has written") from None


def _number(env: Mapping[str, str], name: str, default: int) -> int:
    text = env.get(name, "") or str(default)
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= 1_000_000):
        raise errors.UserError(f"{name}: {text[:60]!r} is no number above 0")
    return int(text)


def _level(env: Mapping[str, str]) -> str:
    level = (env.get(contract.LEVEL_VARIABLE) or contract.DEFAULT_LOG_LEVEL).lower()
    if level not in contract.LOG_LEVELS:
        known = ", ".join(contract.LOG_LEVELS)
        raise errors.UserError(f"{contract.LEVEL_VARIABLE}: {level[:60]!r} is no level of a log; write one of {known}")
    return LEVELS.get(level, level)


def _addresses(env: Mapping[str, str]) -> tuple[str, ...]:
    """Return the addresses of the pod, the one that it is called by first."""
    told = [env.get("POD_IP", ""), *env.get("POD_IPS", "").split(",")]
    return tuple(dict.fromkeys(one.strip() for one in told if one.strip())) or ("127.0.0.1",)
