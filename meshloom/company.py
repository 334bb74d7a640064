"""Who lives in the program beside what serves ADS: in a cluster there is more to do.

Law: they look at what the program has, and change nothing of it.
"""

import contextlib
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final, Protocol

from meshloom import metrics, worker
from xds import cache, peers


@dataclass(frozen=True, slots=True)
class Premises:
    """What they may look at on the event loop: who is connected, and what each proxy should have.

    `review` has every stream judged again, by what its proof is worth now.
    """

    peers: peers.Peers
    snapshots: cache.Cache
    review: Callable[[], None]


class Company(Protocol):
    """Asked once for its onlookers, and then kept as long as the program runs."""

    def onlookers(self, counted: metrics.Metrics, /) -> tuple[worker.Onlooker, ...]:
        """Return who looks at what each pass finds."""

    def settled(self) -> None:
        """Take note, on the event loop, that what the onlookers saw last is published."""

    def kept(self, premises: Premises, /) -> AbstractAsyncContextManager[None]:
        """Do what is to be done until the block ends. Raises errors.UserError."""


class Alone:
    """Nobody."""

    def onlookers(self, _counted: metrics.Metrics, /) -> tuple[worker.Onlooker, ...]:
        """Return none."""
        return ()

    def settled(self) -> None:
        """Do nothing."""

    def kept(self, _premises: Premises, /) -> AbstractAsyncContextManager[None]:
        """Do nothing."""
        return contextlib.nullcontext()


ALONE: Final = Alone()
