"""Which finalizers an object should have."""

import pytest

from mesh import resources
from meshloom.cluster import finalizers

GUARDED = ("Mesh", "VirtualService", "VirtualDeployment", "IngressGateway")


@pytest.mark.parametrize("kind", resources.KINDS)
def test_only_what_others_refer_to_gets_one_of_its_own_kind(kind: str) -> None:
    expected = (f"finalizers.servicemesh.oci.oracle.com/{kind.lower()}-resources",) if kind in GUARDED else ()
    assert finalizers.settled(kind, (), is_ending=False, is_free=False) == expected
    assert finalizers.settled(kind, expected, is_ending=False, is_free=False) == expected


@pytest.mark.parametrize("kind", resources.KINDS)
def test_both_of_the_original_go_when_nobody_refers_to_what_is_being_deleted(kind: str) -> None:
    there = ("foregroundDeletion", finalizers.own(kind), finalizers.COMMON)
    assert finalizers.settled(kind, there, is_ending=True, is_free=False) == there
    assert finalizers.settled(kind, there, is_ending=True, is_free=True) == ("foregroundDeletion",)


def test_nothing_is_added_to_what_is_being_deleted() -> None:
    assert finalizers.settled("Mesh", (), is_ending=True, is_free=False) == ()


def test_those_of_others_stay() -> None:
    assert finalizers.settled("Mesh", ("a/b",), is_ending=False, is_free=True) == ("a/b", finalizers.own("Mesh"))
