"""The roots by which API servers verify the webhooks: the `caBundle` in their configurations.

Law: pure. Nothing else of the configuration is touched, and only what is still as it was seen.
"""

import base64
from collections.abc import Iterator
from typing import Any, Final

from meshloom.admission import configuration
from meshloom.injector import configuration as injection

_GROUP: Final = "/apis/admissionregistration.k8s.io/v1"
PATH: Final = f"{_GROUP}/validatingwebhookconfigurations/{configuration.NAME}"
INJECTION_PATH: Final = f"{_GROUP}/mutatingwebhookconfigurations/{injection.NAME}"
PATHS: Final = (PATH, INJECTION_PATH)
"""Where the configurations are."""
_OURS: Final = (configuration.CHANGES, configuration.REMOVALS, injection.WEBHOOK)


def patch(found: Any, pem: bytes) -> list[dict[str, Any]]:
    """Return the JSON patch that brings these roots into a configuration as it was found; nothing if they are there."""
    bundle = base64.b64encode(pem).decode("ascii")
    return [step for number, webhook in _ours(found) for step in _steps(number, webhook, bundle)]


def _ours(found: Any) -> Iterator[tuple[int, Any]]:
    return ((n, webhook) for n, webhook in enumerate(found.get("webhooks") or ()) if webhook.get("name") in _OURS)


def _steps(number: int, webhook: Any, bundle: str) -> Iterator[dict[str, Any]]:
    if (webhook.get("clientConfig") or {}).get("caBundle") != bundle:
        at = f"/webhooks/{number}"
        yield {"op": "test", "path": f"{at}/name", "value": webhook["name"]}
        yield {"op": "add", "path": f"{at}/clientConfig/caBundle", "value": bundle}
