"""References into other namespaces: which are permitted, and which of the permitted ones are worth a word.

Law: who may write one namespace changes nothing in another, unless the settings permit it. Where they permit all, what
an object does to things of another namespace is said, once an object.
"""

import enum
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mesh import problems
from mesh.problems import Problem, Ref
from mesh.rules import wording

ANY = "*"
"""Every namespace."""
SETTING = "cross_namespace_references"
LIST = "permitted_references"


class CrossNamespace(enum.Enum):
    """Which references into other namespaces count: all, none, or those that are listed."""

    ALLOW = "allow"
    SAME = "same"
    LISTED = "listed"


@dataclass(frozen=True, slots=True)
class Permit:
    """Objects of one namespace may refer to objects of another; `*` is any. Without `kinds`: objects of all kinds."""

    source: str
    target: str
    kinds: frozenset[str] = frozenset()

    def covers(self, referrer: Ref, namespace: str) -> bool:
        """Return whether this lets an object refer to what is in a namespace."""
        is_from, is_to = self.source in (ANY, referrer.namespace), self.target in (ANY, namespace)
        return is_from and is_to and (not self.kinds or referrer.kind in self.kinds)


@dataclass(frozen=True, slots=True)
class Crossings:
    """What the settings say about references into other namespaces; `permits` count where they are listed."""

    mode: CrossNamespace = CrossNamespace.ALLOW
    permits: tuple[Permit, ...] = ()

    def are_permitted(self, referrer: Ref, namespace: str) -> bool:
        """Return whether an object may refer to what is in a namespace."""
        if namespace == referrer.namespace or self.mode is CrossNamespace.ALLOW:
            return True
        is_listed = self.mode is CrossNamespace.LISTED
        return is_listed and any(permit.covers(referrer, namespace) for permit in self.permits)


# ---------------------------------------------------------------------------- what is said


def refused(referrer: Ref, field: str, what: str, namespace: str, crossings: Crossings) -> Problem:
    """Return the problem of a reference that the settings do not permit.

    Rule 2.3.9: a reference leads into another namespace only where the settings permit it.
    """
    there, here = wording.printable(namespace), referrer.namespace
    if crossings.mode is CrossNamespace.SAME:
        reason, remedy = (
            f"{SETTING} is `same`",
            f"ask whoever runs meshloom to set {SETTING} to `listed` and to permit it",
        )
    else:
        reason = f"{LIST} permits none of kind {referrer.kind} from {here} to {there}"
        remedy = f"ask whoever runs meshloom to add {{from: {here}, to: {there}, kinds: [{referrer.kind}]}} to {LIST}"
    fault = f"{what} is in another namespace, and {reason}, so this reference is refused"
    return problems.error(referrer, field, fault, f"keep both in one namespace, or {remedy}")


def foreign(referrer: Ref, acted_upon: Iterable[tuple[str, Ref]]) -> Iterator[Problem]:
    """Yield a warning where an object acts upon others, given by field, of another namespace.

    Rule 2.3.8: what an object adds to, or opens, is in its own namespace.
    """
    abroad = [(field, ref) for field, ref in acted_upon if ref.namespace != referrer.namespace]
    others = len({ref for _, ref in abroad}) - 1
    for field, ref in abroad[:1]:
        first = Ref(ref.kind, wording.printable(ref.namespace), wording.printable(ref.name))
        places = f"{first} and {others} more are in other namespaces" if others else f"{first} is in another namespace"
        fault = f"{places}, whose owners may not know what this one does to {'them' if others else 'it'}"
        yield problems.warning(referrer, field, fault, "move this object there, or see that they agree")
