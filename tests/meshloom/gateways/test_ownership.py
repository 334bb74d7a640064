"""Fields of the original operator become fields of meshloom, all but the number of pods."""

from typing import Any

from meshloom.gateways import ownership


def entry(
    manager: str, fields: Any, operation: str = "Update", version: str = "apps/v1", **more: str
) -> dict[str, Any]:
    return {
        "manager": manager,
        "operation": operation,
        "apiVersion": version,
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
        **more,
    }


def found(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"managedFields": list(entries), "resourceVersion": "7"}}


def test_where_the_original_owns_nothing_nothing_changes() -> None:
    assert ownership.transferred(found(entry("kubectl", {"f:spec": {}}))) is None
    assert ownership.transferred({"metadata": {}}) is None


def test_what_the_original_set_is_ours_from_now_on_but_for_the_number_of_pods() -> None:
    former = entry("manager", {"f:spec": {"f:replicas": {}, "f:template": {"f:spec": {"f:volumes": {}}}}}, time="t")
    others = entry("kube-controller-manager", {"f:status": {}}, subresource="status")
    moved = ownership.transferred(found(former, others))
    ours = entry("meshloom", {"f:spec": {"f:template": {"f:spec": {"f:volumes": {}}}}}, "Apply", time="t")
    assert moved == [others, ours]


def test_what_we_have_applied_already_is_united_with_it() -> None:
    former = entry("manager", {"f:spec": {"f:template": {"f:a": {}}}, "f:status": {}})
    mine = entry("meshloom", {"f:metadata": {}, "f:spec": {"f:template": {"f:b": {}}}}, "Apply")
    moved = ownership.transferred(found(mine, former))
    assert moved == [entry("meshloom", {"f:metadata": {}, "f:spec": {"f:template": {"f:a": {}, "f:b": {}}}}, "Apply")]


def test_the_status_that_the_original_wrote_is_nobodys_concern() -> None:
    assert ownership.transferred(found(entry("manager", {"f:status": {}}))) is None
    assert ownership.transferred(found(entry("manager", {"f:status": {}}, subresource="status"))) is None


def test_the_patch_gives_way_to_whoever_was_faster() -> None:
    patch = ownership.patch(found(), [{"manager": "meshloom"}])
    assert {"op": "replace", "path": "/metadata/resourceVersion", "value": "7"} in patch
