"""The demo in containers, as a user has it: what answers, what moves, what is refused, and what may go away meanwhile."""

import errno

import pytest

from meshloom.demo import split, traffic
from meshloom.demo.waiting import wait_until
from tests.compose import stack as stacks

pytestmark = [pytest.mark.slow, pytest.mark.envoy, pytest.mark.timeout(600)]

UP_WITHIN = 90
PROXIES = {"door", "storefront-v1", "catalogue-v1", "catalogue-v2", "prices-v1", "stock-v1"}
DIAL = "import socket; print(socket.socket().connect_ex(({address!r}, {port})))"
REFUSED = str(errno.ECONNREFUSED)


def is_whole(stack) -> bool:
    """Whether a hundred requests in a row get through gateway and both versions of the catalogue, as far as stock."""
    replies = traffic.replies("127.0.0.1", stack.port, "/api/catalogue/", 100)
    return all(reply.status == 200 and not [*traffic.faults(reply.json())] for reply in replies)


def test_after_up_and_wait_a_visitor_is_answered_at_once(stack):
    assert stack.seconds < UP_WITHIN, stack.seconds
    assert stack.first.status == 200, stack.first
    answer = stack.first.json()
    assert answer["service"] == "storefront"
    assert [(call["url"], call["status"]) for call in answer["calls"]] == [
        ("http://catalogue/items", 200),
        ("http://prices/", 200),
    ]


def test_the_split_that_is_measured_is_the_one_that_is_written(stack):
    lines = split.lines(split.shares(stacks.WRITTEN), stack.versions(600))
    assert all(line.holds for line in lines), lines


def test_a_saved_weight_moves_the_split_and_nothing_restarts(stack, written):
    started = {service: stack.inspected(service)["State"]["StartedAt"] for service in stack.services()}
    stack.weigh(stacks.TURNED)
    stack.until_split(stacks.TURNED)
    assert started == {service: stack.inspected(service)["State"]["StartedAt"] for service in stack.services()}


def test_a_call_that_no_policy_allows_is_denied_with_its_words(stack):
    assert stack.asked("prices-v1-application", "http://stock/") == {
        "url": "http://stock/",
        "status": 403,
        "answer": "no access policy lets compose/prices reach stock",
    }


def test_an_application_is_not_reached_past_its_sidecar(stack):
    address = stack.address("stock-v1")
    assert stack.python("stock-v1-application", DIAL.format(address="127.0.0.1", port=8080)) == "0"
    assert stack.python("prices-v1-application", DIAL.format(address=address, port=9080)) == "0"
    assert stack.python("prices-v1-application", DIAL.format(address=address, port=8080)) == REFUSED


def test_without_control_plane_traffic_goes_on_and_edits_wait(stack, written):
    stack.told("kill", "control-plane")
    assert not stack.inspected("control-plane")["State"]["Running"]
    stack.weigh(stacks.TURNED)
    assert stack.is_split(stacks.WRITTEN, 300)
    stack.told("start", "control-plane")
    stack.until_split(stacks.TURNED)


def test_a_proxy_that_starts_again_elsewhere_is_found(stack):
    before = stack.address("stock-v1")
    stack.told("stop", "stock-v1-application", "stock-v1")
    squatter = stack.told("run", "--detach", "--no-deps", "--entrypoint", "sleep", "gateway", "600").split()[-1]
    try:
        stack.told("up", "--wait", "--no-recreate")
        assert stack.address("stock-v1") != before, f"{squatter} has not taken the address"
        wait_until(lambda: is_whole(stack), "stock at its new address", stacks.PATIENCE)
    finally:
        stacks.removed(squatter)


def test_an_application_is_restarted_with_its_proxy(stack):
    before = stack.inspected("catalogue-v1-application")["State"]["StartedAt"]
    stack.told("restart", "catalogue-v1")
    stack.told("up", "--wait", "--no-recreate")
    assert stack.inspected("catalogue-v1-application")["State"]["StartedAt"] != before
    wait_until(lambda: is_whole(stack), "the catalogue", stacks.PATIENCE)


def test_operators_ask_inside_of_the_control_plane(stack):
    wait_until(lambda: stack.proxies() == dict.fromkeys(PROXIES, "synced"), "six proxies in sync", stacks.PATIENCE)
    table = stack.told("exec", "-T", "control-plane", "meshloom", "proxies")
    assert "6 connected: 6 synced" in table
