"""`meshloom proxies`: who is connected, and how far each is.

Law: nothing is found out here; the control plane says it, and it is shown as it was said.
"""

import contextlib
import datetime
import json
import time
from collections.abc import Callable, Iterator
from typing import Final

import rich.box
import rich.console
import rich.live
import rich.table
import rich.text
import typer

from meshloom import choices, errors, short_names
from meshloom.commands import asking
from meshloom.operator import client, shapes

LOOK_SECONDS: Final = 1.0
"""Between two looks of `--watch`."""

_MARKS: Final = {"synced": "ok", "pending": "pending", "rejected": "rejected", "unused": "-"}


def run(proxy: str | None, form: choices.Listing, at: client.Place, *, watch: bool) -> int:
    """Print how far the proxies are; return the exit code. Raises errors.UserError."""
    if watch and form is choices.Listing.JSON:
        raise errors.UserError("--watch shows a table; leave out -o json")
    wanted = asking.name(proxy) if proxy else None
    console = asking.console()
    if watch:
        watched(console, lambda: client.proxies(at, wanted), time.sleep)
        return asking.SYNCED
    return _once(console, at, wanted, form)


def watched(console: rich.console.Console, look: Callable[[], shapes.Proxies], pause: Callable[[float], None]) -> None:
    """Show the newest table until Ctrl-C; a control plane that does not answer is said, and asked again."""
    try:
        shown = table(look(), _now())
        with _screen(console, shown) as show:
            for found in _looks(look, pause):
                shown = table(found, _now()) if isinstance(found, shapes.Proxies) else shown
                fault = asking.cell(str(found)) if isinstance(found, errors.UserError) else None
                show(rich.console.Group(*(each for each in (shown, fault) if each is not None)))
    except KeyboardInterrupt:
        return


@contextlib.contextmanager
def _screen(
    console: rich.console.Console, first: rich.console.RenderableType
) -> Iterator[Callable[[rich.console.RenderableType], None]]:
    """Yield how to show something in the place of what was shown, or below it where a terminal cannot do that."""
    if console.is_dumb_terminal or not console.is_terminal:
        console.print(first)
        yield console.print
    else:
        with rich.live.Live(first, console=console, auto_refresh=False) as live:
            yield lambda shown: live.update(shown, refresh=True)


def table(found: shapes.Proxies, now: datetime.datetime) -> rich.console.RenderableType:
    """Return the proxies as a table, a line for each rejection and each wait under it, and one line that sums up."""
    made = rich.table.Table(box=rich.box.SIMPLE)
    for head in ("Proxy", "Node", "Envoy", "xDS", "Capture", "Connected", *short_names.OF.values()):
        made.add_column(head, overflow="fold")
    for proxy in found.proxies:
        made.add_row(*_cells(proxy, now))
    summary = rich.text.Text(_summary(found))
    told = (*_rejections(found, now), *_waits(found, now))
    return rich.console.Group(made, *told, summary) if found.proxies else summary


def _once(console: rich.console.Console, at: client.Place, wanted: str | None, form: choices.Listing) -> int:
    found = client.proxies(at, wanted)
    if form is choices.Listing.JSON:
        typer.echo(json.dumps(found.model_dump(mode="json"), indent=2))
    else:
        console.print(table(found, _now()))
    return asking.exit_code(proxy.state for proxy in found.proxies)


def _looks(
    look: Callable[[], shapes.Proxies], pause: Callable[[float], None]
) -> Iterator[shapes.Proxies | errors.UserError]:
    while True:
        pause(LOOK_SECONDS)
        try:
            yield look()
        except errors.UserError as fault:
            yield fault


def _cells(proxy: shapes.Proxy, now: datetime.datetime) -> Iterator[rich.text.Text]:
    capture = proxy.capture if proxy.kind == "VirtualDeployment" else f"gateway {proxy.deployment}".strip()
    yield asking.cell(f"{proxy.namespace}/{proxy.name}")
    for text in (proxy.node, proxy.envoy, proxy.variant, capture, asking.ago(proxy.connected, now)):
        yield asking.cell(text)
    for each in proxy.types:
        age = asking.ago(each.since, now)
        yield rich.text.Text(f"{_MARKS[each.state]} {age}".strip(), style=asking.COLORS[each.state])


def _rejections(found: shapes.Proxies, now: datetime.datetime) -> Iterator[rich.text.Text]:
    for proxy in found.proxies:
        for each in proxy.types:
            for rejection in each.rejections:
                names = ", ".join(rejection.resources) + (f" and {rejection.more} more" if rejection.more else "")
                where = f"{proxy.namespace}/{proxy.name} ({proxy.node}) rejected {each.type} {names}"
                yield asking.cell(f"{where} {asking.ago(rejection.since, now)} ago: {rejection.message}", 1000)


def _waits(found: shapes.Proxies, now: datetime.datetime) -> Iterator[rich.text.Text]:
    for proxy in found.proxies:
        whose = f"{proxy.namespace}/{proxy.name} ({proxy.node})"
        for each in proxy.types:
            for wait in each.waits:
                age = asking.ago(wait.since, now)
                yield asking.cell(f"{whose}: {each.type} {wait.resource} {shapes.reason(wait)}, for {age}", 1000)
            if each.more_waits:
                yield asking.cell(f"{whose}: {each.more_waits} more of {each.type} wait", 1000)


def _summary(found: shapes.Proxies) -> str:
    if not found.proxies:
        return "no proxies are connected"
    states = [proxy.state for proxy in found.proxies]
    told = (f"{states.count(state)} {state}" for state in ("synced", "pending", "rejected") if state in states)
    return f"{len(states)} connected: {', '.join(told)}" if set(states) != {"unused"} else f"{len(states)} connected"


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
