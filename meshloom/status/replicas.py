"""What one replica tells the others of its proxies, as a small document.

Law: pure, and total in reading: whoever can write the document may be confused, so what cannot be read counts as
nothing. A replica that has not seen the objects as they are written now has proxies, but none that have accepted them.
"""

import itertools
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from mesh.problems import Ref
from meshloom.status import progress
from meshloom.status.known import Known
from meshloom.status.progress import Proxies
from meshloom.status.verdicts import bounded

VERSION: Final = 1
_MOST: Final = 1_000_000
MOST_WORDS: Final = 200
"""Owners whose proxies' own words are told: a ConfigMap holds no more than 1 MiB, and one fault may befall all."""
UNTOLD: Final = "its log says why"


def report(of: Known, owners: Mapping[Ref, Proxies]) -> str:
    """Return what there is to tell: of each owner how many proxies there are, and how many have accepted everything."""
    in_order = sorted(owners.items())
    in_words = frozenset(itertools.islice((owner for owner, one in in_order if one.words), MOST_WORDS))
    told = {
        "/".join(owner): [
            *(one.connected, one.accepted(of.digest_since), one.rejecting),
            one.words if owner in in_words or not one.words else UNTOLD,
        ]
        for owner, one in in_order
    }
    return json.dumps({"version": VERSION, "digest": f"{of.digest:016x}", "proxies": told}, separators=(",", ":"))


def read(text: str, of: Known) -> Mapping[Ref, Proxies]:
    """Return the proxies of each owner, as somebody tells who knows what `of` says."""
    try:
        told = json.loads(text)
        is_current = told["digest"] == f"{of.digest:016x}"
        return dict(_owners(told["proxies"], of.number if is_current else progress.NEVER))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {}


def _owners(told: Mapping[str, Any], number: int) -> Iterator[tuple[Ref, Proxies]]:
    for name, (connected, accepted, rejecting, words) in told.items():
        kind, namespace, owner = name.split("/")
        total, done, rejected = _count(connected), _count(accepted), _count(rejecting)
        through = progress.together(
            (_several(number, min(done, total)), _several(progress.NEVER, total - done))
        ).through
        yield Ref(kind, namespace, owner), Proxies(through, rejected, bounded(str(words), progress.LONGEST_WORDS))


def _several(through: int, count: int) -> Proxies:
    return Proxies({through: count}) if count > 0 else progress.NONE


def _count(value: Any) -> int:
    return min(max(0, int(value)), _MOST)
