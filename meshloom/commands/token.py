"""`meshloom token`: join tokens made, looked at and revoked, in the state folder or in a cluster.

Law: a token is printed where it is made and nowhere else.
"""

import asyncio
import datetime
import json
import os
import pathlib
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import typer

from mesh.problems import Ref
from meshloom import choices, errors
from meshloom import settings as settings_model
from meshloom import state as states
from meshloom.cluster import home, residence
from meshloom.identity import claim, kept, register, tokens
from watchers import api_server

T = TypeVar("T")

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_MOST_SECONDS = 3650 * 86400


@dataclass(frozen=True, slots=True)
class Where:
    """Where tokens are kept, as it was said: in a state folder, or in a namespace of a cluster."""

    state: pathlib.Path | None = None
    settings: pathlib.Path | None = None
    is_cluster: bool = False
    access: api_server.Access = api_server.USUAL
    namespace: str = residence.NAMESPACE


def there(where: Where, work: Callable[[register.Store], T]) -> T:
    """Return what is made of the tokens that are kept there. Raises errors.UserError, and what the work raises."""
    if where.is_cluster:
        return asyncio.run(_in_cluster(where, work))
    return work(register.Folder(states.folder(where.state, settings_model.loaded(where.settings))))


async def _in_cluster(where: Where, work: Callable[[register.Store], T]) -> T:
    """Do the work in a thread: it waits for answers that come on this loop."""
    try:
        async with api_server.connected(where.access) as api:
            return await asyncio.to_thread(work, home.namespaced(api, where.namespace).tokens)
    except api_server.ApiError as fault:
        raise errors.UserError(f"--kubernetes: {fault.message}") from None


def create(proxy: str, valid: str, kept_in: register.Store, *, gateway: bool) -> None:
    """Print a new token, with a newline at a terminal only: the oldest Envoy sends the file as it is.

    Raises errors.UserError.
    """
    owner, seconds = _owner(proxy, gateway=gateway), _seconds(valid)
    key = kept_in.signing()
    token = tokens.issued(owner, key.id, time.time(), seconds)
    typer.echo(tokens.signed(token, key.key), nl=sys.stdout.isatty())
    if _is_open_to_others():
        typer.echo("warning: others can read the file of this token; umask 077 before, or chmod 600 it", err=True)


def inspect(given: str, kept_in: register.Store, form: choices.Listing) -> int:
    """Print what a token says and whether it is accepted; return the exit code. Raises errors.UserError."""
    known, now = kept_in.read(), time.time()
    try:
        token = tokens.read(tokens.bare(_text(given)), known.keys)
    except tokens.TokenError as fault:
        raise errors.UserError(f"{_named(given)}: {fault}") from None
    refused = known.fault(token, now)
    told = {
        "subject": str(token.owner),
        "id": token.id,
        "issued": _moment(token.issued),
        "expires": _moment(token.expires),
        "signature": "valid",
        "revoked": token.id in known.revoked,
        "accepted": refused is None,
    }
    _print(told, form)
    return 0 if refused is None else 1


def revoke(given: str, kept_in: register.Store) -> None:
    """Revoke a token by its file or id. Raises errors.UserError."""
    if tokens.is_id(given):
        kept_in.revoke(given)
        typer.echo(f"revoked {given}")
        return
    try:
        token = tokens.read(tokens.bare(_text(given)), kept_in.read().keys)
    except tokens.TokenError as fault:
        raise errors.UserError(f"{_named(given)}: {fault}") from None
    kept_in.revoke(token.id)
    typer.echo(f"revoked {token.id} of {token.owner}")


def _owner(proxy: str, *, gateway: bool) -> Ref:
    try:
        return claim.reference("IngressGateway" if gateway else "VirtualDeployment", proxy)
    except ValueError as fault:
        raise errors.UserError(f"--proxy: {proxy!r} {fault}, as shop/pets-v1") from None


def _seconds(text: str) -> int:
    found = re.fullmatch(r"([0-9]{1,9})([smhd])", text)
    seconds = int(found[1]) * _UNITS[found[2]] if found else 0
    if not 0 < seconds <= _MOST_SECONDS:
        raise errors.UserError(f"--valid: {text!r} is not a time of at most ten years, as 90d, 12h, 30m or 45s")
    return seconds


def _text(given: str) -> str:
    """Return what a file or standard input holds. Raises errors.UserError."""
    if _named(given) != given:
        raise errors.UserError("a token belongs in a file, and not on the command line, which others can see")
    if given == "-":
        found = sys.stdin.buffer.read(2 * tokens.LARGEST + 1)
    else:
        try:
            found = kept.content(pathlib.Path(given), 2 * tokens.LARGEST)
        except FileNotFoundError:
            raise errors.UserError(
                f"{given} does not exist; name the file of a token, or - for standard input"
            ) from None
    return found.decode("ascii", errors="replace")


def _named(given: str) -> str:
    """Return what was given as a file, unless it is a token itself, which is not to be repeated."""
    return "what was given" if len(given) > 100 and given.count(".") == 2 and "/" not in given else given


def _is_open_to_others() -> bool:
    """Return whether standard output is a file that others can read."""
    try:
        mode = os.fstat(sys.stdout.fileno()).st_mode
    except (OSError, ValueError):
        return False
    return bool(mode & 0o077) and (mode & 0o170000) == 0o100000


def _moment(seconds: int) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat().replace("+00:00", "Z")


def _print(told: dict[str, Any], form: choices.Listing) -> None:
    if form is choices.Listing.JSON:
        typer.echo(json.dumps(told, indent=2))
        return
    for name, value in told.items():
        typer.echo(f"{name:10} {value if isinstance(value, str) else 'yes' if value else 'no'}")
