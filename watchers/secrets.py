"""Those Secrets that something refers to, and no others, each followed for itself.

Law: a Secret is asked for by name and never in a list of others. Nothing that refers to one is told before the server
has said what there is of it, or that we may not know. It is forgotten when the last reference goes.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any

from mesh.problems import Ref
from watchers import following, kinds
from watchers.events import Deleted, Reported

Refs = frozenset[Ref]


class Secrets:
    """`always` are referred to by what is no object, such as a setting. `start` runs a task of the source."""

    def __init__(
        self,
        made: Callable[[following.Place], following.Following],
        put: Callable[[Any], Coroutine[Any, Any, None]],
        start: Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"],
        always: Iterable[Ref] = (),
    ) -> None:
        self._made, self._put, self._start = made, put, start
        self._wanted: Mapping[Ref | None, Refs] = {None: frozenset(always)}
        self._followed: dict[Ref, tuple[following.Following, asyncio.Task[None]]] = {}
        self._begin(frozenset(always))

    @property
    def followings(self) -> tuple[following.Following, ...]:
        """How each of them is followed."""
        return tuple(one for one, _ in self._followed.values())

    async def answered(self, wanted: Iterable[Ref] | None = None) -> None:
        """Return when the server has said of these, or all, what there is."""
        refs = tuple(self._followed if wanted is None else wanted)
        await asyncio.gather(*(self._followed[ref][0].answered.wait() for ref in refs if ref in self._followed))

    def want(self, owner: Ref, wanted: Refs) -> None:
        """Note that an object is about to refer to these too."""
        self._wanted = {**self._wanted, owner: self._wanted.get(owner, frozenset()) | wanted}
        self._begin(wanted)

    async def settle(self, owner: Ref, wanted: Refs) -> None:
        """Note that an object refers to these alone now, and forget those that nothing refers to any more."""
        others = {key: refs for key, refs in self._wanted.items() if key != owner}
        self._wanted = {**others, owner: wanted} if wanted else others
        for ref in self._followed.keys() - frozenset().union(*self._wanted.values()):
            await self._end(ref)

    def _begin(self, wanted: Refs) -> None:
        for ref in sorted(wanted - self._followed.keys()):
            made = self._made(following.Place(kinds.SECRET, ref.namespace, ref.name))
            self._followed[ref] = (made, self._start(made.run()))

    async def _end(self, ref: Ref) -> None:
        ended, task = self._followed.pop(ref)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await self._put(Deleted(ref))
        for place in (str(ended.place), f"{following.SOURCE}:{ref}"):
            await self._put(Reported(place, ()))
