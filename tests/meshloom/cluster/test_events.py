"""What an Event about a condition says."""

from meshloom.cluster import events
from meshloom.status.documents import Condition
from tests.meshloom.status import shop

FALSE = Condition("False", "InvalidParameter", "spec.x: is broken; mend it", shop.NOW, 3)


def made(condition: Condition = FALSE, uid: str = "uid-1") -> dict[str, object]:
    return events.event(shop.PETS, uid, "ServiceMeshConfigured", condition, "meshloom-0")


def test_it_says_in_the_words_of_the_condition_what_is_so_and_of_which_object() -> None:
    found = made()
    assert found["message"] == "ServiceMeshConfigured is False: spec.x: is broken; mend it"
    assert (found["type"], found["reason"]) == ("Warning", "InvalidParameter")
    assert found["involvedObject"] == {
        "apiVersion": "servicemesh.oci.oracle.com/v1beta1",
        "kind": "VirtualService",
        "namespace": "shop",
        "name": "pets",
        "uid": "uid-1",
    }
    assert made(Condition("True", "Successful", "fine", shop.NOW, 3))["type"] == "Normal"


def test_the_same_thing_has_the_same_name_and_another_thing_another() -> None:
    names = [one["metadata"]["name"] for one in (made(), made(FALSE._replace(since="later", generation=9)))]
    assert names[0] == names[1]
    others = (made(uid="uid-2"), made(FALSE._replace(message="other")), made(FALSE._replace(status="Unknown")))
    assert len({one["metadata"]["name"] for one in (made(), *others)}) == 4


def test_it_is_bounded() -> None:
    assert len(str(made(FALSE._replace(message="x" * 10_000))["message"])) == events.LONGEST_MESSAGE
    long = events.event(shop.PETS._replace(name="n" * 253), "u", "t", FALSE, "i")
    assert len(long["metadata"]["name"]) <= 253
