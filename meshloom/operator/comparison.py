"""What one proxy should have beside what it was sent and has acknowledged, resource by resource.

Law: pure. What it should have is the snapshot that its stream follows; what it acknowledged is what the protocol counts
as held. A resource is shown by the function that the offline compile uses.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from meshloom import decoding, plain, short_names
from meshloom.operator import shapes, view
from xds import peers, snapshot, standing

_NOTHING: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which resources are asked about, None: all; only those of one name are shown with their bodies."""

    type: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class _OfType:
    """One type at one proxy: what it should have, how far it is, what it holds, and its words by what they refused;
    `last_words` are the newest.
    """

    type_url: str
    should: Mapping[str, snapshot.Entry]
    stands: standing.Standing
    held: Mapping[str, str]
    refused: Mapping[str, str]
    last_words: str
    waits: Mapping[str, shapes.Wait]


def config(connected: view.Connected, held: Mapping[str, Mapping[str, str]], wanted: Wanted) -> shapes.Config:
    """Return the comparison for one proxy; `held` is type URL -> name -> version of what it has acknowledged.

    Takes long where there is much to compare or to decode: not for the event loop.
    """
    resources = (
        _resource(each, name, with_body=wanted.name is not None)
        for type_url, short in short_names.OF.items()
        if wanted.type in (None, short)
        for each in (_of_type(connected, type_url, held.get(type_url, _NOTHING)),)
        for name in sorted(each.should.keys() | each.stands.withdrawn | each.stands.unanswered.keys())
        if wanted.name in (None, name)
    )
    return shapes.Config(proxy=view.proxy(connected), resources=tuple(resources))


def _of_type(connected: view.Connected, type_url: str, held: Mapping[str, str]) -> _OfType:
    names = frozenset(view.expected(connected, type_url))
    entries = connected.should.select(type_url, names) if connected.should is not None else ()
    told = connected.told.types.get(type_url, peers.TypeView())
    refused = dict(_refusals(told))
    last_words = next(reversed(refused.values()), "")
    named = {entry.name: entry for entry in entries}
    waits = {wait.resource: wait for wait in view.waits(connected, type_url)}
    return _OfType(type_url, named, connected.standings[type_url], held, refused, last_words, waits)


def _refusals(told: peers.TypeView) -> Iterator[tuple[str, str]]:
    for nack in told.nacks:
        words = plain.printable(nack.message, view.WORDS_SHOWN)
        yield from ((name, words) for name in nack.names)


def _resource(of: _OfType, name: str, with_body: bool) -> shapes.Resource:
    entry, state = of.should.get(name), _state(of, name)
    should = entry.version if entry is not None else ""
    return shapes.Resource(
        type=short_names.OF[of.type_url],
        name=name,
        state=state,
        should=should,
        sent=should if _is_sent(of, name, state) else "",
        acked=of.held.get(name, ""),
        message=of.refused.get(name, of.last_words) if state == "rejected" else _waits(of, name),
        body=decoding.resource(entry) if with_body and entry is not None else None,
    )


def _waits(of: _OfType, name: str) -> str:
    return shapes.reason(of.waits[name]) if name in of.waits else ""


def _state(of: _OfType, name: str) -> shapes.ResourceState:
    if name not in of.should:
        return "extra"
    if of.held.get(name) == of.should[name].version:
        return "synced"
    if not of.stands.covers(name):
        return "missing"
    return "rejected" if _is_refused(of, name) else "pending"


def _is_refused(of: _OfType, name: str) -> bool:
    """Return whether it was refused, or was in a response that was: it is not held, and nothing is on its way."""
    return name not in of.stands.unanswered and (name in of.refused or (of.stands.settled and bool(of.refused)))


def _is_sent(of: _OfType, name: str, state: shapes.ResourceState) -> bool:
    """Return whether the proxy was sent just what it should have."""
    if name in of.stands.unanswered:
        return name in of.should and of.stands.unanswered[name] == of.should[name].mark
    return state in ("synced", "rejected")
