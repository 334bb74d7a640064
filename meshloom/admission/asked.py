"""What the API server asks: an AdmissionReview (`admission.k8s.io/v1`), read.

Law: total but for one exception, whose words are for whoever sent it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

VERSION: Final = "admission.k8s.io/v1"
LONGEST_UID: Final = 128

Object = Mapping[str, Any]


class UnreadableError(ValueError):
    """What was sent is no AdmissionReview; the text says why."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A change that is to be let in or not. `new` and `old` are the objects as they were written, None where there is
    none; `of` is group and version, as `apps/v1`.
    """

    uid: str
    operation: str
    kind: str
    of: str
    is_of_part: bool = False
    """Whether it is about a sub-resource, such as the status."""
    new: Object | None = field(default=None, repr=False)
    old: Object | None = field(default=None, repr=False)
    namespace: str = ""
    is_rehearsal: bool = False
    """Whether nothing comes of it (a dry run)."""


def asked(document: object) -> Asked:
    """Return what is asked. Raises UnreadableError."""
    if not isinstance(document, Mapping) or document.get("kind") != "AdmissionReview":
        raise UnreadableError("this is no AdmissionReview; the API server sends one, and nobody else needs to ask")
    if document.get("apiVersion") != VERSION:
        raise UnreadableError(f"this AdmissionReview is not of {VERSION}; let admissionReviewVersions name v1")
    request = document.get("request")
    if not isinstance(request, Mapping):
        raise UnreadableError("this AdmissionReview has no request")
    return _asked(request)


def _asked(request: Object) -> Asked:
    uid, operation, kind = request.get("uid"), request.get("operation"), request.get("kind")
    if not isinstance(uid, str) or not 0 < len(uid) <= LONGEST_UID:
        raise UnreadableError("the request has no uid, by which its answer would be known")
    if not isinstance(operation, str) or not isinstance(kind, Mapping):
        raise UnreadableError("the request does not say what is done to what")
    group, version, name = (_text(kind.get(part)) for part in ("group", "version", "kind"))
    return Asked(
        uid,
        operation,
        name,
        f"{group}/{version}" if group else version,
        bool(request.get("subResource")),
        _object(request.get("object")),
        _object(request.get("oldObject")),
        _text(request.get("namespace")),
        request.get("dryRun") is True,
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _object(value: object) -> Object | None:
    return value if isinstance(value, Mapping) else None
