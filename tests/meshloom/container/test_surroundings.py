"""What a proxy in a container is, by the variables of its environment."""

import json
import re

import pytest

from meshloom import errors
from meshloom.container import orders, surroundings
from meshloom.injector.targets import Target

FOLDERS = surroundings.Folders("/var/run/secrets/meshloom", "/run/proxy")
ADS = "meshloom.meshloom-system.svc:15012"


def files(is_ipv4_only=False, **env):
    return surroundings.files({"MESHLOOM_ADS": ADS, **env}, FOLDERS, "/usr/bin/envoy", is_ipv4_only=is_ipv4_only)


def read(**env):
    made = files(**env)
    return json.loads(made["envoy.json"]), orders.read(made["orders.json"])


def test_a_sidecar_is_captured_and_listens_on_all_addresses():
    made, told = read(MESHLOOM_PROXY="shop/pets-v1", MESHLOOM_PASSTHROUGH_INBOUND_PORTS="9100,9200")
    of = {"proxy": "captured", "of": "shop/pets-v1", "passthrough_ports": [9100, 9200], "ipv4_only": False}
    assert made["node"]["metadata"] == {"meshloom": of}
    hosts = {one["address"]["socket_address"]["address"] for one in made["static_resources"]["listeners"]}
    assert hosts == {"::"}
    assert told.admin == ("127.0.0.1", 9901)


def test_a_node_id_names_the_pod():
    made, _ = read(MESHLOOM_PROXY="shop/pets-v1", POD_NAME="pets-v1-abcde")
    assert made["node"]["id"] == "sidecar/shop/pets-v1/pets-v1-abcde"


def test_without_ipv6_it_listens_on_those_of_ipv4():
    made = json.loads(files(is_ipv4_only=True, MESHLOOM_PROXY="shop/pets-v1")["envoy.json"])
    assert made["node"]["metadata"]["meshloom"]["ipv4_only"] is True
    assert made["admin"]["address"]["socket_address"]["address"] == "127.0.0.1"


def test_a_gateway_is_one_whatever_pod_it_is_in():
    made, told = read(MESHLOOM_GATEWAY="shop/edge", POD_IP="10.0.0.7")
    assert made["node"]["metadata"] == {"meshloom": {"proxy": "gateway", "of": "shop/edge", "address": "::"}}
    assert told.are_strangers, "who calls a gateway is no proxy"


def test_envoy_is_started_as_the_variables_say():
    _, told = read(
        MESHLOOM_PROXY="shop/pets-v1",
        MESHLOOM_CONCURRENCY="3",
        MESHLOOM_DRAIN_SECONDS="7",
        PROXY_LOG_LEVEL="warn",
        POD_IP="10.0.0.7",
        POD_IPS="10.0.0.7,fd00::7",
    )
    assert told.argv[:3] == ("/usr/bin/envoy", "-c", "/run/proxy/envoy.json")
    assert told.argv[-4:] == ("--concurrency", "3", "--log-level", "warning")
    assert (told.drain_seconds, told.addresses) == (7.0, ("10.0.0.7", "fd00::7"))


def test_probes_have_a_way_in_only_where_there_are_some():
    made, told = read(MESHLOOM_PROXY="shop/pets-v1")
    assert [one["name"] for one in made["static_resources"]["clusters"]] == ["control-plane", "admin"]
    assert told.probes == {}
    made, told = read(MESHLOOM_PROXY="shop/pets-v1", MESHLOOM_PROBES='[["http","localhost",8080,"/live",2]]')
    assert [one["name"] for one in made["static_resources"]["clusters"]] == ["control-plane", "admin", "probes"]
    assert told.probes == {Target("http", "localhost", 8080, "/live"): 2.0}


def test_statistics_have_the_names_and_ids_that_injection_knew():
    made, _ = read(MESHLOOM_PROXY="shop/pets-v1", MESHLOOM_TAGS='{"mesh_name":"shop/main"}')
    assert {"tag_name": "mesh_name", "fixed_value": "shop/main"} in made["stats_config"]["stats_tags"]


def test_token_and_root_are_named_and_not_read():
    made = files(MESHLOOM_PROXY="shop/pets-v1")
    assert "/var/run/secrets/meshloom/token" in made["sds-token.json"]
    assert "/var/run/secrets/meshloom/root.pem" in made["sds-root.json"]


@pytest.mark.parametrize(
    ("env", "named"),
    [
        ({}, "MESHLOOM_PROXY or MESHLOOM_GATEWAY"),
        ({"MESHLOOM_PROXY": "shop/a", "MESHLOOM_GATEWAY": "shop/b"}, "one of the two"),
        ({"MESHLOOM_PROXY": "pets"}, "MESHLOOM_PROXY: is not of the form namespace/name"),
        ({"MESHLOOM_PROXY": "shop/a", "MESHLOOM_ADS": ""}, "MESHLOOM_ADS"),
        ({"MESHLOOM_PROXY": "shop/a", "MESHLOOM_CONCURRENCY": "many"}, "MESHLOOM_CONCURRENCY: 'many'"),
        ({"MESHLOOM_PROXY": "shop/a", "MESHLOOM_DRAIN_SECONDS": "-1"}, "MESHLOOM_DRAIN_SECONDS"),
        ({"MESHLOOM_PROXY": "shop/a", "PROXY_LOG_LEVEL": "chatty"}, "PROXY_LOG_LEVEL: 'chatty'"),
        ({"MESHLOOM_PROXY": "shop/a", "MESHLOOM_PROBES": "["}, "MESHLOOM_PROBES"),
        ({"MESHLOOM_PROXY": "shop/a", "MESHLOOM_TAGS": "[]"}, "MESHLOOM_TAGS"),
        ({"MESHLOOM_PROXY": "shop/a", "MESHLOOM_PASSTHROUGH_INBOUND_PORTS": "x"}, "'x' is not a port"),
    ],
)
def test_what_is_wrong_is_named(env, named):
    with pytest.raises(errors.UserError, match=re.escape(named)):
        files(**env)
