"""`meshloom install` and `meshloom uninstall`: a control plane comes to a cluster, and goes.

Law: what is printed is what is done; nothing is asked of a cluster for `--dry-run`.
"""

import asyncio
import pathlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import typer

from meshloom.install import applying, objects, removing, values
from watchers import api_server

Doing = Callable[[api_server.ApiServer], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was said on the command line: of values, files count before assignments, and options of their own last."""

    namespace: str
    files: tuple[pathlib.Path, ...]
    assignments: tuple[str, ...]
    said: dict[str, Any]
    access: api_server.Access


def install(wanted: Wanted, *, dry_run: bool, wait: bool, seconds: float) -> None:
    """Apply the objects, or print them. Raises errors.UserError."""
    said = values.read(wanted.files, *map(values.assignment, wanted.assignments), wanted.said)
    documents = objects.objects(said, values.named(wanted.namespace))
    if dry_run:
        typer.echo(objects.stream(documents), nl=False)
        return

    async def done(api: api_server.ApiServer) -> None:
        await applying.apply(api, documents, typer.echo)
        if wait:
            await applying.wait_ready(api, wanted.namespace, seconds)
            typer.echo("the control plane is ready")

    _with(wanted.access, done)


def uninstall(namespace: str, access: api_server.Access, *, dry_run: bool, purge: bool) -> None:
    """Remove the objects, or say which. Raises errors.UserError."""
    if dry_run:
        typer.echo("\n".join(removing.described(values.named(namespace), purge=purge)))
        return
    _with(access, lambda api: removing.remove(api, values.named(namespace), typer.echo, purge=purge))


def _with(access: api_server.Access, doing: Doing) -> None:
    async def connected() -> None:
        with applying.told("the cluster cannot be used"):
            async with api_server.connected(access) as api:
                await doing(api)

    asyncio.run(connected())
