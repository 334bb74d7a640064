"""Whether those who make pods can spare one."""

import pytest

from meshloom.eviction import makers


def maker(kind="Deployment", generation=2, replicas=3, **status):
    whole = {"observedGeneration": 2, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 3}
    spec = {} if replicas is None else {"replicas": replicas}
    return {"kind": kind, "metadata": {"generation": generation}, "spec": spec, "status": {**whole, **status}}


@pytest.mark.parametrize(
    ("document", "alive", "is_whole"),
    [
        (maker(), 3, True),
        (maker(), 4, True),
        (maker(), 2, False),
        (maker(availableReplicas=2), 3, False),
        (maker(generation=3), 3, False),
        (maker(updatedReplicas=1), 3, False),
        (maker("StatefulSet"), 3, True),
        (maker("StatefulSet", updatedReplicas=0), 3, True),
        (maker("StatefulSet", availableReplicas=2), 3, False),
        (maker("ReplicaSet", replicas=None, availableReplicas=1), 1, True),
        (maker("ReplicationController", availableReplicas=None), 3, False),
        (maker("DaemonSet", desiredNumberScheduled=2, numberAvailable=2), 2, True),
        (maker("DaemonSet", desiredNumberScheduled=2, numberAvailable=1), 2, False),
        ({"kind": "Deployment"}, 9, False),
        ({"kind": "Deployment", "metadata": 1, "spec": 2, "status": 3}, 9, False),
    ],
)
def test_a_maker_is_whole_with_all_its_pods_available_and_nothing_under_way(document, alive, is_whole):
    assert makers.is_whole(document, alive) is is_whole


@pytest.mark.parametrize(
    ("status", "is_serving", "is_ending"),
    [
        ({"conditions": [{"type": "Ready", "status": "True"}]}, True, False),
        (
            {"conditions": [{"type": "Ready", "status": "False"}, {"type": "Initialized", "status": "True"}]},
            False,
            False,
        ),
        ({}, False, False),
        ({"phase": "Failed"}, False, True),
        ({"phase": "Succeeded"}, False, True),
    ],
)
def test_a_pod_that_is_ready_may_be_missed(status, is_serving, is_ending):
    pod = {"metadata": {}, "status": status}
    assert (makers.is_serving(pod), makers.is_ending(pod)) == (is_serving, is_ending)


def test_a_pod_that_is_being_deleted_ends():
    assert makers.is_ending({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}})
