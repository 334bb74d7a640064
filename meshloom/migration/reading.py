"""The facts of a cluster, read from its API server.

Law: reads, and changes nothing; what may not be read is said, and the rest is read all the same.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from mesh import resources
from meshloom import settings as settings_model
from meshloom.install import workload
from meshloom.migration import facts, kinds
from watchers import api_server

PAGE: Final = 500
WITHIN: Final = 60.0

_MAY_NOT: Final = (401, 403)
_SELECTED: Final[Mapping[str, tuple[Mapping[str, str], ...]]] = {
    "ConfigMap": tuple({"fieldSelector": f"metadata.name={name}"} for name in (facts.CONFIG_MAP, workload.SETTINGS)),
}
"""What is read of a kind of which not everything is."""


async def read(api: api_server.ApiServer, chosen: settings_model.Settings | None = None) -> facts.Facts:
    """Return the facts of a cluster; `chosen` are settings that go before those of an installation there.

    Raises ApiError where it does not answer.
    """
    found: list[dict[str, Any]] = []
    unread = []
    for kind in kinds.ALL:
        try:
            for selected in _SELECTED.get(kind, ({},)):
                found += [one async for one in _objects(api, kind, selected)]
        except api_server.ApiError as error:
            if error.is_absent and kind in kinds.WRITTEN:
                continue
            if error.status not in _MAY_NOT:
                raise
            unread.append(kinds.ALL[kind][1])
    return facts.facts(found, tuple(unread), chosen)


async def _objects(api: api_server.ApiServer, kind: str, selected: Mapping[str, str]) -> AsyncIterator[dict[str, Any]]:
    """Yield the objects of a kind that matter, as an object that is read alone would be. Raises ApiError."""
    query = {"limit": str(PAGE)}
    token: str | None = ""
    while token is not None:
        asked = {**query, **selected, "continue": token} if token else {**query, **selected}
        page = await api.request("GET", kinds.collection(kind), asked, within=WITHIN)
        for item in page.get("items") or ():
            if _matters(kind, item):
                yield {**item, "apiVersion": kinds.ALL[kind][0], "kind": kind}
        token = page["metadata"].get("continue") or None


def _matters(kind: str, item: dict[str, Any]) -> bool:
    if kind == "CustomResourceDefinition":
        return bool((item.get("spec") or {}).get("group") == resources.GROUP)
    return True
