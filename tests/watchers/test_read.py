"""Files read once: what counts, what is wrong, and where it stands."""

import io
import json
import os
import sys
from pathlib import Path

import pytest

from mesh.problems import Ref, Severity
from watchers import files

MESH = """\
apiVersion: servicemesh.oci.oracle.com/v1beta1
kind: Mesh
metadata:
  name: shop
  namespace: shop
spec:
  compartmentId: here
  certificateAuthorities:
    - id: ca
  mtls:
    minimum: PERMISSIVE
"""


@pytest.fixture(autouse=True)
def _here(folder: Path, monkeypatch) -> None:
    monkeypatch.chdir(folder)


def write(name: str, text: str | bytes) -> None:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)


def names(found: files.Reading) -> list[str]:
    return [item.metadata.name for item in found.resources]


def complaint(*paths: str, **settings: int) -> str:
    """The one problem of these paths."""
    [problem] = files.read(paths or ["."], **settings).problems
    return str(problem)


def test_all_files_of_a_folder_are_read_in_the_order_of_their_paths(service) -> None:
    write("b.yaml", service("b1") + service("b2"))
    write("a.yml", service("a"))
    write("deep/down/c.yaml", service("c"))
    write("d.json", json.dumps({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "d"}}))
    found = files.read(["."])
    assert names(found) == ["a", "b1", "b2", "d", "c"]
    assert found.problems == ()


@pytest.mark.parametrize(
    "name",
    [
        ".a.yaml",
        ".#a.yaml",
        "a.yaml~",
        ".a.yaml.swp",
        "a.yaml.swp",
        "#a.yaml#",
        "a.txt",
        ".git/a.yaml",
        "..data/a.yaml",
    ],
)
def test_hidden_files_and_the_droppings_of_editors_are_ignored(service, name: str) -> None:
    write(name, service("a"))
    assert files.read(["."]) == files.Reading()


def test_a_file_that_is_named_is_read_whatever_its_name(service) -> None:
    write(".hidden", service("a"))
    assert names(files.read([".hidden"])) == ["a"]


def test_every_object_has_a_place(service) -> None:
    write("shop/mesh.yaml", f"# a shop\n{MESH}{service('a')}")
    assert files.read(["."]).places == {
        Ref("Mesh", "shop", "shop"): "shop/mesh.yaml:2",
        Ref("Service", "default", "a"): "shop/mesh.yaml:14",
    }


def test_places_begin_with_the_path_that_was_given(service, folder: Path) -> None:
    write("shop/mesh.yaml", MESH)
    ref = Ref("Mesh", "shop", "shop")
    assert files.read(["shop"]).places[ref] == "shop/mesh.yaml:1"
    assert files.read(["./shop/"]).places[ref] == "shop/mesh.yaml:1"
    assert files.read(["shop/mesh.yaml"]).places[ref] == "shop/mesh.yaml:1"
    assert files.read([folder]).places[ref] == f"{folder}/shop/mesh.yaml:1"


def test_a_file_given_twice_is_read_once(service, folder: Path) -> None:
    write("shop/mesh.yaml", MESH)
    found = files.read(["shop/mesh.yaml", "shop", folder])
    assert names(found) == ["shop"]
    assert found.problems == ()


def test_a_dash_is_standard_input(monkeypatch) -> None:
    monkeypatch.setattr(
        sys, "stdin", io.TextIOWrapper(io.BytesIO(f"{MESH}---\na: b: c".encode().replace(b"a: b", b"a")))
    )
    found = files.read(["-"])
    assert found.places == {Ref("Mesh", "shop", "shop"): "stdin:1"}
    assert found.problems[0].subject == Ref("File", "", "stdin:13")


def test_standard_input_is_limited_too(monkeypatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"#" * 101)))
    assert complaint("-", largest=100).startswith("File stdin: is larger than 100 bytes; ")


def test_a_path_that_does_not_exist_is_a_problem() -> None:
    assert complaint("nowhere") == "File nowhere: does not exist; create it, or name another file or folder"


