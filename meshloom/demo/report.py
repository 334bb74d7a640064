"""What the demo shows: a picture of the mesh, a split beside the one asked for, commands to try.

Law: pure: values in, things that rich prints out.
"""

from collections.abc import Iterable, Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from meshloom.demo import cast, programs, split
from meshloom.demo.play import Measured, Play, Started

BAR = 22


def picture(play: Play) -> Tree:
    """Return the mesh as a tree, from the gateway to the last service called."""
    host, port = play.door
    tree = Tree(Text("visitor", style="bold"))
    gate = tree.add(_node("gateway", play.cast.gates[0].gateway.name, f"http://{host}:{port}"))
    called = {service for pair in play.cast.pairs for service in _called(pair)}
    for service in _services(play.cast.pairs):
        if service not in called:
            _add_service(gate, play, service)
    return tree


def _add_service(tree: Tree, play: Play, service: str) -> None:
    branch = tree.add(Text(service, style="bold cyan"))
    pairs = [pair for pair in play.cast.pairs if pair.service.name == service]
    for pair in pairs:
        share = _share(play, pair.deployment.name)
        branch.add(_node("", pair.deployment.name, f"{share}{pair.workload}, application at {pair.application}"))
    for other in dict.fromkeys(name for pair in pairs for name in _called(pair)):
        _add_service(branch, play, other)


def _share(play: Play, version: str) -> str:
    return f"{play.table.shares[version]:.0%}   " if version in play.table.shares else ""


def _node(kind: str, name: str, rest: str) -> Text:
    return Text.assemble((f"{kind} " if kind else "", ""), (name, "bold"), (f"  {rest}", "dim"))


def _services(pairs: Iterable[cast.Pair]) -> Iterator[str]:
    return iter(dict.fromkeys(pair.service.name for pair in pairs))


def _called(pair: cast.Pair) -> Iterator[str]:
    return (url.removeprefix("http://").split("/")[0] for url in pair.calls)


def startup(took: Started, proxies: int) -> Text:
    """Return how long each part took to be ready."""
    return Text(
        f"ready: control plane in {took.control_plane:.1f} s, {proxies} Envoys in {took.envoys:.1f} s, "
        f"first answer {took.first_answer:.2f} s later\n",
        style="dim",
    )


def comparison(title: str, measured: Measured) -> RenderableType:
    """Return the measured split beside the one asked for, with bars, and whatever failed."""
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, show_header=False)
    for justify in ("left", "left", "right", "left", "right", "left"):
        table.add_column(justify=justify, no_wrap=True)
    for line in measured.lines:
        table.add_row(line.version, "asked", f"{line.asked:.1%}", Text(_bar(line.asked), style="dim"), "", "")
        table.add_row("", "measured", f"{line.measured:.1%}", *_counts(line))
    return Group(table, *_failures(measured))


def _bar(share: float) -> str:
    return ("█" * round(share * BAR) or "▏").ljust(BAR)


def _counts(line: split.Line) -> tuple[Text, str, Text]:
    colour, verdict = ("green", "✓") if line.holds else ("red", "✗")
    bar = Text(_bar(line.measured), style=colour)
    return bar, f"{line.count} of {line.total}", Text(f"{verdict} {line.low}–{line.high}", style=colour)


def _failures(measured: Measured) -> Iterator[Text]:
    return (Text(f"{count} times: {words}", style="red") for words, count in measured.faults.items())


def commands(play: Play) -> Text:
    """Return commands to try while the demo runs, each with its meaning above it."""
    host, port = play.door
    lines = (
        ((f"# {meaning}\n", "dim"), (f"{command}\n", "cyan"))
        for command, meaning in _commands(play, f"http://{host}:{port}")
    )
    return Text.assemble(*(part for line in lines for part in line))


def _commands(play: Play, door: str) -> Iterator[tuple[str, str]]:
    pairs = {pair.service.name: pair for pair in play.cast.pairs}
    yield f"curl {door}/", "the storefront, and what it called"
    yield f"curl {door}/api/catalogue/items", "another route: straight to the catalogue, path rewritten"
    yield f"curl -i -H 'Host: nobody' {door}/", "404: not a host of this gateway"
    yield f"curl -i '{door}/api/catalogue/?wait=6'", "504 after 5 s, the timeout of the catalogue's route"
    yield (
        f"curl -x {programs.outbound(pairs['storefront'])} http://catalogue/",
        "what the application of the storefront does: call others through its own sidecar",
    )
    yield (
        f"curl -i -x {programs.outbound(pairs['prices'])} http://stock/",
        "403, and why: no policy lets prices call stock",
    )
    yield f"curl http://{pairs['storefront'].workload}:15006/stats/prometheus", "statistics of a sidecar"
    yield f"curl http://{pairs['storefront'].workload}:9901/config_dump", "what a sidecar was told"
    yield f"$EDITOR {play.file}", "change a weight, a rule, a policy; save; watch"
    yield f"ls {play.site.folder}/logs", "what every process says"
