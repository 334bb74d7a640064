"""Traffic is split by weight: measured on real requests, within what chance allows."""

import pytest

from meshloom.demo import split
from tests.envoy.worlds import served_by

REQUESTS = 1500


@pytest.mark.parametrize(
    ("path", "shares"),
    [
        ("/", {"weights-a": 0.70, "weights-b": 0.25, "weights-c": 0.05}),
        ("/sum", {"weights-a": 0.75, "weights-b": 0.25}),
        ("/twice", {"weights-a": 0.75, "weights-b": 0.25}),
    ],
    ids=["in percent", "relative to their sum", "a deployment named twice"],
)
def test_requests_are_split_as_the_weights_say(world, path, shares):
    replies = world.calls(f"http://weights{path}", REQUESTS)
    assert {reply.status for reply in replies} == {200}
    lines = split.lines(shares, (served_by(reply) for reply in replies))
    assert all(line.holds for line in lines), lines


def test_uniform_splits_evenly(world):
    lines = split.lines(
        {"uniform-v1": 0.5, "uniform-v2": 0.5}, map(served_by, world.calls("http://uniform/", REQUESTS))
    )
    assert all(line.holds for line in lines), lines


def test_a_gateway_splits_as_the_table_of_the_service_says(world):
    replies = [world.visit("/rewritten/split", "shop.example.com") for _ in range(300)]
    lines = split.lines({"behind-v1": 0.5, "behind-v2": 0.5}, map(served_by, replies))
    assert all(line.holds for line in lines), lines


def test_weights_that_are_all_zero_are_answered_503(world):
    assert world.call("http://weights/zero").status == 503
