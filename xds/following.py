"""What was made from what, and where the two differ: known when it is made, so that nobody has to look for it.

Law: keeps nothing alive; who was made from something that is gone says nothing of it.
"""

import weakref
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

Changes = Mapping[str, Mapping[str, int]]
"""By type URL: the names whose resource differs, each with its old mark (ABSENT if it is new). Types without are left
out.
"""

ABSENT: Final = 0
"""The mark of a resource that does not exist."""


class Following(NamedTuple):
    """What something was made from, and what differs since."""

    source: "weakref.ref[Any]"
    changes: Changes

    def changes_from(self, source: object) -> Changes | None:
        """Return what differs from this; None if it was made from something else."""
        return self.changes if self.source() is source else None
