"""How the kinds of a cluster are followed, as metrics; made when somebody asks.

Law: one label, the kind; namespaces and names are summed up.
"""

from collections.abc import Callable, Iterator
from typing import Final

from prometheus_client import metrics_core

from watchers import standing

Standings = Callable[[], tuple[standing.Standing, ...]]

_LABELS: Final = ("kind",)


class WatchCounts:
    """Sums by kind (`prometheus_client.registry.Collector`)."""

    def __init__(self, standings: Standings) -> None:
        self._standings = standings

    def collect(self) -> Iterator[metrics_core.Metric]:
        """Yield them; nothing where no cluster is followed."""
        found: dict[str, list[standing.Standing]] = {}
        for each in self._standings():
            found.setdefault(each.kind.name, []).append(each)
        if not found:
            return
        for name, told, value in _GAUGES:
            yield _filled(metrics_core.GaugeMetricFamily(name, told, labels=_LABELS), found, value)
        for name, told, value in _COUNTERS:
            yield _filled(metrics_core.CounterMetricFamily(name, told, labels=_LABELS), found, value)


Found = dict[str, list[standing.Standing]]
_Several = list[standing.Standing]
_Sum = Callable[[_Several], float]
_Family = metrics_core.GaugeMetricFamily | metrics_core.CounterMetricFamily

_GAUGES: Final[tuple[tuple[str, str, _Sum], ...]] = (
    ("meshloom_watch_objects", "Objects that are there.", lambda several: sum(each.objects for each in several)),
    (
        "meshloom_watch_synced",
        "Whether the kind has been listed to its end, everywhere.",
        lambda several: all(each.is_synced for each in several),
    ),
    (
        "meshloom_watch_failing",
        "Whether the kind cannot be followed at the moment, somewhere.",
        lambda several: any(each.fault for each in several),
    ),
    (
        "meshloom_watch_contact_timestamp_seconds",
        "When the API server last said anything of the kind; of several the one that is silent for longest.",
        lambda several: min(each.contact for each in several),
    ),
)
_COUNTERS: Final[tuple[tuple[str, str, _Sum], ...]] = (
    ("meshloom_watch_events", "Objects that were told.", lambda several: sum(each.events for each in several)),
    ("meshloom_watch_lists", "Lists that were begun.", lambda several: sum(each.lists for each in several)),
    ("meshloom_watch_starts", "Watches that were begun.", lambda several: sum(each.watches for each in several)),
    ("meshloom_watch_faults", "Requests that failed.", lambda several: sum(each.faults for each in several)),
)


def _filled(family: _Family, found: Found, value: _Sum) -> metrics_core.Metric:
    for name, several in found.items():
        family.add_metric((name,), value(several))
    return family
