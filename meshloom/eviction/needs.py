"""Whether a pod has to be made anew, why, and whether it may be evicted for it.

Law: pure; read from the metadata of a pod alone, where injection leaves what it did. Whether a pod is to have a proxy,
and whose, is asked where it is asked of pods that are created.
"""

import enum
from typing import NamedTuple

from mesh import workloads
from meshloom.injector import contract
from meshloom.injector.facts import Binding
from meshloom.injector.terms import Terms


class Reason(enum.Enum):
    """Why a pod has to be made anew."""

    NO_PROXY = "NoProxy"
    MOVED = "BindingMoved"
    IMAGE = "OutdatedImage"
    ORIGINAL = "OriginalProxy"


class Need(NamedTuple):
    """What a pod needs, in words; where it may not be evicted, it is marked as outdated if it has a proxy."""

    reason: Reason
    words: str
    is_evictable: bool


def need(pod: workloads.Pod, binding: Binding | None, terms: Terms, *, is_wanted: bool) -> Need | None:
    """Return why a pod has to be made anew, None if it has not; `binding` is the one that binds it."""
    annotations = pod.metadata.annotations
    ready = binding if is_wanted and binding is not None and not binding.fault else None
    may_be = ready is not None and not ready.keeps_pods
    if contract.BINDING not in annotations:
        return Need(Reason.NO_PROXY, f"has no proxy, and {ready.ref} binds it", may_be) if ready is not None else None
    image = annotations.get(contract.IMAGE, "")
    if not image:  # it shares no authority with others, so people choose when they all go
        return Need(Reason.ORIGINAL, "has the proxy of the original", is_evictable=False)
    if ready is not None and annotations.get(contract.DEPLOYMENT_ID, "") != ready.deployment_id:
        words = f"has the proxy of another deployment than {ready.deployment}, to which {ready.ref} binds it now"
        return Need(Reason.MOVED, words, may_be)
    if image != terms.image:
        return Need(Reason.IMAGE, f"has proxy image {image[:200]}, and not {terms.image}", may_be and terms.is_rolled)
    return None
