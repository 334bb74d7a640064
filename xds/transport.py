"""What a session reads from and writes to, whoever carries it.

Law: bytes in, bytes out, one read and one write at a time.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Transport:
    """The two ends of a stream: `read` returns an encoded request, `end` after the last; `write` waits until it is
    taken.
    """

    read: Callable[[], Awaitable[Any]]
    write: Callable[[bytes], Awaitable[None]]
    end: object = None
