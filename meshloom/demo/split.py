"""How traffic is split: what the YAML asks, what was measured, and whether chance explains the difference.

Law: pure. Each request goes to a version by chance, independent of the others, so counts are binomial.
"""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from mesh import resources

FALSE_ALARM = 1e-7
"""The chance that one count is judged wrong although the split is right. A run judges fewer than ten."""

Shares = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Line:
    """One version: the share asked for, and of `total` requests those counted and those that chance allows."""

    version: str
    asked: float
    count: int
    total: int
    low: int
    high: int

    @property
    def measured(self) -> float:
        """The share that was measured."""
        return self.count / self.total if self.total else 0.0

    @property
    def holds(self) -> bool:
        """Whether chance explains the difference."""
        return self.low <= self.count <= self.high


@dataclass(frozen=True, slots=True)
class Table:
    """A route table whose first rule splits: its own name, the service's, and the shares by deployment."""

    name: str
    service: str
    shares: Shares


def featured_table(written: Iterable[resources.Resource]) -> Table | None:
    """Return the first route table that splits its traffic, or None."""
    tables = (item for item in written if isinstance(item, resources.VirtualServiceRouteTable))
    return next((table for item in tables for table in _split_tables(item)), None)


def _split_tables(table: resources.VirtualServiceRouteTable) -> Iterator[Table]:
    route = table.spec.route_rules[0].http_route if table.spec else None
    if table.spec is None or route is None or len(route.destinations) < 2 or table.spec.virtual_service.ref is None:
        return
    weights = {to.virtual_deployment.ref.name: to.weight for to in route.destinations if to.virtual_deployment.ref}
    yield Table(table.metadata.name, table.spec.virtual_service.ref.name, shares(weights))


def shares(weights: Mapping[str, int]) -> Shares:
    """Return weights as parts of one; all are 0 where no weight is above 0."""
    total = sum(weights.values()) or 1
    return {version: weight / total for version, weight in weights.items()}


def lines(asked: Shares, seen: Iterable[str], false_alarm: float = FALSE_ALARM) -> tuple[Line, ...]:
    """Compare the versions seen, one for each request, with the shares asked for."""
    counted = tuple(seen)
    total = len(counted)
    versions = dict.fromkeys((*asked, *sorted(set(counted))))  # one that nobody asked for is shown too
    return tuple(
        Line(name, share, counted.count(name), total, *bounds(total, share, false_alarm))
        for name, share in ((name, asked.get(name, 0.0)) for name in versions)
    )


def bounds(total: int, share: float, false_alarm: float = FALSE_ALARM) -> tuple[int, int]:
    """Return the lowest and highest count out of `total` that chance explains, but for that chance of being wrong."""
    if share <= 0 or share >= 1:
        return (0, 0) if share <= 0 else (total, total)
    likely = [_probability(total, count, share) for count in range(total + 1)]
    return _rare(likely, false_alarm / 2), total - _rare(likely[::-1], false_alarm / 2)


def _probability(total: int, count: int, share: float) -> float:
    ways = math.lgamma(total + 1) - math.lgamma(count + 1) - math.lgamma(total - count + 1)
    return math.exp(ways + count * math.log(share) + (total - count) * math.log1p(-share))


def _rare(likely: Sequence[float], chance: float) -> int:
    """Return how many outcomes from the start are together no likelier than `chance`."""
    so_far = 0.0
    for number, probability in enumerate(likely):
        so_far += probability
        if so_far > chance:
            return number
    return len(likely)


def turning_point(seen: Sequence[str], before: Shares, after: Shares) -> int:
    """Return the index of the first request that, most likely, was split as `after`; `len(seen)` if none was."""
    gains = [_surprise(before, version) - _surprise(after, version) for version in seen]
    tails = [*itertools.accumulate(reversed(gains), initial=0.0)][::-1]
    return max(range(len(tails)), key=tails.__getitem__)


def _surprise(shares: Shares, version: str) -> float:
    return -math.log(max(shares.get(version, 0.0), 1e-6))
