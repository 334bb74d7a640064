"""A Mesh with its mode, trust domain and enforcement settled; the last two are annotations, which the API lacks.

Law: a trust domain belongs to one mesh: one of the default form to the mesh that it names, any other to the oldest that
asks for it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mesh import graph, identity, mtls, problems, resources
from mesh.problems import Problem, Ref
from mesh.resolve import services
from mesh.resolve.references import Settled
from mesh.rules import wording

PREFIX = "meshloom.dev/"
TRUST_DOMAIN = f"{PREFIX}trust-domain"
ACCESS_POLICIES = f"{PREFIX}access-policies"
ANNOTATIONS = (TRUST_DOMAIN, ACCESS_POLICIES)
"""What a Mesh may say beside the original's API."""

LONGEST_DOMAIN = 255
_DOMAIN = re.compile(r"[a-z0-9._-]+")
_DEFAULT_FORM = re.compile(r".+\.[^.]+\.mesh")


@dataclass(frozen=True, slots=True)
class Draft:
    """A mesh before trust domains are granted. `wanted` is the one that it asks for, empty where it does not."""

    ref: Ref
    age: services.Age
    name: str
    minimum: mtls.Mode
    authority: str
    enforcement: graph.Enforcement
    wanted: str


def draft(written: resources.Mesh) -> Settled[Draft | None]:
    """Return what a Mesh says by itself; None without a spec."""
    if written.spec is None:
        return Settled(None)
    domain, policies = (written.metadata.annotations.get(name) for name in ANNOTATIONS)
    value = Draft(
        written.ref,
        services.age(written),
        identity.effective_name(written, written.spec.display_name),
        written.spec.mtls.minimum if written.spec.mtls else mtls.DEFAULT_MINIMUM,
        written.spec.certificate_authorities[0].id,
        graph.Enforcement.AUDIT if policies == graph.Enforcement.AUDIT.value else graph.Enforcement.ENFORCE,
        domain if domain and _is_domain(domain) else "",
    )
    return Settled(value, tuple(_faults(written)))


def _is_domain(text: str) -> bool:
    return len(text) <= LONGEST_DOMAIN and _DOMAIN.fullmatch(text) is not None


def field(annotation: str) -> str:
    """Return the path of an annotation."""
    return wording.field_path(("metadata", "annotations", annotation))


def _faults(written: resources.Mesh) -> Iterator[Problem]:
    """Yield what rules 2.13.35, 2.13.37 and 2.13.38 say of the annotations."""
    for name in sorted(written.metadata.annotations):
        if name in _JUDGES:
            yield from _JUDGES[name](written.ref, written.metadata.annotations[name])
        elif name.startswith(PREFIX):
            yield _unknown(written.ref, name)


def _unknown(ref: Ref, name: str) -> Problem:
    """Rule 2.13.38: an annotation whose name begins with `meshloom.dev/` is one that a Mesh can have."""
    meant = wording.nearest(name, ANNOTATIONS)
    remedy = f"did you mean {meant}?" if meant else f"use one of {', '.join(ANNOTATIONS)}, or remove it"
    return problems.warning(ref, field(name), "means nothing to meshloom", remedy)


def _domain_faults(ref: Ref, text: str) -> Iterator[Problem]:
    """Rule 2.13.35: a trust domain is one that a SPIFFE identity can have."""
    if not _is_domain(text):
        fault = f"{wording.quoted(text)} cannot be a trust domain, so {identity.trust_domain(ref)} is used"
        remedy = f"use lower-case letters, digits, `.`, `-` and `_`, at most {LONGEST_DOMAIN}, or remove it"
        yield problems.error(ref, field(TRUST_DOMAIN), fault, remedy)


def _policy_faults(ref: Ref, text: str) -> Iterator[Problem]:
    """Rule 2.13.37: access policies are enforced; where a mesh asks for it they are counted alone, and that is said."""
    known = tuple(each.value for each in graph.Enforcement)
    if text not in known:
        fault = f"{wording.quoted(text)} says neither to enforce access policies nor to audit them: they are enforced"
        yield problems.error(ref, field(ACCESS_POLICIES), fault, wording.one_of(known, text))
    elif text == graph.Enforcement.AUDIT.value:
        fault = "access policies are only counted, not enforced: every member of the mesh may call every service"
        remedy = "write enforce, or remove it, once no call is counted that ought to be allowed"
        yield problems.warning(ref, field(ACCESS_POLICIES), fault, remedy)


_JUDGES = {TRUST_DOMAIN: _domain_faults, ACCESS_POLICIES: _policy_faults}


# ---------------------------------------------------------------------------- trust domains


def trust_domains(drafts: Mapping[Ref, Settled[Draft | None]]) -> Mapping[Ref, Settled[str]]:
    """Return the trust domain of each mesh; the default of one that may not have what it asks for."""
    present = [one.value for one in drafts.values() if one.value is not None]
    asking = sorted((one for one in present if one.wanted), key=lambda one: one.age)
    first = {one.wanted: one for one in reversed(asking)}
    return {one.ref: _granted(one, first) for one in present}


def _granted(one: Draft, first: Mapping[str, Draft]) -> Settled[str]:
    """Rule 2.13.36: a trust domain is not that of another mesh."""
    default = identity.trust_domain(one.ref)
    if one.wanted in ("", default):
        return Settled(default)
    rival = "" if first[one.wanted] is one else f"is the trust domain of {first[one.wanted].ref}, which is older"
    taken = "is the default of another mesh" if _DEFAULT_FORM.fullmatch(one.wanted) else rival
    if not taken:
        return Settled(one.wanted)
    fault = f"{wording.quoted(one.wanted)} {taken}, so {default} is used"
    return Settled(default, (problems.error(one.ref, field(TRUST_DOMAIN), fault, "choose another, or remove it"),))


def mesh(one: Draft, trust_domain: str) -> graph.Mesh:
    """Return the mesh that is meant."""
    return graph.Mesh(one.ref, one.name, one.minimum, trust_domain, one.authority, one.enforcement)
