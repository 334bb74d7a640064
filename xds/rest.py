"""What was withdrawn and is needed no more, left in place a little longer.

Law: a client accepts routes before all its workers use them. Without a clock: a name is over when a while has begun
and ended with nothing that needs it, and whoever owns the clock says when that is.
"""

from dataclasses import dataclass, replace

Names = frozenset[str]


@dataclass(frozen=True, slots=True)
class Rest:
    """`fresh` came to rest in this while, `older` in the one before, `done` before that."""

    patient: bool = False
    fresh: Names = frozenset()
    older: Names = frozenset()
    done: Names = frozenset()

    def __bool__(self) -> bool:
        return bool(self.fresh or self.older or self.done)

    @property
    def resting(self) -> bool:
        """Whether anything waits for time to pass."""
        return bool(self.fresh or self.older)

    def of(self, names: Names) -> "Rest":
        """Return the rest of these names only: those not known come to rest now."""
        if not self.patient:
            return self
        older, done = self.older & names, self.done & names
        return replace(self, fresh=names - older - done, older=older, done=done)

    def among(self, names: Names) -> "Rest":
        """Return the rest of these names only."""
        return replace(self, fresh=self.fresh & names, older=self.older & names, done=self.done & names)

    def over(self, names: Names) -> Names:
        """Return those names that have rested."""
        return names & self.done if self.patient else names

    def later(self) -> "Rest":
        """Return what rests when a while has passed."""
        return replace(self, fresh=frozenset(), older=self.fresh, done=self.done | self.older)
