"""Clients that send without a pause for breath while a mesh is edited, and hold every answer against the mesh.

A request is judged by all states that may have been in force during its life: from the newest that its proxy was known
to have when the request began, to the newest that was written when it ended. If it may be served in each of them, it
must be; whoever answers must be one who may answer in one of them; if it may be served in none of them, it must not be.
"""

import contextlib
import itertools
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from meshloom.demo import traffic
from tests.envoy.edits import meshes
from tests.envoy.edits.meshes import Ask, State

STRANGE, MOVING = 0.1, 0.8
"""The part of requests that the mesh, as it was written last, need not serve; and of the others, while an edit is on
its way, the part that this edit moves from some deployments to others: where there is a gap, they fall into it."""

PAUSE_S = 0.005
"""Between the requests of a client while no edit is on its way: the mesh under test has the same processors."""

MOST_TOLD = 5
"""Requests that went wrong and are told about in full; the others are only counted."""


class History:
    """Every state that was written, and which of them each caller's proxy is known to have."""

    def __init__(self, first: State) -> None:
        self.states = [first]
        self.words = ["the mesh as it is shipped"]
        self.times = [time.monotonic()]
        self.known = dict.fromkeys(meshes.CALLERS, 0)

    @property
    def newest(self) -> int:
        """The number of the state that was written last."""
        return len(self.states) - 1

    def begin(self, state: State, words: str) -> None:
        """Note a state that is about to be written: from now on it may be in force."""
        self.times.append(time.monotonic())
        self.words.append(words)
        self.states.append(state)

    def confirm(self, caller: str, number: int) -> None:
        """Note that this caller's proxy has this state, or a later one."""
        self.known[caller] = number


@dataclass(frozen=True, slots=True)
class Visit:
    """A request, when it began, the first and last of the states that may have been in force, and the answer."""

    ask: Ask
    began: float
    first: int
    last: int
    answer: traffic.Reply

    def allowed(self, states: Sequence[State]) -> tuple[frozenset[str], ...]:
        """Return who may answer, state by state."""
        return tuple(state.versions(self.ask) for state in states[self.first : self.last + 1])

    def fault(self, allowed: tuple[frozenset[str], ...]) -> str:
        """Return what is wrong with the answer, empty if nothing is."""
        if self.answer.status != 200:
            return "was not served, although it should be in every state" if all(allowed) else ""
        told = self.answer.json()
        version = told["version"] if told else self.answer.text
        return "" if any(version in some for some in allowed) else f"was answered by {version}, wrong in every state"


@dataclass(slots=True)
class Tally:
    """What one client has seen. `bound` counts requests that had to be served, `crossed` those of them during edits."""

    sent: int = 0
    bound: int = 0
    crossed: int = 0
    wrong: int = 0
    told: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Choice:
    """What a client may ask now: what is served, and what is served before and after an edit by others."""

    served: tuple[Ask, ...]
    moving: tuple[Ask, ...]


def choice(asks: Iterable[Ask], before: State, after: State) -> Choice:
    """Return what to ask while the second state takes the place of the first."""
    answers = [(ask, before.versions(ask), after.versions(ask)) for ask in asks]
    return Choice(
        tuple(ask for ask, _, then in answers if then),
        tuple(ask for ask, now, then in answers if now and then and now != then),
    )


class Client:
    """Requests by the proxy of one caller, one after another, until the `with` block ends.

    `evidence` is asked, when a request goes wrong, what the caller's proxy has to say.
    """

    def __init__(
        self, caller: str, address: tuple[str, int], history: History, seed: int, evidence: Callable[[str], str]
    ) -> None:
        self.caller, self.tally = caller, Tally()
        self._visitor = traffic.Visitor(*address)
        self._history, self._chance, self._evidence = history, random.Random(seed), evidence
        self._asks = meshes.asks(caller)
        self._chosen: tuple[tuple[int, int], Choice] = (-1, -1), Choice((), ())
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"client of {caller}", daemon=True)

    def __enter__(self) -> "Client":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join(traffic.TIMEOUT_S)
        self._visitor.close()

    @property
    def is_sending(self) -> bool:
        """Whether it goes on; a client whose own code fails does not."""
        return self._thread.is_alive()

    def _run(self) -> None:
        while not self._end.wait(0 if self._chosen[1].moving else PAUSE_S):
            visit = self._visit(self._next())
            allowed = visit.allowed(self._history.states)
            self.tally.sent += 1
            self.tally.bound += all(allowed)
            self.tally.crossed += all(allowed) and len(allowed) > 1
            if fault := visit.fault(allowed):
                self.tally.wrong += 1
                if self.tally.wrong <= MOST_TOLD:
                    self.tally.told.append(_told(visit, fault, self._history, self._evidence(self.caller)))

    def _next(self) -> Ask:
        window = self._history.known[self.caller], self._history.newest
        if self._chosen[0] != window:
            states = self._history.states
            self._chosen = window, choice(self._asks, states[window[0]], states[window[1]])
        served, moving = self._chosen[1].served, self._chosen[1].moving
        if not served or self._chance.random() < STRANGE:
            return self._chance.choice(self._asks)
        return self._chance.choice(moving if moving and self._chance.random() < MOVING else served)

    def _visit(self, ask: Ask) -> Visit:
        first, began = self._history.known[self.caller], time.monotonic()
        if ask.caller == meshes.GATEWAY:
            answer = self._visitor.get(ask.path, {"host": ask.host})
        else:
            answer = self._visitor.get(f"http://{ask.host}{ask.path}")
        return Visit(ask, began, first, self._history.newest, answer)


def _told(visit: Visit, fault: str, history: History, evidence: str) -> str:
    """Return everything there is to know about a request that went wrong."""
    answer = visit.answer
    states = (
        f"    {number} at {history.times[number]:.3f}, {history.words[number]}: "
        f"may be answered by {sorted(history.states[number].versions(visit.ask))}"
        for number in range(visit.first, visit.last + 1)
    )
    return "\n".join(
        (
            f"{visit.ask} {fault}",
            f"  answer {answer.status} {answer.text.strip()!r} {dict(answer.headers)}",
            f"  began {visit.began:.3f}, ended {answer.at:.3f}; states {visit.first} to {visit.last}:",
            *states,
            evidence,
        )
    )


@contextlib.contextmanager
def clients(
    addresses: Mapping[str, tuple[str, int]], history: History, seed: int, evidence: Callable[[str], str]
) -> Iterator[tuple[Client, ...]]:
    """Let a client of each caller send requests until the block ends."""
    seeds = itertools.count(seed)
    several = [Client(caller, address, history, next(seeds), evidence) for caller, address in addresses.items()]
    with contextlib.ExitStack() as running:
        yield tuple(running.enter_context(client) for client in several)