def test_of_two_objects_of_one_address_the_first_file_counts(service) -> None:
    write("b.yaml", service("a", "from b"))
    write("a.yaml", service("other") + service("a", "from a"))
    found = files.read(["."])
    assert [item.metadata.labels["v"] for item in found.resources] == ["1", "from a"]
    [problem] = found.problems
    assert problem.severity is Severity.ERROR
    assert str(problem) == (
        "Service default/a: is written twice: a.yaml:8 counts, b.yaml:2 is ignored; "
        "remove one of the two, or give it another name"
    )


def test_of_two_objects_of_one_address_in_one_file_the_first_counts(service) -> None:
    write("a.yaml", service("a", "first") + service("a", "second") + service("a", "third"))
    found = files.read(["."])
    assert [item.metadata.labels["v"] for item in found.resources] == ["first"]
    assert [problem.fault for problem in found.problems] == [
        "is written twice: a.yaml:2 counts, a.yaml:8 is ignored",
        "is written twice: a.yaml:2 counts, a.yaml:14 is ignored",
    ]


def test_paths_count_in_the_order_in_which_they_are_given(service) -> None:
    write("a.yaml", service("a", "from a"))
    write("b.yaml", service("a", "from b"))
    assert files.read(["b.yaml", "a.yaml"]).resources[0].metadata.labels["v"] == "from b"


@pytest.mark.parametrize("kind", ["List", "ServiceList"])
def test_a_list_stands_for_its_items(kind: str) -> None:
    item = "apiVersion: v1\n    kind: Service\n    metadata: {name: "
    write("a.yaml", f"apiVersion: v1\nkind: {kind}\nitems:\n  - {item}a}}\n  - {item}b}}\n")
    found = files.read(["."])
    assert found.problems == ()
    assert list(found.places.values()) == ["a.yaml:4", "a.yaml:7"]


def test_a_namespace_left_out_is_default(service) -> None:
    write("a.yaml", MESH.replace("  namespace: shop\n", ""))
    assert files.read(["."]).resources[0].ref == Ref("Mesh", "default", "shop")


def test_dates_and_truth_values_are_read_as_kubectl_does() -> None:
    write("a.yaml", MESH + "  displayName: 2023-01-01\n")
    assert files.read(["."]).resources[0].spec.display_name == "2023-01-01"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: b: c", "File a.yaml:1: mapping values are not allowed in this context; indent this line"),
        (b"a: 1\nb: \xff\xfe\n", "File a.yaml:2: byte 0xff is not UTF-8 text; save the file as UTF-8"),
        ("- 1\n", "File a.yaml:1: is a list, not a Kubernetes object; write apiVersion, kind, metadata and spec"),
        ("\n\nhello\n", "File a.yaml:3: is text, not a Kubernetes object; "),
        ("kind: Mesh\n", "File a.yaml:1 apiVersion: is missing; "),
    ],
)
def test_a_fault_without_an_address_is_that_of_a_line(text: str | bytes, said: str) -> None:
    write("a.yaml", text)
    found = files.read(["."])
    assert found.resources == ()
    assert str(found.problems[0]).startswith(said)


def test_a_fault_of_an_object_says_the_line_of_its_field() -> None:
    write("shop/a.yaml", MESH.replace("PERMISSIVE", "PERMISIVE"))
    [problem] = files.read(["."]).problems
    assert problem.subject == Ref("Mesh", "shop", "shop")
    assert problem.field == "spec.mtls.minimum"
    assert problem.fault.endswith("(shop/a.yaml:11)")


def test_a_key_written_twice_is_an_error_of_the_object(service) -> None:
    write("a.yaml", MESH + "  mtls: {}\n---\n" + service("a"))
    found = files.read(["."])
    assert names(found) == ["a"]
    [problem] = found.problems
    assert problem.subject == Ref("Mesh", "shop", "shop")
    assert problem.fault == "the key 'mtls' is already written at line 10 (a.yaml:12)"


def test_a_key_written_twice_in_a_list_makes_all_of_it_doubtful() -> None:
    item = "{apiVersion: v1, kind: Service, metadata: {name: %s}}"
    write("a.yaml", f"apiVersion: v1\nkind: List\nkind: List\nitems:\n- {item % 'a'}\n- {item % 'b'}\n")
    found = files.read(["."])
    assert found.resources == ()
    assert complaint() == "File a.yaml:3: the key 'kind' is already written at line 2; remove one of the two"


