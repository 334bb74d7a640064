"""The bootstrap: what an Envoy of the mesh starts with, accepted by the newest and the oldest that we support."""

import itertools
import json
import os
import pathlib
import subprocess
import sys

import pytest

from meshloom import addresses, bootstrap, secure_ads
from meshloom.identity import claim

SIDECAR = claim.sidecar("shop/pets-v1", "127.0.1.1", "127.0.0.1", {})
GATEWAY = claim.gateway("shop/door", "127.0.1.2")
PIPE = addresses.Pipe("/run/ads.sock")
LOOPBACK = addresses.Socket("127.0.0.1", 18000)


def made(proxy=SIDECAR, ads=PIPE, admin=None, variant=bootstrap.Variant.DELTA):
    host = claim.bound(proxy)
    return bootstrap.bootstrap(proxy, bootstrap.Place(ads, host, admin or bootstrap.admin_address(host)), variant)


def found(document, key):
    """Return every value of a key, however deep."""
    if isinstance(document, dict):
        here = [document[key]] if key in document else []
        return here + [value for inner in document.values() for value in found(inner, key)]
    return [value for inner in document for value in found(inner, key)] if isinstance(document, list) else []


def test_the_same_proxy_gives_the_same_file():
    assert json.dumps(made()) == json.dumps(made())


def test_the_node_says_who_it_is():
    node = made()["node"]
    assert (node["id"], node["cluster"]) == ("sidecar/shop/pets-v1/127.0.1.1", "shop/pets-v1")
    assert claim.proxy(node["metadata"]) == SIDECAR


def test_delta_is_the_default_and_state_of_the_world_a_choice():
    asked = [made(variant=variant)["dynamic_resources"]["ads_config"]["api_type"] for variant in bootstrap.Variant]
    assert asked == ["DELTA_GRPC", "GRPC"]


def test_every_fetch_has_an_end():
    sources = made()["dynamic_resources"]
    assert sources["cds_config"]["initial_fetch_timeout"] == sources["lds_config"]["initial_fetch_timeout"] == "15s"


def test_the_control_plane_is_asked_over_http_2_that_notices_a_dead_peer():
    cluster = made()["static_resources"]["clusters"][0]
    assert cluster["name"] == "control-plane"
    assert found(cluster, "connection_keepalive") == [{"interval": "30s", "timeout": "10s"}]
    assert found(cluster, "address") == [{"pipe": {"path": "/run/ads.sock"}}]


def test_what_others_reach_shows_statistics_and_health_to_get_and_nothing_else():
    listeners = made()["static_resources"]["listeners"]
    ports = [value for listener in listeners for value in found(listener, "port_value")]
    assert ports == [15006, 15010]
    assert found(listeners, "path") == ["/stats/prometheus", "/health"]
    assert found(listeners, "prefix_rewrite") == ["/stats/prometheus", "/ready"]
    assert [header[0]["string_match"] for header in found(listeners, "headers")] == [{"exact": "GET"}] * 2


def test_the_admin_interface_is_never_on_an_address_that_others_reach():
    assert bootstrap.admin_address("127.0.1.1") == addresses.Socket("127.0.1.1", 9901)
    assert bootstrap.admin_address("10.0.0.7") == addresses.Socket("127.0.0.1", 9901)
    assert bootstrap.admin_address("0.0.0.0") == addresses.Socket("127.0.0.1", 9901)


def test_the_command_line_says_what_no_bootstrap_can():
    assert bootstrap.command_line("b.yaml") == (
        "envoy", "-c", "b.yaml", "--drain-time-s", "45", "--file-flush-interval-msec", "1000", "--disable-hot-restart"
    )  # fmt: skip


@pytest.fixture(params=["newest", "oldest"])
def envoy(request) -> str:
    """The path of an Envoy."""
    if request.param == "newest":
        return str(pathlib.Path(sys.executable).with_name("envoy"))
    oldest = os.environ.get("MESHLOOM_ENVOY_OLDEST")
    return oldest or pytest.skip("MESHLOOM_ENVOY_OLDEST names no Envoy; `make envoy-oldest` prepares one")


