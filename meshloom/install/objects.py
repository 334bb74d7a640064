"""All objects of an installation, in the order in which they are applied.

Law: pure: the same values, the same objects, whoever applies them.
"""

import hashlib
from collections.abc import Iterator
from typing import Any

import yaml

from meshloom.admission import configuration
from meshloom.crds import definition
from meshloom.injector import configuration as injection
from meshloom.install import roles, values, workload
from meshloom.install.values import Values

Document = dict[str, Any]

_STANDARD = "pod-security.kubernetes.io"


def objects(chosen: Values, namespace: str) -> tuple[Document, ...]:
    """Return the objects: the namespace, the kinds, permissions, the control plane, and last the webhooks."""
    return (home(namespace), *definition.definitions(), *_inner(chosen, namespace))


def home(namespace: str) -> Document:
    """Return the namespace, which admits pods of the restricted Pod Security Standard only."""
    labels = {**roles.LABELS, **{f"{_STANDARD}/{each}": "restricted" for each in ("enforce", "warn", "audit")}}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}}


def _inner(chosen: Values, namespace: str) -> Iterator[Document]:
    document = chosen.document()
    yield roles.account(namespace)
    yield from roles.cluster_roles(namespace)
    yield from roles.home_roles(namespace)
    yield from _bindings(roles.READER, chosen.secret_namespaces, namespace)
    yield from _bindings(roles.MAKER, chosen.gateway_namespaces, namespace)
    yield from roles.operators(namespace)
    yield from roles.user_roles(str(chosen.aggregate_roles).lower())
    yield workload.settings_map(namespace, values.canonical(document["settings"], indent=2) + "\n")
    yield workload.service(namespace)
    yield workload.disruption_budget(namespace)
    if chosen.network_policy.enabled:
        ports = [{"port": port, "protocol": "TCP"} for port in chosen.network_policy.api_server_ports]
        yield workload.network_policy(namespace, ports)
    yield workload.deployment(namespace, document, digest(document["settings"]))
    yield configuration.configuration(namespace)
    yield injection.configuration(namespace)


def _bindings(role: str, listed: tuple[str, ...], namespace: str) -> Iterator[Document]:
    if not listed:
        yield roles.everywhere(role, namespace)
    for there in listed:
        yield roles.within(there, role, namespace)


def digest(settings: Any) -> str:
    """Return what tells settings apart: pods are replaced when it changes."""
    return hashlib.sha256(values.canonical(settings).encode()).hexdigest()


def text(document: Document) -> str:
    """Return an object as YAML."""
    return yaml.safe_dump(document, sort_keys=False, width=120, allow_unicode=True)


def stream(documents: tuple[Document, ...]) -> str:
    """Return objects as one YAML stream."""
    return "---\n".join(map(text, documents))
