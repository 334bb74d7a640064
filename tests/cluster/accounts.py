"""ServiceAccounts, pods and tokens, as a cluster has them, of a real API server."""

import jwt

from watchers import api_server


async def pod(
    api: api_server.ApiServer, namespace: str, name: str, app: str, owners: tuple[dict[str, object], ...] = ()
) -> str:
    """Make a pod of the ServiceAccount `front`, perhaps for others, and return its uid; nobody starts it."""
    document = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": app}, "ownerReferences": list(owners)},
        "spec": {"serviceAccountName": "front", "containers": [{"name": "app", "image": "none"}]},
    }
    made = await api.request("POST", api_server.path("v1", "pods", namespace), body=document)
    return str(made["metadata"]["uid"])


async def account(api: api_server.ApiServer, namespace: str, name: str = "front") -> None:
    """Make a ServiceAccount."""
    document = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}
    await api.request("POST", api_server.path("v1", "serviceaccounts", namespace), body=document)


async def token(
    api: api_server.ApiServer,
    namespace: str,
    bound: tuple[str, str] | None = None,
    audience: str = "meshloom",
    name: str = "front",
) -> str:
    """Return a new token of a ServiceAccount, bound to a pod by its name and uid."""
    spec: dict[str, object] = {"audiences": [audience], "expirationSeconds": 600}
    if bound is not None:
        spec["boundObjectRef"] = {"apiVersion": "v1", "kind": "Pod", "name": bound[0], "uid": bound[1]}
    path = api_server.path("v1", "serviceaccounts", namespace, name, "token")
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    return str((await api.request("POST", path, body=body))["status"]["token"])


def signed_anew(text: str, key: bytes, **claims: object) -> str:
    """Return a token with other claims, signed by the key of the API server."""
    said = {**jwt.decode(text, options={"verify_signature": False}), **claims}
    return jwt.encode(said, key, algorithm="RS256", headers={"kid": jwt.get_unverified_header(text)["kid"]})
