"""Each hop applies its own timeout, and answers 504 when it is over."""

import time

import pytest

from tests.envoy import worlds


@pytest.fixture(autouse=True, scope="module")
def _all_begun(started_worlds):
    """Begin the longest requests of all variants at once."""
    for variant in worlds.VARIANTS:
        started_worlds(variant)


@pytest.mark.parametrize("path", ["by-listener", "by-route"])
def test_an_answer_that_takes_too_long_is_504(world, path):
    status, seconds = world.timed(f"http://slow/{path}?wait=5")
    assert status == 504
    assert 0.35 < seconds < 4.9


@pytest.mark.parametrize("path", ["by-listener", "by-route"])
def test_an_answer_in_time_is_passed_on(world, path):
    assert world.call(f"http://slow/{path}?wait=0.05").status == 200


def test_a_timeout_of_zero_is_none(world):
    assert world.call("http://slow/off?wait=1").status == 200


@pytest.mark.parametrize("path", ["/hurried/", "/kept/hurried/"], ids=["the gateway's", "the service's"])
def test_a_gateway_applies_the_shorter_of_both_timeouts(world, path):
    """One says 400 ms and the other more: 3 s here, 15 s there."""
    start = time.monotonic()
    assert world.visit(f"{path}?wait=5", "shop.example.com").status == 504
    assert 0.35 < time.monotonic() - start < 2.8


def test_the_default_is_15_seconds(world):
    status, seconds = world.begun["default"].result(30)
    assert status == 504
    assert seconds > 14.9


def test_grpc_has_no_default_timeout(world):
    status, seconds = world.begun["grpc"].result(30)
    assert status == 200
    assert seconds > 15.5
