"""What was sent of one type on one stream and not yet answered.

Law: a nonce is answered once (rule C3); what nobody answers is bounded.
"""

from typing import Final

from xds import responses

_MOST: Final = 1024
"""Unanswered responses remembered per type, the newest: a client that never answers costs no more."""


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
    def marks(self) -> dict[str, int]:
        """The names in responses not yet answered, each with the mark of what was sent last."""
        contents = (*self._released.values(), *self._waited_for.values())
        return {name: mark for each in contents for name, mark in zip(each.names, each.marks, strict=True)}

    def sent(self, response: responses.Response) -> None:
        """Note a response that goes out now."""
        self.last = response.number
        self._waited_for[response.nonce] = response.content
        _bound(self._waited_for)

    def answered(self, nonce: str) -> responses.Content | None:
        """Return what the client answers to, once; None if the nonce is unknown or was answered before."""
        return self._waited_for.pop(nonce, None) or self._released.pop(nonce, None)

    def release(self, nonce: str) -> responses.Content | None:
        """Wait no longer for the answer to this nonce; return what it held, None if nobody waited."""
        content = self._waited_for.pop(nonce, None)
        if content is not None:
            self._released[nonce] = content
            _bound(self._released)
        return content

    def is_last(self, nonce: str) -> bool:
        """Say whether a request with this nonce is current: S3, any other but the newest is stale."""
        return self.last == 0 or nonce == str(self.last)


def _bound(contents: dict[str, responses.Content]) -> None:
    if len(contents) > _MOST:
        del contents[next(iter(contents))]
