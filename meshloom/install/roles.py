"""Roles, and who has them.

Law: pure; the grants are those of `grants`; each role is bound to one account, and none to people.
"""

from collections.abc import Iterator
from typing import Any

from meshloom.cluster import permits
from meshloom.install import grants
from meshloom.install.grants import NAME, Grant

Document = dict[str, Any]

LABELS = {"app.kubernetes.io/name": NAME}
READER, MAKER = f"{NAME}-secrets", f"{NAME}-gateways"
"""The roles that read Secrets and make gateways: each bound everywhere, or where the values say."""

_GROUP = "rbac.authorization.k8s.io"
_API = f"{_GROUP}/v1"


def account(namespace: str, name: str = NAME) -> Document:
    """Return an account: by default the one that the control plane has."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": _named(name, namespace),
        "automountServiceAccountToken": False,
    }


def operators(namespace: str) -> Iterator[Document]:
    """Yield an account whose tokens open the operator API, and the role that anybody may be given for that."""
    name = permits.ACCOUNT
    yield account(namespace, name)
    rules = [{"nonResourceURLs": [f"{permits.PREFIX}/*"], "verbs": ["get"]}]
    yield {**_role("ClusterRole", name, ()), "rules": rules}
    yield _binding("ClusterRoleBinding", name, "ClusterRole", name, namespace)


def cluster_roles(namespace: str) -> Iterator[Document]:
    """Yield what holds in all namespaces."""
    yield _role("ClusterRole", NAME, grants.EVERYWHERE)
    yield _binding("ClusterRoleBinding", NAME, "ClusterRole", NAME, namespace)
    yield _role("ClusterRole", READER, grants.SECRETS)
    yield _role("ClusterRole", MAKER, grants.GATEWAYS)


def home_roles(namespace: str) -> Iterator[Document]:
    """Yield what holds in the control plane's own namespace."""
    yield _role("Role", NAME, grants.AT_HOME, namespace)
    yield _binding("RoleBinding", NAME, "Role", NAME, namespace, namespace)


def everywhere(role: str, namespace: str) -> Document:
    """Return the permission to do what a role may in all namespaces."""
    return _binding("ClusterRoleBinding", role, "ClusterRole", role, namespace)


def within(there: str, role: str, namespace: str) -> Document:
    """Return the permission to do what a role may in one namespace."""
    return _binding("RoleBinding", role, "ClusterRole", role, namespace, there)


def user_roles(aggregated: str) -> Iterator[Document]:
    """Yield the roles of people; `aggregated` ("true" or "false") says whether the cluster's own roles include them."""
    editing = _role("ClusterRole", f"{NAME}-edit", grants.EDITING)
    viewing = _role("ClusterRole", f"{NAME}-view", grants.VIEWING)
    for role, into in ((editing, ("admin", "edit")), (viewing, ("view",))):
        labels = {f"{_GROUP}/aggregate-to-{each}": aggregated for each in into}
        yield {**role, "metadata": {**role["metadata"], "labels": {**LABELS, **labels}}}


def _named(name: str, namespace: str = "") -> Document:
    return {"name": name, **({"namespace": namespace} if namespace else {}), "labels": dict(LABELS)}


def _role(kind: str, name: str, granted: tuple[Grant, ...], namespace: str = "") -> Document:
    rules = [each.rule() for each in granted]
    return {"apiVersion": _API, "kind": kind, "metadata": _named(name, namespace), "rules": rules}


def account_of(role: str) -> str:
    """Return the account that a role is bound to."""
    return permits.ACCOUNT if role == permits.ACCOUNT else NAME


def _binding(kind: str, name: str, of: str, role: str, namespace: str, there: str = "") -> Document:
    return {
        "apiVersion": _API,
        "kind": kind,
        "metadata": _named(name, there),
        "roleRef": {"apiGroup": _GROUP, "kind": of, "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": account_of(role), "namespace": namespace}],
    }
