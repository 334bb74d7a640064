"""`meshloom config`: what one proxy should have, was sent and has acknowledged, and the difference.

Law: nothing is compared here; the control plane does it, and decodes by the functions that `meshloom compile` uses.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import rich.box
import rich.console
import rich.table
import rich.text
import typer

from meshloom import choices
from meshloom.commands import asking, documents
from meshloom.operator import client, shapes


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be shown: of which proxy, type and name, and whether only what is not in sync."""

    proxy: str
    type: str | None = None
    name: str | None = None
    differing: bool = False


def run(wanted: Wanted, form: choices.Comparison, at: client.Place) -> int:
    """Print the comparison, or the resources of one name; return the exit code. Raises errors.UserError."""
    found = client.config(at, asking.name(wanted.proxy), wanted.type, wanted.name)
    shown = [_chosen(config, wanted) for config in found.configs]
    if form is choices.Comparison.TABLE and wanted.name is None:
        console = asking.console()
        for config in shown:
            console.print(table(config))
    else:
        told = found.model_copy(update={"configs": tuple(shown)})
        as_json = choices.Form.JSON if form is choices.Comparison.JSON else choices.Form.YAML
        typer.echo(documents.text(_document(told, form), as_json), nl=False)
    return asking.exit_code(resource.state for config in found.configs for resource in config.resources)


def table(config: shapes.Config) -> rich.console.RenderableType:
    """Return the comparison as a table between two lines: whose it is, and what it comes to."""
    proxy = config.proxy
    who = f"{proxy.kind} {proxy.namespace}/{proxy.name}, node {proxy.node}, {proxy.variant}"
    made = rich.table.Table("Type", "Name", "State", "Should have", "Sent", "Acknowledged", "Why", box=rich.box.SIMPLE)
    for each in config.resources:
        made.add_row(*_cells(each))
    return rich.console.Group(asking.cell(who), made, rich.text.Text(_summary(config)))


def _chosen(config: shapes.Config, wanted: Wanted) -> shapes.Config:
    kept = (each for each in config.resources if not wanted.differing or each.state != "synced")
    return config.model_copy(update={"resources": tuple(kept)})


def _cells(each: shapes.Resource) -> Iterator[rich.text.Text]:
    yield asking.cell(each.type)
    yield asking.cell(each.name)
    yield asking.state(each.state)
    yield from (asking.cell(text) for text in (each.should, each.sent, each.acked, each.message))


def _summary(config: shapes.Config) -> str:
    tally = Counter(each.state for each in config.resources)
    told = ", ".join(f"{count} {state}" for state, count in sorted(tally.items()))
    return f"{len(config.resources)} resources: {told}" if tally else "no resources"


def _document(found: shapes.Configs, form: choices.Comparison) -> Any:
    """Return the whole answer for programs; for people who ask for one name, its resources alone."""
    if form is not choices.Comparison.TABLE:
        return found.model_dump(mode="json")
    return [
        {"proxy": config.proxy.node, **each.model_dump(mode="json")}
        for config in found.configs
        for each in config.resources
    ]
