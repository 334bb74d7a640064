"""Responses sent and their answers, as they are counted: plain numbers, made into metrics when somebody asks.

Law: a response and its ACK cost a few additions on the event loop, which sends thousands a second. Only the event loop
counts; whoever reads sees each number as it was at some moment.
"""

import bisect
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from prometheus_client import metrics_core

from meshloom import short_names

ANSWER_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0)
"""The upper ends of the classes of answers, by how long they took."""

_LABELS: Final = ("type",)
_CLASSES: Final = (*map(str, ANSWER_SECONDS), "+Inf")


@dataclass(slots=True)
class _Counts:
    """Those of one type; `acked` by class, `seconds` their sum."""

    responses: int = 0
    bytes: int = 0
    acked: list[int] = field(default_factory=lambda: [0] * len(_CLASSES))
    seconds: float = 0.0
    nacked: int = 0
    overdue: int = 0

    def buckets(self) -> list[tuple[str, float]]:
        """Return how many answers took at most so long."""
        return [*zip(_CLASSES, itertools.accumulate(self.acked), strict=True)]


class ResponseCounts:
    """Counts by type URL (`prometheus_client.registry.Collector`)."""

    def __init__(self) -> None:
        self._of = {type_url: _Counts() for type_url in short_names.OF}

    def sent(self, type_url: str, size: int) -> None:
        """Count a response of this many bytes."""
        counts = self._of[type_url]
        counts.responses += 1
        counts.bytes += size

    def acked(self, type_url: str, seconds: float) -> None:
        """Count an ACK this long after the response."""
        counts = self._of[type_url]
        counts.acked[bisect.bisect_left(ANSWER_SECONDS, seconds)] += 1
        counts.seconds += seconds

    def nacked(self, type_url: str) -> None:
        """Count a NACK."""
        self._of[type_url].nacked += 1

    def overdue(self, type_url: str) -> None:
        """Count an answer that did not come in time."""
        self._of[type_url].overdue += 1

    def collect(self) -> Iterator[metrics_core.Metric]:
        """Yield the families."""
        counter, histogram = metrics_core.CounterMetricFamily, metrics_core.HistogramMetricFamily
        sent = counter("meshloom_responses_sent", "Responses sent to proxies.", labels=_LABELS)
        size = counter("meshloom_response_bytes", "Bytes of responses sent to proxies.", labels=_LABELS)
        told = "From a response until the proxy has acknowledged it."
        acked = histogram("meshloom_ack_seconds", told, labels=_LABELS)
        nacked = counter("meshloom_nacks", "Responses that a proxy rejected.", labels=_LABELS)
        overdue = counter("meshloom_overdue_answers", "Answers no longer waited for.", labels=_LABELS)
        for type_url, counts in self._of.items():
            label = (short_names.OF[type_url],)
            sent.add_metric(label, counts.responses)
            size.add_metric(label, counts.bytes)
            acked.add_metric(label, counts.buckets(), counts.seconds)
            nacked.add_metric(label, counts.nacked)
            overdue.add_metric(label, counts.overdue)
        yield from (sent, size, acked, nacked, overdue)