@pytest.mark.envoy
def test_envoy_accepts_every_variant_without_a_warning(envoy, tmp_path):
    choices = itertools.product(
        (SIDECAR, GATEWAY), (PIPE, LOOPBACK), (None, addresses.Pipe("/run/admin.sock")), bootstrap.Variant
    )
    for number, choice in enumerate(choices):
        path = tmp_path / f"{number}.json"
        path.write_text(json.dumps(made(*choice)))
        command = [envoy, *bootstrap.command_line(str(path))[1:], "--mode", "validate", "-l", "warn"]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (ran.returncode, ran.stderr) == (0, ""), choice


# ---------------------------------------------------------------------------- over TLS

BY_TOKEN = secure_ads.Proof("/etc/envoy", "/etc/meshloom/root.pem", secure_ads.Token("/etc/meshloom/token"))
BY_CERTIFICATE = secure_ads.Proof(
    "/etc/envoy", "/etc/meshloom/root.pem", secure_ads.Certificate("/certificates/tls.crt", "/certificates/tls.key")
)
NAMED = addresses.Name("mesh.example.com", 15012)


def over_tls(proof=BY_TOKEN, ads=NAMED):
    host = claim.bound(SIDECAR)
    return bootstrap.bootstrap(SIDECAR, bootstrap.Place(ads, host, bootstrap.admin_address(host), proof))


def control_plane(document):
    return document["static_resources"]["clusters"][0]


def test_in_clear_there_is_neither_tls_nor_a_token():
    assert not found(made(), "transport_socket") + found(made()["static_resources"]["clusters"], "http_filters")


@pytest.mark.parametrize("proof", [BY_TOKEN, BY_CERTIFICATE])
def test_the_control_plane_is_known_by_its_one_name_wherever_it_is(proof):
    cluster = control_plane(over_tls(proof))
    assert (cluster["type"], found(cluster, "port_value")) == ("STRICT_DNS", [15012])
    assert cluster["dns_lookup_family"] == "V4_PREFERRED"  # IPv6 is not asked for where there is IPv4
    assert found(cluster, "sni") == ["control-plane.meshloom.internal"]
    assert found(cluster, "match_typed_subject_alt_names") == [
        [{"san_type": "DNS", "matcher": {"exact": "control-plane.meshloom.internal"}}]
    ]


def test_what_a_proxy_shows_is_named_by_files_that_the_bootstrap_names():
    assert {source["path"] for source in found(over_tls(), "path_config_source")} == {
        "/etc/envoy/sds-root.json", "/etc/envoy/sds-token.json"
    }  # fmt: skip
    assert {source["path"] for source in found(over_tls(BY_CERTIFICATE), "path_config_source")} == {
        "/etc/envoy/sds-root.json", "/etc/envoy/sds-certificate.json"
    }  # fmt: skip
    files = {name: json.loads(text) for name, text in BY_TOKEN.files().items()}
    assert found(files["sds-root.json"], "filename") == ["/etc/meshloom/root.pem"]
    assert found(files["sds-root.json"], "watched_directory") == [{"path": "/etc/meshloom"}]
    assert found(files["sds-token.json"], "filename") == ["/etc/meshloom/token"]
    pair = json.loads(BY_CERTIFICATE.files()["sds-certificate.json"])
    assert found(pair, "filename") == ["/certificates/tls.crt", "/certificates/tls.key"]


def test_the_token_is_added_last_before_the_codec():
    filters = found(control_plane(over_tls()), "http_filters")[0]
    assert [each["name"].rpartition(".")[2] for each in filters] == ["credential_injector", "upstream_codec"]
    assert not found(control_plane(over_tls(BY_CERTIFICATE)), "http_filters")