def test_the_faults_of_one_document_leave_the_others_in_force(service) -> None:
    write("a.yaml", service("a") + "---\n- 1\n" + service("b") + "---\nkind: 3\n" + service("c"))
    assert names(files.read(["."])) == ["a", "b", "c"]


def test_a_kind_of_others_is_ignored_with_a_warning(service) -> None:
    write("a.yaml", "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: web}\n" + service("a"))
    found = files.read(["."])
    assert names(found) == ["a"]
    [problem] = found.problems
    assert problem.severity is Severity.WARNING
    assert "'StatefulSet' of 'apps/v1' is not a kind that meshloom reads (a.yaml:2)" in problem.fault


def test_an_unknown_kind_of_ours_is_an_error_that_names_the_nine() -> None:
    write("a.yaml", MESH.replace("kind: Mesh", "kind: VirtualServise"))
    [problem] = files.read(["."]).problems
    assert problem.severity is Severity.ERROR
    assert "did you mean VirtualService?" in problem.remedy
    assert "IngressGatewayRouteTable" in problem.remedy


def test_a_file_that_is_too_large_is_a_problem(service) -> None:
    write("a.yaml", service("a") + "#" * 1000)
    assert complaint(largest=1000) == (
        "File a.yaml: is larger than 1,000 bytes; split it, or raise the limit in the settings"
    )
    assert names(files.read(["."], largest=2000)) == ["a"]


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("nowhere", "no such file or directory; create what it links to, or remove the link"),
        ("a.yaml", "too many levels of symbolic links; mend the link: it leads in a circle"),
        ("/proc/self/mem", "input/output error; make it readable"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_problem_and_the_others_count(service, target: str, said: str) -> None:
    os.symlink(target, "a.yaml")
    write("b.yaml", service("b"))
    assert complaint() == f"File a.yaml: cannot be read: {said}"
    assert names(files.read(["."])) == ["b"]


def test_a_pipe_is_not_waited_for() -> None:
    os.mkfifo("a.yaml")
    assert complaint() == "File a.yaml: is not a file with content; put the text into an ordinary file"


def test_a_file_that_may_not_be_read_is_a_problem(monkeypatch) -> None:
    write("a.yaml", MESH)
    write("locked/b.yaml", MESH)
    denied, listdir = PermissionError(13, "Permission denied"), os.listdir

    def refuse(path: str) -> list[str]:
        if path.endswith("locked"):
            raise denied
        return listdir(path)

    monkeypatch.setattr(os, "listdir", refuse)
    found = files.read(["."])
    assert names(found) == ["shop"]
    assert [str(problem) for problem in found.problems] == [
        "File locked: cannot be read: permission denied; let the user that meshloom runs as read it"
    ]


def test_folders_that_link_in_a_circle_are_read_once(service) -> None:
    write("one/a.yaml", service("a"))
    os.symlink("..", "one/up")
    os.symlink("one", "two")
    assert names(files.read(["."])) == ["a"]


def test_a_link_to_a_file_or_folder_is_followed(service, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "b.yaml").write_text(service("b"))
    (tmp_path / "c").write_text(service("c"))
    os.symlink("../elsewhere", "linked")
    os.symlink("../c", "c.yaml")
    assert sorted(names(files.read(["."]))) == ["b", "c"]


def test_a_mounted_config_map_is_read_once(service) -> None:
    write("..2024_01/mesh.yaml", service("a"))
    os.symlink("..2024_01", "..data")
    os.symlink("..data/mesh.yaml", "mesh.yaml")
    assert files.read(["."]).places == {Ref("Service", "default", "a"): "mesh.yaml:2"}


def test_a_document_that_cannot_be_read_does_not_take_its_file_with_it(service) -> None:
    write("mesh.yaml", service("a") + "---\nkind: [\n" + service("b"))
    found = files.read(["."])
    assert names(found) == ["a", "b"]
    assert found.places[Ref("Service", "default", "b")] == "mesh.yaml:10"
    assert [(str(problem.subject), problem.severity) for problem in found.problems] == [
        ("File mesh.yaml:9", Severity.ERROR)
    ]
