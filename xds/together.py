"""Streams that were woken together, worked on together.

Law: nothing but an order of work. The state machines of all come first, and what they decide is written after that:
one after the other they find the code they share in the processor's caches, between two writes they do not. A few at
a time, so that no callback of the loop takes long.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

_AT_ONCE: Final = 64


class Together:
    """What is to be done soon, on the event loop that runs. Work does not raise."""

    __slots__ = ("_called", "_waiting")

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()
        self._called = False

    def soon(self, work: Callable[[], None]) -> None:
        """Do this when the loop has its next turn, after all that was asked for before."""
        self._waiting.append(work)
        if not self._called:
            self._called = True
            asyncio.get_running_loop().call_soon(self._some)

    def _some(self) -> None:
        try:
            for _ in range(min(_AT_ONCE, len(self._waiting))):
                self._waiting.popleft()()
        finally:  # whatever one of them does, the others have their turn
            self._called = bool(self._waiting)
            if self._called:
                asyncio.get_running_loop().call_soon(self._some)
