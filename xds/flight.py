"""What was sent of one type on one stream and not yet answered.

Law: a nonce is answered once (rule C3); what nobody answers is bounded.
"""

from collections.abc import Iterator
from typing import Final

from xds import responses, snapshot

_MOST: Final = 1024
"""Unanswered responses remembered per type, the newest: a client that never answers costs no more."""

_MOST_RELEASED: Final = 16
"""The same of those that nobody waits for any more, which keep alive what was sent in them."""


class Flight:
    """The responses of one type in flight, by nonce, and the number of the newest.

    A response that is `released` no longer holds anything back, but its answer is still understood.
    """

    __slots__ = ("_released", "_waited_for", "last")

    def __init__(self) -> None:
        self.last = 0
        self._waited_for: dict[str, responses.Content] = {}
        self._released: dict[str, responses.Content] = {}

    @property
    def busy(self) -> bool:
        """Whether an answer is waited for."""
        return bool(self._waited_for)

    @property
    def names(self) -> frozenset[str]:
        """The names in responses not yet answered."""
        contents = (*self._waited_for.values(), *self._released.values())
        return frozenset(name for content in contents for name in content.names)

    @property
    def waited_for(self) -> frozenset[str]:
        """The names in responses whose answer is waited for."""
        return frozenset(name for content in self._waited_for.values() for name in content.names)

    @property
    def contents(self) -> tuple[responses.Content, ...]:
        """What was sent and not yet answered."""
        return (*self._released.values(), *self._waited_for.values())

    @property
    def removed(self) -> frozenset[str]:
        """The names withdrawn by responses not yet answered (delta)."""
        several = self.contents
        return frozenset(name for content in several for name in content.removed) if several else frozenset()

    @property
    def entries(self) -> Iterator[snapshot.Entry]:
        """The resources in responses not yet answered."""
        return (entry for content in self.contents for entry in content.entries)

    @property
    def marks(self) -> dict[str, int]:
        """The names in responses not yet answered, each with the mark of what was sent last."""
        contents = (*self._released.values(), *self._waited_for.values())
        return {name: mark for each in contents for name, mark in zip(each.names, each.marks, strict=True)}

    def sent(self, response: responses.Response) -> None:
        """Note a response that goes out now."""
        self.last = response.number
        self._waited_for[response.nonce] = response.content
        _bound(self._waited_for, _MOST)

    def answered(self, nonce: str) -> responses.Content | None:
        """Return what the client answers to, once; None if the nonce is unknown or was answered before."""
        content = self._waited_for.pop(nonce, None) or self._released.pop(nonce, None)
        if content is not None and self._released:
            # answers come in order: what was overtaken by one will never come
            self._released = {each: kept for each, kept in self._released.items() if int(each) > int(nonce)}
        return content

    def release(self, nonce: str) -> responses.Content | None:
        """Wait no longer for the answer to this nonce; return what it held, None if nobody waited."""
        content = self._waited_for.pop(nonce, None)
        if content is not None:
            self._released[nonce] = content
            _bound(self._released, _MOST_RELEASED)
        return content

    def is_last(self, nonce: str) -> bool:
        """Say whether a request with this nonce is current: S3, any other but the newest is stale."""
        return self.last == 0 or nonce == str(self.last)


def _bound(contents: dict[str, responses.Content], most: int) -> None:
    if len(contents) > most:
        del contents[next(iter(contents))]
