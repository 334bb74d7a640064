"""One round of statuses: which objects there may be something new to say of, and what that is.

Law: pure; what equals what is written is no change. A round costs what there is news of, not what there is.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from mesh.problems import Ref
from meshloom.status import deployed, documents, drafts, progress
from meshloom.status.concerns import Group
from meshloom.status.documents import Document
from meshloom.status.known import Known
from meshloom.status.progress import Proxies

Groups = Mapping[Group, Proxies]

NOTHING_WRITTEN: Final = b"{}"


class Change(NamedTuple):
    """The status of an object, identified by its uid, and the one that is to take its place."""

    ref: Ref
    uid: str
    before: Document
    after: Document


@dataclass(frozen=True, slots=True)
class Judged:
    """What is to be written, and the objects of which proxies have yet to say something."""

    changes: tuple[Change, ...]
    open: frozenset[Ref]


def touched(before: Known, after: Known, groups: Groups, other_groups: Groups) -> frozenset[Ref]:
    """Return the objects of which there may be news between two rounds, `groups` being the proxies then."""
    changed = drafts.changed(before.drafts, after.drafts)
    stirred = progress.stirred(groups, other_groups)
    if not stirred:
        return changed
    return changed | {draft.ref for draft in after.drafts if not stirred.isdisjoint(draft.concern)}


def judged(
    of: Known, groups: Groups, written: Mapping[Ref, bytes], now: str, gateways: deployed.States | None = None
) -> Judged:
    """Return what is to be written of these objects, whose statuses are `written` as `encoded` returns them.

    `gateways` are the states of those that are deployed, None where nobody looks after them.
    """
    found = tuple(_judged(of, groups, written, now, gateways))
    changes = tuple(change for change, _ in found if change.before != change.after)
    return Judged(changes, frozenset(change.ref for change, is_open in found if is_open))


def encoded(status: Any) -> bytes:
    """Return the part of a status that is ours, small to keep and quick to compare."""
    return json.dumps(documents.owned(status), sort_keys=True, separators=(",", ":")).encode()


def _judged(
    of: Known, groups: Groups, written: Mapping[Ref, bytes], now: str, gateways: deployed.States | None
) -> Iterator[tuple[Change, bool]]:
    for ref, text in written.items():
        draft = of.drafts.get(ref)
        if draft is not None and deployed.is_known(draft, gateways):
            proxies, first = progress.concerned(draft.concern, groups), deployed.verdict(draft, gateways)
            moment = documents.Moment(proxies, of.since.get(ref, 0), now, of.drafts.held.get(ref, ()), first)
            before = json.loads(text)
            after = documents.document(draft, moment, before)
            yield Change(ref, draft.uid, before, after), documents.is_open(draft, moment, after)
