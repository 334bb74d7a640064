"""What the pods of a gateway say about its IngressGatewayDeployment.

Law: pure; where nothing is known of them yet, nothing is said, so that a new leader takes nothing back.
"""

from collections.abc import Callable, Mapping

from mesh.problems import Ref
from meshloom.gateways import plan
from meshloom.gateways.states import Standing, State
from meshloom.status.draft import Draft
from meshloom.status.verdicts import NOT_RESOLVED, STATE_CHANGED, Truth, Verdict, bounded

States = Mapping[Ref, State]
Deployed = Callable[[], States | None]
"""Says how the gateways are that a replica has deployed; None: it deploys none."""


def verdict(draft: Draft, states: States | None) -> Verdict | None:
    """Return what is said instead of what proxies say, None where they have the word. `states` None: nobody looks."""
    state = states.get(draft.ref) if states is not None else None
    if state is None or state.standing is Standing.AVAILABLE:
        return None
    if state.standing is Standing.FAULTY:
        return Verdict(Truth.FALSE, NOT_RESOLVED, bounded(state.words))
    return Verdict(Truth.UNKNOWN, STATE_CHANGED, bounded(state.words))


def is_known(draft: Draft, states: States | None) -> bool:
    """Return whether enough is known of an object to say something."""
    return states is None or draft.ref.kind != plan.OWNER or draft.facts.is_ending or draft.ref in states


def changed(before: States, after: States) -> frozenset[Ref]:
    """Return the deployments of which something else is known."""
    if before is after:
        return frozenset()
    return frozenset(ref for ref in {*before, *after} if before.get(ref) != after.get(ref))
