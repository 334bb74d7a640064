"""What is done to one object of a gateway: read, applied, taken over, removed.

Law: each is one or a few requests, and raises ApiError; what was decided is not decided anew.
"""

from collections.abc import Mapping
from typing import Any

from mesh.problems import Ref
from meshloom.gateways import ownership, plan
from watchers import api_server

_MANAGER = {"fieldManager": api_server.MANAGER}


def path(ref: Ref) -> str:
    """Return the path of an object."""
    return api_server.path(*plan.KINDS[ref.kind], ref.namespace, ref.name)


async def found(api: api_server.ApiServer, ref: Ref) -> Mapping[str, Any] | None:
    """Return an object, None if there is none."""
    try:
        read: Mapping[str, Any] = await api.request("GET", path(ref))
    except api_server.ApiError as error:
        if error.is_absent:
            return None
        raise
    return {**read, "kind": ref.kind}


async def applied(api: api_server.ApiServer, step: plan.Apply) -> Mapping[str, Any]:
    """Apply an object, whose fields become ours where the original operator made it; return what became of it."""
    at = path(plan.ref(step.body))
    if step.found is not None and (fields := ownership.transferred(step.found)) is not None:
        await api.request(
            "PATCH", at, _MANAGER, ownership.patch(step.found, fields), content_type=api_server.JSON_PATCH
        )
    made: Mapping[str, Any] = await api.applied(at, step.body)
    return made


async def begun(api: api_server.ApiServer, deployment: Mapping[str, Any], pods: int) -> None:
    """Begin a Deployment that was just made with so many pods; from then on their number is the autoscaler's."""
    version = deployment["metadata"]["resourceVersion"]
    body = {"metadata": {"resourceVersion": version}, "spec": {"replicas": pods}}
    at = path(plan.ref(deployment))
    await api.request("PATCH", at, _MANAGER, body, content_type=api_server.MERGE_PATCH)


async def removed(api: api_server.ApiServer, step: plan.Remove) -> None:
    """Remove an object, unless another has its name by now."""
    metadata = step.found["metadata"]
    body = {"preconditions": {"uid": metadata["uid"]}, "propagationPolicy": "Background"}
    try:
        await api.request("DELETE", path(plan.ref(step.found)), body=body)
    except api_server.ApiError as error:
        if not error.is_absent:
            raise
