"""How the API server has our objects, told out of order."""

from meshloom.cluster.observed import Observed
from meshloom.status import rounds
from tests.meshloom.status import shop


def document(version: int, status: object) -> dict[str, object]:
    return {"metadata": {"resourceVersion": str(version)}, "status": status}


def test_the_later_version_counts_however_late_the_earlier_is_told() -> None:
    observed = Observed()
    observed.note(shop.PETS, document(7, {"meshId": "new"}))
    observed.note(shop.PETS, document(6, {"meshId": "old"}))
    assert observed.status(shop.PETS) == b'{"meshId":"new"}'


def test_only_what_is_ours_of_a_status_stirs_it() -> None:
    observed = Observed()
    observed.note(shop.PETS, document(1, {"meshId": "a"}))
    assert observed.stirred() == {shop.PETS}
    observed.note(shop.PETS, document(2, {"meshId": "a", "theirs": 1}))
    assert observed.stirred() == frozenset()
    observed.note(shop.PETS, document(3, {"meshId": "b"}))
    assert observed.stirred() == {shop.PETS}


def test_an_object_made_anew_is_another() -> None:
    observed = Observed()
    observed.note(shop.PETS, {"metadata": {"resourceVersion": "1", "uid": "a"}})
    observed.stirred()
    observed.note(shop.PETS, {"metadata": {"resourceVersion": "2", "uid": "b"}})
    assert (observed.uid(shop.PETS), observed.stirred()) == ("b", {shop.PETS})
    assert observed.uid(shop.MESH) == ""


def test_what_is_gone_is_forgotten_and_may_come_again() -> None:
    observed = Observed()
    observed.note(shop.PETS, document(9, {"meshId": "a"}))
    observed.note(shop.PETS, None)
    assert observed.statuses([shop.PETS]) == {}
    assert observed.stirred() == frozenset()
    observed.note(shop.PETS, document(3, None))
    assert observed.statuses([shop.PETS, shop.MESH]) == {shop.PETS: rounds.NOTHING_WRITTEN}


def test_an_object_that_is_none_is_taken_as_empty() -> None:
    observed = Observed()
    observed.note(shop.PETS, {"metadata": None, "status": "broken"})
    assert observed.status(shop.PETS) == rounds.NOTHING_WRITTEN
