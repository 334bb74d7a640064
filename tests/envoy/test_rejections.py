"""What a proxy refuses, and what follows: for clusters, listeners, routes and secrets, asked for in both ways.

In every test two resources of a type change at once, one of them for the worse. Envoy's words are recorded, the good
one is used, the bad one stays as it was and is not sent again, and is accepted once it is mended.
"""

import contextlib
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from meshloom.demo import application
from meshloom.demo.waiting import wait_until
from tests.envoy import rejections
from tests.envoy.rejections import PATIENCE_S, EncodedResource
from translator import resources

PLAIN, OTHER, SECURED, OTHER_SECURED = 8001, 8002, 8443, 8444
OLD, NEW, MENDED = "old", "new", "mended"
APPLICATIONS = {OLD: 11, NEW: 12, MENDED: 13}


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of resources: how to make one in a version, how to make a bad one, and which version is in use.

    `given` returns the resources around them that make them be used. `words` are Envoy's when it refuses the bad one.
    """

    given: Callable[[rejections.Rejecting], tuple[EncodedResource, ...]]
    good: Callable[[rejections.Rejecting, str, str], EncodedResource]
    bad: Callable[[rejections.Rejecting, str], EncodedResource]
    used: Callable[[rejections.Rejecting, str], str]
    words: str


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """Return certificates by version."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed; it makes the certificates of these tests")
    folder = tmp_path_factory.mktemp("certificates")
    return {version: rejections.pair(folder, version) for version in (OLD, NEW, MENDED)}


@pytest.fixture
def proxy(tmp_path, envoy, variant):
    """Run an Envoy that has no resources, and an application for each version."""
    with rejections.rejecting(tmp_path, envoy, variant) as running, contextlib.ExitStack() as stack:
        for version, last in APPLICATIONS.items():
            place = (running.address(last), 9080)
            server = stack.enter_context(application.Server(place, application.Role("application", version)))
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
            stack.callback(server.shutdown)
        yield running


# ---------------------------------------------------------------------------- the types

PORTS = {"alpha": PLAIN, "beta": OTHER}


def listeners(proxy):
    return tuple(rejections.listener(name, proxy.address(), port, name) for name, port in PORTS.items())


def answers(*paths):
    return tuple(rejections.routes(name, "answer", *paths) for name in PORTS)


def clusters_kind():
    return Kind(
        given=lambda proxy: (*listeners(proxy), *answers(("/alpha", "alpha"), ("/beta", "beta"))),
        good=lambda proxy, name, version: rejections.cluster(name, proxy.address(APPLICATIONS[version])),
        bad=lambda proxy, name: rejections.bad_cluster(name, proxy.address(APPLICATIONS[NEW])),
        used=lambda proxy, name: (proxy.get(PLAIN, f"/{name}").json() or {}).get("version", ""),
        words="cluster provided LB specified",
    )


def listeners_kind():
    return Kind(
        given=lambda _proxy: answers(),
        good=lambda proxy, name, version: rejections.listener(name, proxy.address(), PORTS[name], name, mark=version),
        bad=lambda proxy, name: rejections.bad_listener(name, proxy.address(), PORTS[name]),
        used=lambda proxy, name: proxy.get(PORTS[name]).headers.get("server", ""),
        words="envoy.filters.network.no_such_filter",
    )


def routes_kind():
    return Kind(
        given=listeners,
        good=lambda _proxy, name, version: rejections.routes(name, version),
        bad=lambda _proxy, name: rejections.bad_routes(name),
        used=lambda proxy, name: proxy.get(PORTS[name]).text,
        words="Only a single wildcard domain is permitted",
    )


def secrets_kind(pairs):
    secured = {"alpha": SECURED, "beta": OTHER_SECURED}
    versions = {pair.digest: version for version, pair in pairs.items()}
    return Kind(
        given=lambda proxy: (
            *(rejections.listener(name, proxy.address(), port, name, secret=name) for name, port in secured.items()),
            *answers(),
        ),
        good=lambda _proxy, name, version: rejections.secret(name, pairs[version].certificate, pairs[version].key),
        bad=lambda _proxy, name: rejections.secret(name, pairs[NEW].certificate, pairs[OLD].key),
        used=lambda proxy, name: versions.get(rejections.shown_certificate(proxy.address(), secured[name]), ""),
        words="rivate key",
    )


@pytest.fixture(params=["clusters", "listeners", "routes", "secrets"])
def kind(request):
    if request.param == "secrets":
        return secrets_kind(request.getfixturevalue("pairs"))
    return {"clusters": clusters_kind, "listeners": listeners_kind, "routes": routes_kind}[request.param]()


def wait_for_use(proxy, kind, **versions):
    """Wait until the proxy uses these versions of the resources of these names."""

    def used():
        return {name: kind.used(proxy, name) for name in versions}

    wait_until(lambda: used() == versions, f"{versions} to be in use", PATIENCE_S)


@dataclass(frozen=True, slots=True)
class Refused:
    """What has been done when the bad resource is refused: `rest` is all but the bad one and its mended version."""

    rest: tuple[EncodedResource, ...]
    good: EncodedResource
    bad: EncodedResource
    nacks: tuple


@pytest.fixture(params=["alpha", "beta"], ids=["the first is bad", "the second is bad"])
def refused(request, proxy, kind):
    """Let the proxy use two old resources, make one new and the other bad, and wait until that one is refused."""
    bad_name, good_name = request.param, {"alpha": "beta", "beta": "alpha"}[request.param]
    given = kind.given(proxy)
    old = tuple(kind.good(proxy, name, OLD) for name in PORTS)
    proxy.publish(*given, *old)
    proxy.wait_until_held(*given, *old)
    wait_for_use(proxy, kind, alpha=OLD, beta=OLD)
    good, bad = kind.good(proxy, good_name, NEW), kind.bad(proxy, bad_name)
    proxy.publish(*given, good, bad)
    nacks = proxy.wait_until_refused(bad)
    return Refused(given, good, bad, nacks)


# ---------------------------------------------------------------------------- what is promised


def test_a_refusal_is_recorded_undone_by_nothing_and_mended(proxy, kind, refused, pairs):
    type_url, bad, good = refused.bad.type_url, refused.bad, refused.good
    wait_for_use(proxy, kind, **{good.name: NEW, bad.name: OLD})

    (nack,) = proxy.view(type_url).nacks
    assert nack.names == (bad.name,)
    assert kind.words in nack.message
    assert bad.name not in proxy.held(type_url)
    others = {resources.CLUSTER, resources.LISTENER, resources.ROUTES, resources.SECRET} - {type_url}
    assert not [nack for other in others for nack in proxy.view(other).nacks]
    assert not [line for pair in pairs.values() for line in pair.key.splitlines() if line in nack.message]

    sent = proxy.counting.responses[type_url]
    proxy.publish(*reversed((*refused.rest, good, bad)))  # the same content
    extra = rejections.cluster("extra", proxy.address(APPLICATIONS[OLD])) if type_url != resources.CLUSTER else None
    if extra is not None:
        proxy.publish(*refused.rest, good, bad, extra)  # something of another type
        proxy.wait_until_held(extra)
    assert proxy.counting.responses[type_url] == sent

    mended = kind.good(proxy, bad.name, MENDED)
    proxy.publish(*refused.rest, good, mended)
    proxy.wait_until_held(good, mended)
    wait_for_use(proxy, kind, **{good.name: NEW, bad.name: MENDED})
    assert proxy.view(type_url).nacks == ()
