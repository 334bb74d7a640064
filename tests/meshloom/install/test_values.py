"""What whoever installs may choose, and what is refused."""

import pytest

from meshloom import errors
from meshloom.install import values
from tests.meshloom.install import chosen


def test_without_a_word_there_is_an_image_of_this_version_twice() -> None:
    found = values.values([])
    assert found.image.startswith("meshloom:")
    assert found.replicas == 2


def test_later_words_go_before_earlier_ones_and_maps_are_joined() -> None:
    first = {"replicas": 3, "networkPolicy": {"enabled": False}, "tolerations": [{"key": "a"}]}
    second = {"networkPolicy": {"apiServerPorts": [1]}, "tolerations": [{"key": "b"}]}
    found = values.values([first, second]).document()
    assert found["replicas"] == 3
    assert found["networkPolicy"] == {"enabled": False, "apiServerPorts": [1]}
    assert found["tolerations"] == [{"key": "b"}]


@pytest.mark.parametrize(
    ("text", "document"),
    [
        ("replicas=3", {"replicas": 3}),
        ("networkPolicy.enabled=false", {"networkPolicy": {"enabled": False}}),
        ("secretNamespaces=[shop, zoo]", {"secretNamespaces": ["shop", "zoo"]}),
        ("image=a:b=c", {"image": "a:b=c"}),
        ("settings={}", {"settings": {}}),
    ],
)
def test_an_assignment_is_a_path_and_yaml(text: str, document: object) -> None:
    assert values.assignment(text) == document


@pytest.mark.parametrize("text", ["replicas", "=3", "a..b=1", ".a=1"])
def test_what_is_no_assignment_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(errors.UserError, match=r"key=value, as replicas=3"):
        values.assignment(text)


def test_an_assignment_of_what_is_no_yaml_is_refused() -> None:
    with pytest.raises(errors.UserError, match="the value of image is not YAML"):
        values.assignment("image={")


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"replica": 2}, "replica: "),
        ({"replicas": 0}, "replicas: "),
        ({"image": ""}, "image: "),
        ({"imagePullPolicy": "Sometimes"}, "imagePullPolicy: "),
        ({"resources": {"limits": {"cpu": "much"}}}, "resources.limits.cpu.*not a quantity"),
        ({"networkPolicy": {"apiServerPorts": []}}, "networkPolicy.apiServerPorts: "),
        ({"networkPolicy": {"apiServerPorts": [0]}}, "networkPolicy.apiServerPorts.0: "),
        ({"secretNamespaces": ["no/namespace"]}, "secretNamespaces.0: .*not the name of a namespace"),
        ({"settings": {"limit": {}}}, "settings.limit: "),
        ({"settings": {"limits": {"names": 0}}}, "settings.limits.names: "),
    ],
)
def test_what_cannot_be_is_refused_by_its_name(document: dict[str, object], words: str) -> None:
    with pytest.raises(errors.UserError, match=f"^values: {words}"):
        values.values([document])


def test_a_namespace_that_cannot_be_is_refused() -> None:
    assert values.named("mesh") == "mesh"
    with pytest.raises(errors.UserError, match="--namespace: Mesh is not the name of a namespace"):
        values.named("Mesh")


@pytest.mark.parametrize("namespace", ["default", "kube-system", "kube-public"])
def test_the_namespaces_of_the_cluster_itself_are_left_alone(namespace: str) -> None:
    with pytest.raises(errors.UserError, match=f"{namespace} is the cluster's own.*name another, as meshloom-system"):
        values.named(namespace)


def test_json_is_written_as_helm_writes_it() -> None:
    assert values.canonical({"b": 1.0, "a": [0.25, "<&>", "ä", True, None]}) == (
        '{"a":[0.25,"\\u003c\\u0026\\u003e","ä",true,null],"b":1}'
    )
    assert values.canonical({"a": {"b": 1}, "c": []}, indent=2) == '{\n  "a": {\n    "b": 1\n  },\n  "c": []\n}'


def test_maps_are_joined_with_the_defaults_and_null_takes_one_away() -> None:
    assert values.values([{"resources": {}}]) == values.values([])
    assert values.values([{"resources": {"limits": None}}]).resources == {
        "requests": {"cpu": "200m", "memory": "256Mi"}
    }
    assert values.values([{"resources": {"limits": {"cpu": 2}}}]).resources["limits"] == {"cpu": 2, "memory": "1Gi"}


@pytest.mark.parametrize("choice", chosen.CHOICES)
def test_what_may_be_chosen_can_be_written_down_and_read_again(choice: str) -> None:
    found = values.values([chosen.CHOICES[choice]])
    assert values.Values.model_validate(found.document()) == found
