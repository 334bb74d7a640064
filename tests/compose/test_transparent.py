"""The profile `transparent`: a caller that knows nothing of the mesh, and cannot call past its proxy."""

import dataclasses
import errno
import json
from collections.abc import Iterator

import pytest

from meshloom.demo.waiting import wait_until
from tests.compose import stack as stacks

pytestmark = [pytest.mark.slow, pytest.mark.envoy, pytest.mark.timeout(600)]

CALLER = "kiosk-v1"
APPLICATION, CAPTURE, PROXY, JOIN = (f"{CALLER}-{part}" for part in ("application", "capture", "proxy", "join"))
STOREFRONT, STOCK = "http://storefront:9080/", "http://stock:9080/"
IDENTITY = "spiffe://main.compose.mesh/ns/compose/vs/kiosk"
NOBODY = "192.0.2.1"
"""An address that documents are for: nothing is there and nothing leads there."""

CLOSED = (f"[Errno {errno.ECONNRESET}]", f"[Errno {errno.EPIPE}]", "Remote end closed connection without response")
"""What a caller says whose connection was taken and closed: which of these depends on how much it had sent by then."""

KNOWN = """
import json, os, socket
told = [name for name in os.environ if name.lower().endswith("_proxy")]
print(json.dumps([socket.gethostbyname("storefront"), told]))
"""


@pytest.fixture(scope="module")
def kiosk(stack: stacks.Stack) -> Iterator[stacks.Stack]:
    """Return the project with the caller of the profile in it. At the end the caller is removed."""
    added = dataclasses.replace(stack, command=(*stack.command, *stacks.PROFILE))
    try:
        up = added.up()
        assert up.returncode == 0, f"{up.stderr[-4000:]}\n--- logs\n{added.logs()}"
        yield added
    finally:
        added.told("rm", "--stop", "--force", APPLICATION, PROXY, CAPTURE, JOIN, CALLER)


def test_an_application_without_a_word_of_a_proxy_is_answered_through_the_mesh_under_its_identity(kiosk):
    assert json.loads(kiosk.python(APPLICATION, KNOWN)) == [NOBODY, []]
    called = kiosk.asked(APPLICATION, f"{STOREFRONT}?show=headers")
    assert called["status"] == 200, called
    assert called["answer"]["version"] == "storefront-v1"
    assert f"URI={IDENTITY}" in called["answer"]["headers"]["x-forwarded-client-cert"].split(";")


def test_what_no_policy_allows_it_is_refused_with_its_words_or_closed(kiosk):
    assert kiosk.asked(APPLICATION, STOCK) == {
        "url": STOCK,
        "status": 403,
        "answer": "no access policy lets compose/kiosk reach stock:9080",
    }
    closed = kiosk.asked(APPLICATION, "http://stock:9999/")
    assert (closed["status"], any(words in closed["answer"] for words in CLOSED)) == (0, True), closed


def test_without_its_proxy_it_reaches_nobody_and_with_it_again(kiosk):
    kiosk.told("stop", PROXY)
    try:
        for url in (STOREFRONT, f"http://{kiosk.address('storefront-v1')}:9080/"):
            called = kiosk.asked(APPLICATION, url)
            assert (called["status"], f"[Errno {errno.ECONNREFUSED}]" in called["answer"]) == (0, True), called
    finally:
        kiosk.told("start", PROXY)
    wait_until(lambda: kiosk.asked(APPLICATION, STOREFRONT)["status"] == 200, "an answer", stacks.PATIENCE)


def test_whoever_makes_the_rules_has_ended_and_the_others_may_not_change_them(kiosk):
    made = kiosk.inspected(CAPTURE)
    assert (made["State"]["Status"], made["State"]["ExitCode"]) == ("exited", 0)
    assert made["Config"]["User"] == "0:0"
    for service in (APPLICATION, CAPTURE, PROXY, JOIN, CALLER):
        host, user = kiosk.inspected(service)["HostConfig"], kiosk.inspected(service)["Config"]["User"]
        added = [name.removeprefix("CAP_") for name in host["CapAdd"] or ()]
        assert added == (["NET_ADMIN"] if service == CAPTURE else []), service
        assert (user == "0:0") == (service == CAPTURE), service
        assert (host["CapDrop"], host["ReadonlyRootfs"], host["Privileged"]) == (["ALL"], True, False), service
        assert host["SecurityOpt"] == ["no-new-privileges:true"], service
        assert not host["PortBindings"], service


def test_operators_see_that_it_is_captured(kiosk):
    wait_until(lambda: kiosk.proxies().get(CALLER) == "synced", "the caller in sync", stacks.PATIENCE)
    told = json.loads(kiosk.told("exec", "-T", "control-plane", "meshloom", "proxies", "-o", "json"))
    assert [proxy["name"] for proxy in told["proxies"] if proxy["capture"] == "transparent"] == [CALLER]
