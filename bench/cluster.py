"""A cluster with a thousand services, whose endpoints change a hundred times a second for a minute.

Law: a real API server, the program as people start it, one proxy that sees everything. Where no API server is found by
KUBEBUILDER_ASSETS there is nothing to measure, and that is said.
"""

import asyncio
import pathlib
import sys
import tempfile
from collections.abc import Callable, Iterator

from bench import rows
from tests.cluster import crowd, servers

LOAD = crowd.Load(services=1_000, with_pods=True)
MEMORY_MB = 500.0
LATENCY_SECONDS = 1.5
"""What settling may take at most, and half a second more."""
NAMESPACE = "crowd"


def measure(say: Callable[[str], None]) -> Iterator[rows.Row]:
    """Yield what following a cluster costs. Raises AssertionError if a change was lost."""
    if reason := servers.missing():
        sys.stderr.write(f"cluster: {reason}\n")
        return
    with tempfile.TemporaryDirectory() as folder, servers.running(pathlib.Path(folder)) as cluster:
        crds = pathlib.Path(__file__).parents[1] / "deploy" / "crds"
        cluster.kubectl("apply", "--server-side", "-f", str(crds))
        cluster.kubectl("wait", "--for=condition=Established", "--timeout=60s", "-f", str(crds))
        cluster.kubectl("create", "namespace", NAMESPACE)
        say(f"{LOAD.services} services, then {LOAD.rate:g} changes a second for {LOAD.seconds:g} s")
        found = asyncio.run(crowd.measured(cluster, pathlib.Path(folder), NAMESPACE, LOAD))
    assert not found.lost, f"lost: {sorted(found.lost)[:5]}"
    yield from _rows(found)


def _rows(found: crowd.Figures) -> Iterator[rows.Row]:
    of = f"{LOAD.services} services x {LOAD.endpoints} endpoints"
    yield rows.row(f"cluster: {of}, from the last object to a proxy that has all", found.starting, "s", found.applying)
    yield rows.row(
        "cluster: objects applied a second, all followed meanwhile", LOAD.objects / found.applying, "1/s", LOAD.rate
    )
    yield rows.row("cluster: changes of endpoints a second", found.changes / found.changing, "1/s", LOAD.rate)
    yield rows.row("cluster: change to proxy p50", found.middle, "s", LATENCY_SECONDS)
    yield rows.row("cluster: change to proxy p99", found.longest, "s", LATENCY_SECONDS)
    yield rows.row("cluster: processor time a change", found.cpu / found.changes * 1000, "ms CPU", 1000 / LOAD.rate)
    yield rows.row("cluster: memory", found.memory / (1 << 20), "MB", MEMORY_MB)
