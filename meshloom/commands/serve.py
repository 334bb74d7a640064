"""`meshloom serve`: the control plane, until it is told to stop.

Law: what cannot work is refused before anything starts.
"""

import asyncio
import ipaddress
import os
import pathlib
import resource
import signal
from dataclasses import dataclass
from typing import NamedTuple

from mesh.rules import names
from meshloom import addresses, app, choices, errors, logs, plain, senses, ways_in
from meshloom import settings as settings_model
from meshloom import state as states
from meshloom.cluster import residence
from meshloom.commands import whereabouts
from meshloom.identity import home
from watchers import api_server

BY_TOKEN, BY_CERTIFICATE = "0.0.0.0:15012", "0.0.0.0:15013"


@dataclass(frozen=True, slots=True)
class Doors:
    """Where to serve ADS, health and the operator API, as it was said; None: by default, or as the settings say."""

    ads: str | None = None
    ads_mtls: str | None = None
    ads_plaintext: str | None = None
    ads_names: tuple[str, ...] = ()
    health: str | None = None
    operator: str | None = None


@dataclass(frozen=True, slots=True)
class Followed:
    """What to follow, as it was said: files, or a cluster and how it is found."""

    files: pathlib.Path | None = None
    kubernetes: bool = False
    kubeconfig: str = ""
    context: str = ""
    namespaces: tuple[str, ...] = ()


def run(
    followed: Followed,
    state: pathlib.Path | None,
    given: Doors,
    settings: pathlib.Path | None,
    lines: choices.Lines,
    *,
    debug: bool,
) -> None:
    """Serve until SIGTERM or SIGINT. Raises errors.UserError."""
    _check(followed)
    chosen = _with_namespaces(_with_doors(settings_model.loaded(settings), given), followed.namespaces)
    is_at_home = followed.kubernetes and state is None and not chosen.state
    folder = None if is_at_home else states.folder(state, chosen)
    listens = _listens(given)
    logs.configure(lines, debug)
    _allow_many_connections()
    asyncio.run(_served(followed, listens, folder, chosen))


def _check(followed: Followed) -> None:
    """Raises errors.UserError where it is not clear what to follow."""
    if followed.kubernetes == (followed.files is not None):
        raise errors.UserError("give either --files, to follow a folder of YAML, or --kubernetes, to follow a cluster")
    if followed.files is not None and not followed.files.exists():
        raise errors.UserError(
            f"--files: {followed.files} does not exist; name the folder that holds the YAML of the mesh"
        )
    if followed.kubernetes and followed.kubeconfig and not pathlib.Path(followed.kubeconfig).exists():
        raise errors.UserError(f"--kubeconfig: {followed.kubeconfig} does not exist; name a file as kubectl reads it")
    for option, said in (
        ("--kubeconfig", followed.kubeconfig),
        ("--context", followed.context),
        ("--namespace", followed.namespaces),
    ):
        if said and not followed.kubernetes:
            raise errors.UserError(f"{option} says something of a cluster; give --kubernetes instead of --files")


async def _served(
    followed: Followed, listens: "_Listens", folder: pathlib.Path | None, chosen: settings_model.Settings
) -> None:
    """Serve what is followed until a signal comes. Raises errors.UserError.

    Without a folder, what must not be forgotten is kept in the cluster.
    """
    if followed.files is not None and folder is not None:
        ads = ways_in.Ads(home.folder(folder), *listens)
        await _until_stopped(app.Program(senses.folder(followed.files, chosen.files), ads, chosen))
        return
    access = api_server.Access(followed.kubeconfig, followed.context)
    try:
        async with api_server.connected(access) as api:
            resident = residence.Residence(api, chosen.kubernetes)
            ads = resident.ads(ways_in.Ads(home.folder(folder) if folder else resident.home, *listens))
            await _until_stopped(app.Program(senses.cluster(api, chosen, resident.aside), ads, chosen, resident))
    except api_server.ApiError as fault:
        raise errors.UserError(f"--kubernetes: {fault.message}") from None


def _with_namespaces(settings: settings_model.Settings, said: tuple[str, ...]) -> settings_model.Settings:
    """Return the settings with the namespaces of the command line. Raises errors.UserError."""
    for name in said:
        if not names.is_label(name):
            raise errors.UserError(f"--namespace: {plain.printable(name, 100)} is not the name of a namespace")
    followed = settings.kubernetes.model_copy(update={"namespaces": tuple(dict.fromkeys(said))})
    return settings.model_copy(update={"kubernetes": followed}) if said else settings


class _Listens(NamedTuple):
    """Where ADS is served, as `ways_in.Ads` has it."""

    in_clear: addresses.Address | None
    by_token: addresses.Socket | None
    by_certificate: addresses.Socket | None
    names: tuple[str, ...]


def _listens(given: Doors) -> _Listens:
    """Return the ways in that are asked for. Raises errors.UserError."""
    in_clear = None if given.ads_plaintext is None else whereabouts.address("--ads-plaintext", given.ads_plaintext)
    if in_clear is not None and not addresses.is_private(in_clear):
        raise errors.UserError(
            f"--ads-plaintext: {in_clear} can be reached from other machines, and whoever reaches ADS in clear gets "
            "the configuration of any proxy; give unix:/path or a loopback address as 127.0.0.1:18000"
        )
    by_token = _over_tls("--ads", given.ads, BY_TOKEN if in_clear is None else settings_model.OFF)
    by_certificate = _over_tls("--ads-mtls", given.ads_mtls, BY_CERTIFICATE if in_clear is None else settings_model.OFF)
    over_tls = tuple(each for each in (by_token, by_certificate) if each)
    if not over_tls and in_clear is None:
        raise errors.UserError("--ads and --ads-mtls are off, and there is no --ads-plaintext: nobody could connect")
    names = (*given.ads_names, *(each.host for each in over_tls if not _is_any(each))) if over_tls else ()
    return _Listens(in_clear, by_token, by_certificate, names)


def _is_any(address: addresses.Socket) -> bool:
    return ipaddress.ip_address(address.host).is_unspecified


def _over_tls(option: str, said: str | None, default: str) -> addresses.Socket | None:
    text = default if said is None else said
    if text == settings_model.OFF:
        return None
    address = whereabouts.address(option, text)
    if not isinstance(address, addresses.Socket):
        raise errors.UserError(f"{option}: {address} is a unix socket, which needs no TLS; give it to --ads-plaintext")
    return address


def _allow_many_connections() -> None:
    """Let this process open as many files as it may be allowed: each connection is one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _with_doors(settings: settings_model.Settings, doors: Doors) -> settings_model.Settings:
    """Return the settings with what the command line says in their place. Raises errors.UserError."""
    if doors.health is not None and doors.health != settings_model.OFF:
        whereabouts.address("--health", doors.health)
    said = {"health": doors.health, "socket": doors.operator}
    operating = settings.operating.model_copy(update={key: text for key, text in said.items() if text is not None})
    return settings.model_copy(update={"operating": operating})


async def _until_stopped(program: app.Program) -> None:
    """Run the program; the first signal stops it gracefully, the second at once."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()

    def stopped(number: int) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped, number)
    await program.run(stop)
