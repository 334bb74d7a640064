"""From one document, as YAML or JSON gives it, to a resource and what is wrong with it.

Law: total: whatever the document is, the answer is a value; what the API server would refuse is no resource.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pydantic

from mesh import problems, resources, workloads
from mesh.problems import Problem, Ref, Severity
from mesh.resources import Resource
from mesh.rules import fields, names, secret_data, shape, wording

Document = Mapping[str, Any]

_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_ROUND_ROBIN = ("ROUND_ROBIN", "ROUND ROBIN")
_NOWHERE = Ref("Object", "", "(unnamed)")


@dataclass(frozen=True, slots=True)
class Parsed:
    """A resource, or None where the document is none, and what is to be said about it in either case."""

    resource: Resource | None
    problems: tuple[Problem, ...]


def members(document: Any) -> tuple[Any, ...]:
    """Return the items of a Kubernetes `List` (as `kubectl get -o yaml` writes it), else the document itself."""
    match document:
        case {"kind": str(kind), "items": list(items)} if kind.endswith("List"):
            return tuple(items)
        case _:
            return (document,)


def parsed(document: Any, source: Ref | None = None) -> Parsed:
    """Return the resource that a document describes. Never raises for anything that JSON or YAML can say.

    `source` is named as the subject where the document has no usable address of its own. A document with an error is
    no resource; one with warnings is. A kind that meshloom does not read is no resource and a warning.
    """
    if not isinstance(document, Mapping):
        fault = f"is {wording.type_name(document)}, not a Kubernetes object"
        return _refused(problems.error(source or _NOWHERE, "", fault, "write apiVersion, kind, metadata and spec"))
    incomplete = tuple(_identity_problems(source or names.best_effort_ref(document), document))
    if incomplete:
        return _refused(*incomplete)
    subject = names.best_effort_ref(document)
    model = _model(document)
    if model is None:
        return _refused(_foreign(subject, document["apiVersion"], document["kind"]))
    return _read(model, subject, document)


def _refused(*found: Problem) -> Parsed:
    return Parsed(None, found)


def _identity_problems(subject: Ref, document: Document) -> Iterator[Problem]:
    metadata = document.get("metadata")
    yield from _text_problems(subject, "apiVersion", document.get("apiVersion"), f"write {resources.API_VERSION}")
    yield from _text_problems(subject, "kind", document.get("kind"), "write a kind such as Mesh or VirtualService")
    if metadata is not None and not isinstance(metadata, Mapping):
        fault = f"is {wording.type_name(metadata)}, not a set of fields"
        yield problems.error(subject, "metadata", fault, "write `name: value` lines under it")
        return
    name, namespace = (metadata or {}).get("name"), (metadata or {}).get("namespace")
    yield from _text_problems(subject, "metadata.name", name, "give the object a name")
    yield from names.address_problems(subject, name or None, namespace)


def _text_problems(subject: Ref, field: str, value: object, remedy: str) -> Iterator[Problem]:
    if value is None or value == "":
        yield problems.error(subject, field, "is missing", remedy)
    elif not isinstance(value, str):
        yield problems.error(subject, field, f"is {wording.type_name(value)}, not text", remedy)


def _model(document: Document) -> type[Resource] | None:
    """Return the model of a document that says apiVersion and kind, or None for a kind that meshloom does not read."""
    version, kind = document["apiVersion"], document["kind"]
    if version == resources.API_VERSION:
        return resources.KINDS.get(kind)
    model = workloads.WORKLOADS.get(kind)
    return model if model is not None and model.model_fields["api_version"].default == version else None


def _foreign(subject: Ref, version: str, kind: str) -> Problem:
    group = version.partition("/")[0]
    if version == resources.API_VERSION:
        fault = f"{wording.quoted(kind)} is not a kind of {resources.GROUP}"
        return problems.error(subject, "kind", fault, wording.one_of(resources.KINDS, kind))
    if group == resources.GROUP:
        fault = f"{wording.quoted(version)} is not a version of {resources.GROUP}"
        return problems.error(subject, "apiVersion", fault, f"write {resources.API_VERSION}")
    if kind in resources.KINDS and wording.nearest(version, (resources.API_VERSION, "v1beta1")):
        fault = f"{wording.quoted(version)} has no kind {kind}"
        return problems.error(subject, "apiVersion", fault, f"write {resources.API_VERSION}")
    fault = f"{wording.quoted(kind)} of {wording.quoted(version)} is not a kind that meshloom reads"
    return problems.warning(subject, "kind", fault, _foreign_remedy(kind))


def _foreign_remedy(kind: str) -> str:
    read = {**resources.KINDS, **workloads.WORKLOADS}.get(kind)
    if read is None:
        return "leave it to the program that reads it"
    return f"write {read.model_fields['api_version'].default} if the kind that meshloom reads is meant"


def _read(model: type[Resource], subject: Ref, document: Document) -> Parsed:
    faults, notes = tuple(_value_problems(model, subject, document)), _notes(model, subject, document)
    try:
        resource = model.model_validate(_normal(model, document), by_alias=True, by_name=False)
    except pydantic.ValidationError as fault:
        return Parsed(None, (*shape.shape_problems(subject, fault, document), *faults, *notes))
    return Parsed(None if faults else resource, (*faults, *notes))


def _value_problems(model: type[Resource], subject: Ref, document: Document) -> Iterator[Problem]:
    if model is workloads.Secret:
        yield from secret_data.secret_problems(subject, document)


def _notes(model: type[Resource], subject: Ref, document: Document) -> tuple[Problem, ...]:
    if model.__name__ not in resources.KINDS:
        return ()
    return (*fields.unknown_field_problems(subject, model, document), *_round_robin_problems(model, subject, document))


def _round_robin_problems(model: type[Resource], subject: Ref, document: Document) -> Iterator[Problem]:
    if model is resources.VirtualService and _is_round_robin(document):
        yield problems.warning(
            subject,
            "spec.defaultRoutingPolicy.type",
            f"{wording.quoted(document['spec']['defaultRoutingPolicy']['type'])} is read as UNIFORM",
            "write UNIFORM: a cluster accepts nothing else",
        )


def _is_round_robin(document: Document) -> bool:
    match document:
        case {"spec": {"defaultRoutingPolicy": {"type": str(value)}}}:
            return value in _ROUND_ROBIN
        case _:
            return False


def _normal(model: type[Resource], document: Document) -> Document:
    """Return the document with its metadata completed and with what is accepted beside the API put in its words."""
    complete = {**document, "metadata": _normal_metadata(model, document["metadata"])}
    if model is workloads.Secret:
        return secret_data.with_string_data(complete)
    if model is resources.VirtualService and _is_round_robin(document):
        return {**complete, "spec": {**document["spec"], "defaultRoutingPolicy": {"type": "UNIFORM"}}}
    return complete


def _normal_metadata(model: type[Resource], metadata: Document) -> Document:
    """Return metadata with its namespace, without the copy of the object (even a Secret) that kubectl leaves there."""
    namespace = "" if model is workloads.Namespace else metadata.get("namespace") or "default"
    annotations = metadata.get("annotations")
    if not isinstance(annotations, Mapping):
        return {**metadata, "namespace": namespace}
    kept = {key: value for key, value in annotations.items() if key != _LAST_APPLIED}
    return {**metadata, "namespace": namespace, "annotations": kept}


def has_errors(found: Parsed) -> bool:
    """Return whether something the document asks for will not be done."""
    return any(problem.severity is Severity.ERROR for problem in found.problems)
