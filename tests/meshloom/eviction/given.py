"""The mesh of the tests of evictions, and pods in it."""

from typing import Any

import yaml

from mesh import documents, inventory, resolve
from meshloom.injector import contract
from meshloom.injector.terms import Terms
from tests.meshloom.injector import golden

TERMS = Terms("meshloom-proxy:2", "meshloom.meshloom-system.svc:15012")
SET = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "pets-5d4f", "uid": "set", "controller": True}
STATEFUL = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "pets", "uid": "stateful", "controller": True}
MESH = (golden.HERE / "mesh.yaml").read_text()
ID = "ocid1.meshvirtualdeployment.meshloom..4f0c"


def pod(name: str = "pets-1", **metadata: Any) -> dict[str, Any]:
    """Return a pod of a ReplicaSet that has no proxy; `metadata` goes before that."""
    given = {"namespace": "shop", "labels": {"app": "pets"}, "ownerReferences": [SET], **metadata}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "uid": f"uid-{name}", **given}}


def injected(name: str = "pets-1", image: str = TERMS.image, deployment: str = ID, **metadata: Any) -> dict[str, Any]:
    """Return a pod that has a proxy of this image; empty: that of the original, which said none."""
    said = {contract.BINDING: "shop/pets-v1", contract.DEPLOYMENT_ID: deployment}
    annotations = {**said, **({contract.IMAGE: image} if image else {}), **metadata.pop("annotations", {})}
    return pod(name, annotations=annotations, **metadata)


def there(*objects: dict[str, Any], mesh: str = MESH) -> resolve.Resolution:
    """Return what is known where these are."""
    return resolve.resolve(inventory.inventory_of(items(*yaml.safe_load_all(mesh), *objects)))


def items(*objects: dict[str, Any]) -> list[Any]:
    """Return objects as the model has them."""
    return [item for one in objects if (item := documents.parsed(one).resource) is not None]
