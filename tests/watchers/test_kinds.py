"""What is read of an object of the API server, and what is not."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mesh import resources, workloads
from watchers import kinds

KINDS = {kind.name: kind for kind in (*kinds.FOLLOWED, kinds.SECRET)}
NOISE: dict[str, Any] = {
    "resourceVersion": "77",
    "generation": 3,
    "managedFields": [{"manager": "kubectl"}],
    "selfLink": "/x",
    "annotations": {"endpoints.kubernetes.io/last-change-trigger-time": "now"},
}


def read(kind: str, document: dict[str, Any]) -> Any:
    found = kinds.parsed(KINDS[kind], document)
    assert not found.problems
    assert found.resource is not None
    return found.resource


def pod(**metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": "one", "namespace": "shop", "uid": "u", "labels": {"app": "pets"}, **metadata}}


def test_what_nobody_reads_is_no_difference() -> None:
    assert read("Pod", pod(**NOISE)) == read("Pod", pod())


def test_annotations_of_ours_are_read_and_others_are_not() -> None:
    found = read("Pod", pod(annotations={"meshloom.dev/a": "1", f"{resources.GROUP}/b": "2", "x/meshloom.dev/": "3"}))
    assert found.metadata.annotations == {"meshloom.dev/a": "1", f"{resources.GROUP}/b": "2"}


def test_of_what_people_write_the_generation_counts_and_the_status_does_not() -> None:
    spec = {"compartmentId": "any", "certificateAuthorities": [{"id": "any"}]}
    mesh = {"metadata": {"name": "main", "namespace": "shop", "generation": 4, "resourceVersion": "9"}, "spec": spec}
    found = read("Mesh", {**mesh, "status": {"meshId": "x"}})
    assert (found.metadata.generation, found.metadata.resource_version, found.status) == (4, "", {})
    assert found == read("Mesh", mesh)


def test_kinds_of_which_only_metadata_is_read_are_asked_for_as_metadata() -> None:
    bare = {name for name, kind in KINDS.items() if not kind.fields}
    assert bare == {"Namespace", "Pod", "ReplicaSet", "Deployment"}


def test_every_kind_of_the_model_is_followed_but_secrets() -> None:
    followed = {kind.model for kind in kinds.FOLLOWED}
    assert followed == {*resources.KINDS.values(), *workloads.WORKLOADS.values()} - {workloads.Secret}


def test_resources_are_named_as_the_api_server_names_them() -> None:
    assert KINDS["Mesh"].resource == "meshes.servicemesh.oci.oracle.com"
    assert KINDS["EndpointSlice"].resource == "endpointslices.discovery.k8s.io"
    assert KINDS["Service"].resource == "services"


def test_an_item_of_a_list_need_not_say_its_kind() -> None:
    """As the API server writes lists of its own kinds, and of metadata with another kind."""
    assert read("Pod", {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", **pod()}).kind == "Pod"


def test_short_texts_are_kept_once() -> None:
    one, other = (read("Pod", pod(labels={"a" + "pp": "-".join(("pets", "v1"))})) for _ in range(2))
    assert one.metadata.labels["app"] is other.metadata.labels["app"]


def test_what_a_secret_says_is_kept_nowhere_else() -> None:
    secret = {
        "metadata": {"name": "s", "namespace": "shop"},
        "data": {"key": "-".join(("cGFzcw", "==")).replace("-", "")},
    }
    found = read("Secret", secret)
    assert "cGFzcw" not in repr(found)


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = ("name", "namespace", "labels", "annotations", "ownerReferences", "creationTimestamp", "finalizers")


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(sorted(KINDS)),
    st.one_of(json, st.dictionaries(st.sampled_from(FIELDS), json)),
    st.dictionaries(st.sampled_from(("spec", "endpoints", "ports", "data", "addressType")), json),
)
def test_whatever_an_object_holds_reading_it_never_raises(kind: str, metadata: Any, fields: dict[str, Any]) -> None:
    found = kinds.parsed(KINDS[kind], {"metadata": metadata, **fields})
    assert found.resource is not None or found.problems
