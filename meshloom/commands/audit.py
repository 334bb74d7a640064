"""`meshloom inject --audit`: the pods of a cluster that should have a proxy and have none.

Law: nothing is changed; what is found is that of `meshloom.injector.audit`.
"""

import asyncio
import json
import pathlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import rich.box
import rich.console
import rich.table
import rich.text
import typer

from mesh import inventory, resolve, resources, workloads
from meshloom import choices, errors
from meshloom import settings as settings_model
from meshloom.cluster import versions
from meshloom.commands import check
from meshloom.injector import audit, facts
from watchers import api_server, kinds

COLUMNS = ("Pod", "", "Why, and what to do")
PAGE = 500

_MODELS: tuple[type[resources.Resource], ...] = (*resources.KINDS.values(), workloads.Namespace, workloads.Service)
_READ = tuple(map(kinds.kind, _MODELS))


def run(access: api_server.Access, namespaces: Sequence[str], form: choices.Form, settings: pathlib.Path | None) -> int:
    """Print what is found; return the exit code, 1 if a pod lacks its proxy. Raises errors.UserError."""
    chosen = settings_model.loaded(settings)
    try:
        found = asyncio.run(_found(access, tuple(namespaces), chosen))
    except api_server.ApiError as fault:
        raise errors.UserError(f"the cluster cannot be read: {fault.message}") from None
    if form is choices.Form.JSON:
        typer.echo(json.dumps([{"pod": one.pod.key, "reason": one.reason, "why": one.why} for one in found], indent=2))
    else:
        _print(found)
    return 1 if found else 0


async def _found(
    access: api_server.Access, namespaces: tuple[str, ...], chosen: settings_model.Settings
) -> tuple[audit.Finding, ...]:
    """Raises ApiError."""
    async with api_server.connected(access) as api:
        version = versions.version(await api.request("GET", "/version"))
        read = [one for kind in _READ async for one in _all(api, kind)]
        seen = [item for kind, document in read if (item := kinds.parsed(kind, document).resource)]
        known = facts.facts(resolve.resolve(inventory.inventory_of(seen), settings=chosen.model(in_cluster=True)))
        pods = [document async for _, document in _all(api, kinds.kind(workloads.Pod), namespaces)]
    return tuple(audit.findings(pods, known, chosen.kubernetes.injection.terms(version)))


async def _all(
    api: api_server.ApiServer, kind: kinds.Kind, namespaces: tuple[str, ...] = ()
) -> AsyncIterator[tuple[kinds.Kind, Any]]:
    """Yield the objects of a kind, of these namespaces or of all; none where there is no such kind."""
    for namespace in namespaces or ("",):
        query = {"limit": str(PAGE)}
        while True:
            try:
                page = await api.request("GET", api_server.path(kind.api_version, kind.plural, namespace), query)
            except api_server.ApiError as fault:
                if fault.is_absent:
                    break
                raise
            for item in page["items"]:
                yield kind, item
            if not page["metadata"].get("continue"):
                break
            query = {"limit": str(PAGE), "continue": page["metadata"]["continue"]}


def _print(found: Sequence[audit.Finding]) -> None:
    if not found:
        typer.echo("every pod that should have a proxy has one")
        return
    columns = (rich.table.Column(title, overflow="fold") for title in COLUMNS)
    table = rich.table.Table(*columns, box=rich.box.SIMPLE)
    for one in found:
        table.add_row(*map(rich.text.Text, (one.pod.key, one.reason, one.why)))
    console = rich.console.Console()
    (console if console.is_terminal else rich.console.Console(width=check.WIDTH)).print(table)
