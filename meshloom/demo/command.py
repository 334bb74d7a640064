"""`meshloom demo`: a mesh of real processes, its split measured, edited and measured again.

Law: the person who runs it needs to know nothing; it ends with no process left, and says in one line why it failed.
"""

import contextlib
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from meshloom import bootstrap
from meshloom.demo import loopback, play, report, split, traffic
from meshloom.demo.processes import Processes
from meshloom.demo.waiting import NotReadyError

WINDOW_S = 10.0
PAUSE_S = 0.02
MEMORY = 2000


def demo(
    check: Annotated[bool, typer.Option("--check", help="Measure, exit 0 or 1, and do not stay.")] = False,
    requests: Annotated[int, typer.Option(min=100, max=100_000, help="Requests for each measurement.")] = 600,
    sotw: Annotated[bool, typer.Option("--sotw", help="Let the Envoys ask by state of the world, not delta.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the folder with YAML, bootstraps and logs.")] = False,
) -> None:
    """Run a sample mesh of real Envoys on this machine, measure its traffic split, edit it live."""
    console = Console(highlight=False, soft_wrap=False)
    variant = bootstrap.Variant.STATE_OF_THE_WORLD if sotw else bootstrap.Variant.DELTA
    _end_by_sigterm()
    try:
        with _run_folder(console, keep) as folder:
            _perform(console, folder, variant, requests, check)
    except NotReadyError as fault:
        console.print(Text(str(fault), style="red"), soft_wrap=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        console.print("stopped; no process is left")


def _perform(console: Console, folder: Path, variant: bootstrap.Variant, requests: int, check: bool) -> None:
    """Run the demo; without `check` stay until Ctrl-C. Raises `NotReadyError` for whatever is not as asked."""
    with loopback.claimed_block(play.ports()) as block, Processes() as processes:
        shown = _opened(console, play.prepared(folder, block, variant), processes)
        if not _compared(console, shown, requests):
            raise NotReadyError("the traffic is not what the YAML asks for; see ✗ and the words in red above")
        console.print("\nBoth splits hold.", style="bold green")
        if not check:
            _stay(console, shown)


def _opened(console: Console, shown: play.Play, processes: Processes) -> play.Play:
    proxies = len(shown.cast.gates) + len(shown.cast.pairs)
    console.print(f"Starting a control plane, {len(shown.cast.pairs)} sample applications and {proxies} Envoys …")
    took = play.started(shown, processes)
    console.print(report.startup(took, proxies), report.picture(shown), sep="\n")
    return shown


def _compared(console: Console, shown: play.Play, requests: int) -> bool:
    """Measure, edit the weights, measure again; print both; return whether both held."""
    name = shown.table.name
    before = play.measured(shown, shown.table.shares, requests)
    console.print("", report.comparison(f"Route table {name}: what the YAML asks, what traffic does", before), sep="\n")
    weights = play.swapped(shown)
    wanted = ", ".join(f"{version} {weight}" for version, weight in weights.items())
    console.print(f"\nEditing the weights in {shown.file}: {wanted}", soft_wrap=True)
    took = play.edited(shown, weights)
    after = play.measured(shown, split.shares(weights), requests)
    console.print(report.comparison(f"Traffic followed {took:.2f} s after the file was written", after))
    return before.holds and after.holds


def _stay(console: Console, shown: play.Play) -> None:
    """Send a little traffic and show its split, live, until Ctrl-C."""
    console.print("\nTry, in another terminal:", style="bold")
    console.print(report.commands(shown), soft_wrap=True)
    console.print("Ctrl-C ends the demo.\n")
    stream = traffic.Stream(*shown.door, "/", pause=PAUSE_S, memory=MEMORY)
    with stream, Live(console=console, auto_refresh=False) as live:
        asked = shown.table.shares
        while True:
            now = play.asked_now(shown)
            asked = now or asked
            recent = [reply for reply in stream.seen if reply.at > time.monotonic() - WINDOW_S]
            live.update(_live(play.compared(shown, asked, recent), readable=now is not None), refresh=True)
            time.sleep(0.5)


def _live(measured: play.Measured, readable: bool) -> Group:
    table = report.comparison(f"The last {WINDOW_S:g} seconds", measured)
    warning = Text("mesh.yaml cannot be read as it is; what it said before goes on being served", style="yellow")
    return Group(table) if readable else Group(table, warning)


@contextlib.contextmanager
def _run_folder(console: Console, keep: bool) -> Iterator[Path]:
    """Make a folder for one run and remove it in the end, unless it is wanted or something failed."""
    folder = Path(tempfile.mkdtemp(prefix="meshloom-demo-"))
    try:
        yield folder
    except NotReadyError:
        keep = True
        raise
    finally:
        if keep:
            console.print(f"YAML, bootstraps and logs are kept in {folder}", soft_wrap=True)
        else:
            shutil.rmtree(folder, ignore_errors=True)


def _end_by_sigterm() -> None:
    """Let SIGTERM end the demo as Ctrl-C does."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
