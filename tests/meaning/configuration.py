"""Proxies as the evaluator takes them, read from the bytes that are sent to them.

Law: the one module here that knows how bytes are packed; a resource with anything in it that the evaluator does not
understand is refused.
"""

import functools
from collections.abc import Iterable, Mapping
from typing import Any

from tests.meaning import routes, tls, understood
from tests.meaning.evaluate import Proxy
from tests.translator import decoded
from translator import resources

_BESIDE = {resources.RUNTIME}
_KINDS = {
    resources.LISTENER: "listeners",
    resources.ROUTES: "routes",
    resources.CLUSTER: "clusters",
    resources.FILTER: "filters",
    resources.ENDPOINTS: "endpoints",
}


def proxy(name: str, sent: Iterable[resources.EncodedResource], secrets: tls.Secrets) -> Proxy:
    """Return a proxy that has got these resources."""
    found: dict[str, dict[str, Mapping[str, Any]]] = {kind: {} for kind in _KINDS.values()}
    for one in sent:
        message = _read(one.type_url, one.body)
        if one.type_url in _BESIDE:
            continue
        found[_KINDS[one.type_url]][one.name] = message
    return Proxy(name, **found, secrets=secrets)


@functools.lru_cache(1 << 14)
def _read(type_url: str, body: bytes) -> Mapping[str, Any]:
    message = decoded.resource(body)
    understood.check(message, type_url.rpartition("/")[2])
    return routes.table(message) if type_url == resources.ROUTES else message
