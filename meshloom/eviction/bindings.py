"""Which binding binds a pod: looked up by a label, for there are many bindings and more pods.

Law: pure; the answer is that of `meshloom.injector.decision`: of those that fit the first one counts.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from meshloom.injector.facts import Binding

Label = tuple[str, str]


class Filed(NamedTuple):
    """A binding, and how many go before it."""

    rank: int
    binding: Binding


Bindings = Mapping[Label, Sequence[Filed]]


def filed(several: Sequence[Binding]) -> Bindings:
    """Return the bindings of a namespace, each at the one of its labels that the fewest others share."""
    common = Counter(label for one in several for label in one.labels)
    found: defaultdict[Label, list[Filed]] = defaultdict(list)
    for rank, one in enumerate(several):
        if one.labels:
            found[min(one.labels, key=lambda label: (common[label], label))].append(Filed(rank, one))
    return found


def bound(bindings: Bindings, labels: Mapping[str, str]) -> Binding | None:
    """Return the binding of a pod with these labels, None if there is none."""
    pairs = labels.items()
    fitting = [one for label in pairs for one in bindings.get(label, ()) if one.binding.labels <= pairs]
    return min(fitting, key=lambda one: one.rank).binding if fitting else None
