"""What is known after a pass: the drafts of all objects, and since which pass each is configured as it is written.

Law: pure; passes are numbered by whoever counts them. Replicas that have seen the same objects as they are written have
the same digest, whatever way they came to it.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from mesh.problems import Problem, Ref
from mesh.resolve import Resolution
from meshloom.status import drafts
from meshloom.status.draft import Draft
from meshloom.status.drafts import Drafts

_BITS = 64


@dataclass(frozen=True, slots=True)
class Known:
    """`since` is the pass since which an object is what it is; `digest` stands for all objects as they are written,
    which they are since the pass `digest_since`.
    """

    number: int = 0
    drafts: Drafts = field(default_factory=Drafts)
    since: Mapping[Ref, int] = field(default_factory=dict)
    digest: int = 0
    digest_since: int = 0


def known(before: Known, of: Resolution, found: tuple[Problem, ...]) -> Known:
    """Return what is known after one more pass; `found` is everything that it found wrong."""
    after = drafts.drafts(of, found, before.drafts)
    number = before.number + 1
    changed = drafts.changed(before.drafts, after)
    pairs = [(ref, before.drafts.get(ref), after.get(ref)) for ref in changed]
    other = {ref: number for ref, old, new in pairs if new is not None and _written(old) != _written(new)}
    gone = [ref for ref, _, new in pairs if new is None]
    digest = (before.digest + _digest(new for _, _, new in pairs) - _digest(old for _, old, _ in pairs)) % 2**_BITS
    digest_since = before.digest_since if digest == before.digest else number
    return Known(number, after, _since(before.since, other, gone), digest, digest_since)


def _since(before: Mapping[Ref, int], other: Mapping[Ref, int], gone: list[Ref]) -> Mapping[Ref, int]:
    if not other and not gone:
        return before
    found = {**before, **other}
    for ref in gone:
        found.pop(ref, None)
    return found


def _written(draft: Draft | None) -> tuple[str, int, bool] | None:
    return (draft.uid, draft.generation, draft.configured.is_true) if draft is not None else None


def _digest(several: Iterable[Draft | None]) -> int:
    """Return a sum, so that one object more or less need not be put in order with all others."""
    return sum(_number(draft) for draft in several if draft is not None)


def _number(draft: Draft) -> int:
    text = "\n".join((*draft.ref, draft.uid, str(draft.generation)))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=_BITS // 8).digest(), "big")
