"""Each hop applies its own timeout, and answers 504 when it is over."""

import concurrent.futures
import time

import pytest

GRPC = {"content-type": "application/grpc"}
LONGER_THAN_THE_DEFAULT = 15.6


@pytest.fixture(scope="module")
def long_answers(world):
    """Begin requests that take longer than the default timeout of 15 seconds; they go on beside the other tests."""
    urls = {"default": None, "grpc": GRPC}
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        yield {
            name: pool.submit(timed, world, f"http://slow/default?wait={LONGER_THAN_THE_DEFAULT}", headers)
            for name, headers in urls.items()
        }


def timed(world, url, headers=None):
    """Return the status of the answer and the seconds it took."""
    start = time.monotonic()
    return world.call(url, headers).status, time.monotonic() - start


@pytest.mark.parametrize("path", ["by-listener", "by-route"])
def test_an_answer_that_takes_too_long_is_504(world, long_answers, path):
    status, seconds = timed(world, f"http://slow/{path}?wait=5")
    assert status == 504
    assert 0.35 < seconds < 3


@pytest.mark.parametrize("path", ["by-listener", "by-route"])
def test_an_answer_in_time_is_passed_on(world, path):
    assert world.call(f"http://slow/{path}?wait=0.05").status == 200


def test_a_timeout_of_zero_is_none(world):
    assert world.call("http://slow/off?wait=1").status == 200


def test_a_gateway_applies_the_shorter_of_both_timeouts(world):
    start = time.monotonic()
    assert world.visit("/hurried/?wait=5", "shop.example.com").status == 504
    between = time.monotonic()
    assert world.visit("/hurried/at-the-service?wait=5", "shop.example.com").status == 504
    assert 0.35 < between - start < 2
    assert 0.15 < time.monotonic() - between < 1.5


def test_the_default_is_15_seconds(long_answers):
    status, seconds = long_answers["default"].result(30)
    assert status == 504
    assert 14.9 < seconds < 16.5


def test_grpc_has_no_default_timeout(long_answers):
    status, seconds = long_answers["grpc"].result(30)
    assert status == 200
    assert seconds >= LONGER_THAN_THE_DEFAULT
