"""A row of a benchmark: what was measured, and beside what.

Law: a number alone says little on a shared machine, so each stands beside another of the same run, or a limit.
"""

import gc
import time
from collections.abc import Callable, Iterable
from typing import TypedDict

import rich.table


class Row(TypedDict):
    """`floor` is what the value is compared with (another way to do the same, or a limit); `ratio` is value / floor."""

    name: str
    value: float
    unit: str
    floor: float
    ratio: float


def row(name: str, value: float, unit: str, floor: float) -> Row:
    """Return a row, its ratio worked out."""
    return {
        "name": name,
        "value": round(value, 4),
        "unit": unit,
        "floor": round(floor, 4),
        "ratio": round(value / floor, 4),
    }


def cpu_seconds(work: Callable[[], object]) -> float:
    """Return the processor time of one call, free of the garbage of what went before."""
    gc.collect()
    start = time.process_time()
    work()
    return time.process_time() - start


def table(rows: Iterable[Row]) -> rich.table.Table:
    """Return the rows for people."""
    shown = rich.table.Table("what", "value", "", "beside", "ratio")
    for one in rows:
        shown.add_row(one["name"], f"{one['value']:g}", one["unit"], f"{one['floor']:g}", f"{one['ratio']:.3g}")
    return shown
