"""How far proxies are, counted by groups, and what follows of it for an object.

Law: pure; a proxy counts as having accepted an object once it has acknowledged all of a pass that holds it. What has
been accepted once stays so until it is written anew, whatever else proxies are sent; a rejection counts at once.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from mesh.problems import Ref
from meshloom.status.concerns import Concern, Group
from meshloom.status.verdicts import STATE_CHANGED, Truth, Verdict, bounded, success

LONGEST_WORDS: Final = 300
"""Characters of a proxy's own words."""

NEVER: Final = -1
"""The pass of a proxy that has not acknowledged any as a whole."""

NO_PROXY: Final = "no proxy that it concerns was connected"
WAITS: Final = "proxies keep what they have until it is configured"
ENDS: Final = "it is being deleted, and served until it is gone"


@dataclass(frozen=True, slots=True)
class Proxies:
    """Some proxies: how many have acknowledged all up to which pass, how many reject something, the words of one."""

    through: Mapping[int, int] = field(default_factory=dict)
    rejecting: int = 0
    words: str = ""

    @property
    def connected(self) -> int:
        """How many they are."""
        return sum(self.through.values())

    def accepted(self, since: int) -> int:
        """Return how many have acknowledged a pass, or a later one."""
        return sum(count for number, count in self.through.items() if number >= since)


NONE: Final = Proxies()


def proxy(through: int, rejection: str = "") -> Proxies:
    """Return one proxy; `rejection` is its node and its words, empty where it rejects nothing."""
    return Proxies({through: 1}, int(bool(rejection)), rejection)


def together(several: Iterable[Proxies]) -> Proxies:
    """Return all of these; the words of the first that rejects something."""
    through: Counter[int] = Counter()
    rejecting, words = 0, ""
    for one in several:
        through.update(one.through)
        rejecting += one.rejecting
        words = words or one.words
    return Proxies(dict(through), rejecting, words)


def by_group(owners: Mapping[Ref, Proxies], members: Mapping[Ref, Concern]) -> Mapping[Group, Proxies]:
    """Return the proxies of each group that has some, from those of each VirtualDeployment and IngressGateway."""
    found: dict[Group, list[Proxies]] = {}
    for owner in sorted(owners):
        for group in members.get(owner, ()):
            found.setdefault(group, []).append(owners[owner])
    return {group: together(several) for group, several in found.items()}


def concerned(concern: Concern, groups: Mapping[Group, Proxies]) -> Proxies:
    """Return the proxies that an object concerns."""
    return together(groups[group] for group in concern if group in groups)


def rejection(node: str, words: str) -> str:
    """Return what a proxy rejects in one bounded, printable line; there is always something to say."""
    first = next((line for line in words.splitlines() if line.strip()), "it gave no reason")
    return bounded(f"{node}: {first.strip()}", LONGEST_WORDS)


def stirred(before: Mapping[Group, Proxies], after: Mapping[Group, Proxies]) -> frozenset[Group]:
    """Return the groups of which something else is to be said also where all had been accepted."""
    return frozenset(
        group for group in {*before, *after} if _loud(before.get(group, NONE)) != _loud(after.get(group, NONE))
    )


def _loud(of: Proxies) -> tuple[int, str, bool]:
    return of.rejecting, of.words, of.connected > 0


def active(of: Proxies, since: int, was_accepted: str) -> Verdict:
    """Return whether all proxies that it concerns have accepted an object that is configured since a pass.

    `was_accepted` is the message of the condition if it held already for what is written now, otherwise empty. It
    stays, so that proxies which come and go are no news; but of the first ones it is told.
    """
    if of.rejecting:
        what = f"{of.rejecting} of {of.connected} proxies reject what they were sent; {of.words}"
        return Verdict(Truth.FALSE, STATE_CHANGED, bounded(what))
    accepted, connected = of.accepted(since), of.connected
    is_first = was_accepted == NO_PROXY and 0 < connected <= accepted
    if was_accepted and not is_first:
        return success(was_accepted)
    said = f"{accepted} of {connected} proxies have accepted it"
    if accepted < connected:
        return Verdict(Truth.UNKNOWN, STATE_CHANGED, said)
    return success(said if connected else NO_PROXY)


def waiting(is_ending: bool) -> Verdict:
    """Return what is said of an object about which proxies are not asked."""
    return Verdict(Truth.UNKNOWN, STATE_CHANGED, ENDS if is_ending else WAITS)


def owners(seen: Iterable[tuple[Ref, Proxies]]) -> Mapping[Ref, Proxies]:
    """Return the proxies of each owner."""
    found: dict[Ref, list[Proxies]] = {}
    for owner, one in seen:
        found.setdefault(owner, []).append(one)
    return dict(_joined(found))


def _joined(found: Mapping[Ref, list[Proxies]]) -> Iterator[tuple[Ref, Proxies]]:
    for owner, several in found.items():
        yield owner, several[0] if len(several) == 1 else together(several)
