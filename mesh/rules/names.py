"""Rules for the names of objects, and the text that stands for one whose name cannot be used.

Law: what the API server would refuse is refused here too, so that files and clusters accept the same objects.
"""

import re
from collections.abc import Iterator, Mapping

from mesh import problems
from mesh.problems import Problem, Ref
from mesh.rules import wording

LONGEST_NAME = 190
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_SERVICE_NAME = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_SUBDOMAIN_LENGTH = 253


def is_label(text: str) -> bool:
    """Return whether Kubernetes accepts this as the name of a namespace (RFC 1123 label)."""
    return _LABEL.fullmatch(text) is not None


def is_subdomain(text: str) -> bool:
    """Return whether Kubernetes accepts this as the name of most objects (RFC 1123 subdomain)."""
    return len(text) <= _SUBDOMAIN_LENGTH and _SUBDOMAIN.fullmatch(text) is not None


def is_service_name(text: str) -> bool:
    """Return whether Kubernetes accepts this as the name of a Service (RFC 1035 label)."""
    return _SERVICE_NAME.fullmatch(text) is not None


def address_problems(subject: Ref, name: object, namespace: object) -> Iterator[Problem]:
    """Yield what the API server would say about `metadata.name` and `metadata.namespace`; only text is judged."""
    if isinstance(name, str) and not is_subdomain(name):
        yield problems.error(
            subject,
            "metadata.name",
            f"{wording.quoted(name)} cannot be the name of an object",
            "use lower-case letters, digits, `-` and `.`, beginning and ending with a letter or digit, at most 253",
        )
    if isinstance(namespace, str) and namespace and not is_label(namespace):
        yield problems.error(
            subject,
            "metadata.namespace",
            f"{wording.quoted(namespace)} cannot be the name of a namespace",
            "use lower-case letters, digits and `-`, beginning and ending with a letter or digit, at most 63",
        )


def best_effort_ref(document: Mapping[object, object]) -> Ref:
    """Return the address that an object was probably meant to have; its parts are short and printable."""
    metadata = document.get("metadata")
    found = metadata if isinstance(metadata, Mapping) else {}
    kind = _printable(document.get("kind"), "Object")
    namespace = _printable(found.get("namespace"), "default")
    return Ref(kind, "" if kind == "Namespace" else namespace, _printable(found.get("name"), "(unnamed)"))


def _printable(value: object, otherwise: str) -> str:
    if not isinstance(value, str) or not value:
        return otherwise
    return value if len(value) <= _SUBDOMAIN_LENGTH and value.isprintable() else wording.quoted(value)


def long_names(subject: Ref, spec: object) -> Iterator[Problem]:
    """Rule 2.3.1: the name of each of the nine kinds has at most 190 characters."""
    if len(subject.name) > LONGEST_NAME:
        yield problems.error(
            subject,
            "metadata.name",
            f"has {len(subject.name)} characters, more than the {LONGEST_NAME} allowed",
            "shorten it",
        )


def secret_name_problems(subject: Ref, field: str, name: str) -> Iterator[Problem]:
    """Rule 2.13.17: the name of a Secret is one that a Secret can have."""
    if not is_subdomain(name):
        remedy = "use lower-case letters, digits, `-` and `.`"
        yield problems.warning(subject, field, f"{wording.quoted(name)} cannot be the name of a Secret", remedy)
