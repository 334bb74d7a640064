"""What the original left on objects of the nine kinds: references by its ids, statuses, finalizers, ids of its cloud.

Law: pure; each function finds one sort of thing. Whose an id was is read from the statuses, before these are reset.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from mesh import admission, documents, identity, resolve
from mesh.problems import Problem, Ref, Severity
from mesh.resolve import references
from meshloom.install import removing
from meshloom.migration import facts
from meshloom.migration.facts import Document, Facts
from meshloom.migration.findings import Finding, Json, Step, doable, known, pointer, still_open, tested

PARENTS: Final = ("spec.mesh", "spec.virtualService", "spec.ingressGateway")
"""References that may not be changed, but in a binding."""
_CHANGEABLE: Final = "VirtualDeploymentBinding"

_PART: Final = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


def ids(of: Facts) -> Mapping[str, Ref]:
    """Return whose each id of the original was."""
    return {found: facts.ref(one) for one in of.written if facts.is_foreign(found := facts.own_id(one))}


def by_id(of: Facts) -> Iterator[Finding]:
    """Yield the references by an id of the original: meshloom issues others, so a name takes its place."""
    owners = ids(of)
    for document in of.staying:
        for link in _links(document):
            if link.id and facts.is_foreign(link.id):
                yield _by_id(of, document, link, owners.get(link.id))


def _links(document: Document) -> tuple[references.Link, ...]:
    found = documents.parsed(document).resource
    return references.links(found) if found is not None else ()


def _by_id(of: Facts, document: Document, link: references.Link, owner: Ref | None) -> Finding:
    subject, ref = f"{facts.ref(document)} {link.field}", facts.ref(document)
    fact = f"refers to the {link.kind} that the original called {link.id}"
    if owner is None or owner.kind != link.kind:
        return still_open(subject, f"{fact}; no object here was called so", "write ref with the name of the one meant")
    if of.has_our_definitions and link.field in PARENTS and ref.kind != _CHANGEABLE:
        advice = f"it is {owner}; what an object belongs to cannot be changed: delete it and create it with ref"
        return still_open(subject, fact, advice)
    at = pointer(*(name or int(number) for name, number in _PART.findall(link.field)))
    meant = {"ref": {"name": owner.name, "namespace": owner.namespace}}
    patch = (tested(f"{at}/id", link.id), {"op": "replace", "path": at, "value": meant})
    step = Step(ref, f"let {subject} refer to {owner}", patch)
    return doable(subject, fact, f"it will refer to {owner} by name", step)


def statuses(of: Facts) -> Iterator[Finding]:
    """Yield what the original said of objects: it is taken away, and meshloom says what is true now."""
    steps = [_reset(one) for one in of.staying if facts.is_foreign(_first_id(one))]
    if steps:
        fact = f"{len(steps)} have a status of the original, which nobody keeps up to date"
        yield doable("Statuses", fact, "they are emptied, and meshloom writes its own", *steps)


def _reset(document: Document) -> Step:
    ref, metadata = facts.ref(document), document["metadata"]
    patch: tuple[Json, ...] = (
        tested("/metadata/uid", metadata.get("uid", "")),
        {"op": "remove", "path": "/status"},
    )
    return Step(ref, f"emptied the status of {ref}", patch, "status")


def _first_id(document: Document) -> str:
    """Return an id in the status of an object, its own or, of the kinds that have none, that of another."""
    status = document.get("status")
    texts = (status.get(key) for key in OWN_AND_OTHERS) if isinstance(status, Mapping) else ()
    return facts.own_id(document) or next((text for text in texts if isinstance(text, str) and text), "")


OWN_AND_OTHERS: Final = (*identity.OWN_ID.values(), "opcRetryToken")


def held(of: Facts, ahead: resolve.Resolution) -> Iterator[Finding]:
    """Yield the finalizers of the original: those of objects that are to go are released as soon as they may.

    `ahead` is what the mesh will mean, where references by an id are by name.
    """
    carrying = 0
    for document in of.written:
        metadata = document["metadata"]
        left = removing.without_ours(document["kind"], metadata.get("finalizers") or ())
        if left is not None and metadata.get("deletionTimestamp"):
            yield _released(ahead, document, left)
        carrying += left is not None
    if carrying:
        fact = f"{carrying} carry the finalizers of the original"
        yield known("Finalizers", fact, "meshloom honours them, and takes them off when an object may go")


def _released(ahead: resolve.Resolution, document: Document, left: list[str]) -> Finding:
    ref = facts.ref(document)
    waits = admission.holders(ref, ahead)
    if waits:
        return known(ref, f"is being deleted, and waits: it {waits[0].fault}", waits[0].remedy)
    before = list(document["metadata"]["finalizers"])
    at = "/metadata/finalizers"
    patch = (tested(at, before), {"op": "replace", "path": at, "value": left})
    step = Step(ref, f"released {ref}, which is being deleted", patch)
    return doable(ref, "is being deleted, and only the original's finalizers keep it", "it is released", step)


def certificates(of: Facts) -> Iterator[Finding]:
    """Yield the ids of certificates that only the original's cloud knew, and what stands for each."""
    for document in of.written:
        for field, identifier in _named(document.get("spec") or {}, "spec"):
            subject = f"{facts.ref(document)} {field}"
            if field.startswith("spec.certificateAuthorities"):
                yield _authority(subject, identifier, of.settings.certificates.authorities.get(identifier, ""))
            elif field.endswith(_CERTIFICATES):
                yield _certificate(subject, identifier, of.settings.certificates.gateway_secrets.get(identifier, ""))


_CERTIFICATES: Final = (".certificateId", ".caBundleId")


def _authority(subject: str, identifier: str, secret: str) -> Finding:
    fact = f"names the authority {identifier} of the original's cloud"
    if secret:
        return known(subject, fact, f"meshloom signs with Secret {secret}, to which certificates.authorities maps it")
    advice = "meshloom makes an authority of its own, unless certificates.authorities maps this id to a Secret"
    return known(subject, fact, advice)


def _certificate(subject: str, identifier: str, secret: str) -> Finding:
    fact = f"names {identifier} of the original's cloud"
    if secret:
        return known(subject, fact, f"Secret {secret} stands for it, to which certificates.gateway_secrets maps it")
    advice = "put the certificate into a Secret, and map the id to it by certificates.gateway_secrets"
    return still_open(subject, f"{fact}, so the listener cannot be opened", f"{advice}, or write secretName")


def _named(value: Any, at: str) -> Iterator[tuple[str, str]]:
    """Yield the texts in a value, each with the path of its field."""
    match value:
        case dict():
            for key, inner in value.items():
                yield from _named(inner, f"{at}.{key}")
        case list():
            for number, inner in enumerate(value):
                yield from _named(inner, f"{at}[{number}]")
        case str():
            yield at, value
        case _:
            pass


def faults(of: Facts, ahead: tuple[Problem, ...]) -> Iterator[Finding]:
    """Yield what else will be wrong, as `meshloom check` says it; warnings are good to know.

    Whether Secrets can be used is said by statuses, to which they are shown, and not here, where they are not read.
    """
    said_elsewhere = (".id", *_CERTIFICATES, *(() if any(of.of("Secret")) else (".secretName",)))
    for problem in dict.fromkeys(ahead):
        if not problem.field.endswith(said_elsewhere):
            subject = f"{problem.subject} {problem.field}" if problem.field else str(problem.subject)
            told = still_open if problem.severity is Severity.ERROR else known
            yield told(subject, problem.fault, problem.remedy)
