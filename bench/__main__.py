"""All benchmarks: a table for people, `build/bench.json` for machines.

Law: every row stands beside a limit or another way to do the same, measured in the same run.
"""

import json
import pathlib
import sys
from collections.abc import Callable, Iterable, Mapping

import rich.console

from bench import cluster, endpoints, injection, load, reviews, rows, wire
from bench import compile as compiler

RESULTS = pathlib.Path("build/bench.json")
Say = Callable[[str], None]
BENCHMARKS: Mapping[str, Callable[[Say], Iterable[rows.Row]]] = {
    "wire": wire.measure,
    "compile": compiler.measure,
    "endpoints": endpoints.measure,
    "load": load.measure,
    "cluster": cluster.measure,
    "injection": injection.measure,
    "reviews": reviews.measure,
}


def main(chosen: list[str]) -> int:
    """Run the named benchmarks, or all; say what is being done, then show and write the rows."""
    unknown = sorted(set(chosen) - BENCHMARKS.keys())
    if unknown:
        sys.stderr.write(f"no benchmark named {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}\n")
        return 2
    console = rich.console.Console()
    found: list[rows.Row] = []
    for name in chosen or BENCHMARKS:
        with console.status(f"measuring: {name}") as status:
            for row in BENCHMARKS[name](lambda doing, name=name, status=status: status.update(f"{name}: {doing}")):
                found.append(row)
                status.update(f"measuring: {name}, {len(found)} rows so far")
    console.print(rows.table(found))
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
