"""How far one stream is with one type, for people to see.

Law: asked of the stream when somebody wants to know; nothing is kept for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

_NOTHING: Final[Mapping[str, int]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Standing:
    """`wildcard` and `names` are what the client asks for; `unanswered` is name -> mark of what was sent and not yet
    answered, `withdrawn` what it may still hold although the snapshot has it no more. `settled` says that no answer is
    waited for and no change is held back.
    """

    wildcard: bool = False
    names: frozenset[str] = frozenset()
    unanswered: Mapping[str, int] = field(default_factory=lambda: _NOTHING)
    withdrawn: frozenset[str] = frozenset()
    settled: bool = False

    @property
    def asked(self) -> bool:
        """Whether the client asks for anything of the type."""
        return self.wildcard or bool(self.names)

    def covers(self, name: str) -> bool:
        """Say whether the client asks for this name."""
        return self.wildcard or name in self.names
