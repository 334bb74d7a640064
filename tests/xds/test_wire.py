"""The generated messages: what proto/ says, and compatible with Envoy's."""

import importlib.util
import pathlib
import re
import subprocess
import sys

import pytest
from envoy_data_plane.envoy.config.core import v3 as core_v3
from envoy_data_plane.envoy.service.discovery import v3 as discovery_v3
from envoy_data_plane.google import rpc

from xds.wire import discovery_pb2

ROOT = pathlib.Path(__file__).parents[2]
NOT_OURS = {"SemanticVersion", "BuildVersion", "Locality", "Node", "Status", "ControlPlane"}

ENVOYS = {
    name: getattr(core_v3, name, None) or getattr(rpc, name, None) or getattr(discovery_v3, name, None)
    for name in discovery_pb2.DESCRIPTOR.message_types_by_name
    if name != "SemanticVersion"
}


@pytest.mark.skipif(importlib.util.find_spec("grpc_tools") is None, reason="grpcio-tools is not installed")
def test_what_is_checked_in_is_what_proto_says(tmp_path):
    command = [sys.executable, "-m", "grpc_tools.protoc", "-Ixds/wire=proto", f"--python_out={tmp_path}"]
    subprocess.run([*command, "xds/wire/discovery.proto"], cwd=ROOT, check=True)
    assert descriptor(tmp_path / "xds" / "wire") == descriptor(ROOT / "xds" / "wire")


def test_the_generated_code_runs_on_the_oldest_protobuf_we_support():
    generated = (ROOT / "xds" / "wire" / "discovery_pb2.py").read_text()
    floor = re.search(r'"protobuf>=([\d.]+)', (ROOT / "pyproject.toml").read_text())
    made_for = re.search(r"# Protobuf Python Version: ([\d.]+)", generated)
    assert numbers(made_for[1]) <= (*numbers(floor[1]), 0)


@pytest.mark.parametrize("name", sorted(ENVOYS))
def test_field_numbers_and_names_are_envoys(name):
    theirs = ENVOYS[name].__dataclass_fields__
    for field in discovery_pb2.DESCRIPTOR.message_types_by_name[name].fields:
        assert theirs[field.name].metadata["betterproto"].number == field.number


def test_a_response_is_read_by_envoys_own_messages():
    sent = discovery_pb2.DeltaDiscoveryResponse(
        type_url="t",
        nonce="1",
        removed_resources=["gone"],
        resources=[discovery_pb2.Resource(name="a", version="1", resource=b"\n\x01t\x12\x02xy")],
    )
    read = discovery_v3.DeltaDiscoveryResponse.parse(sent.SerializeToString())
    assert (read.type_url, read.nonce, read.removed_resources) == ("t", "1", ["gone"])
    (one,) = read.resources
    assert (one.name, one.version, one.resource.type_url, one.resource.value) == ("a", "1", "t", b"xy")


def test_a_request_written_by_envoys_own_messages_is_read():
    request = discovery_v3.DeltaDiscoveryRequest(
        node=core_v3.Node(id="n", user_agent_name="envoy", client_features=["f"]),
        type_url="t",
        initial_resource_versions={"a": "1"},
        error_detail=rpc.Status(code=3, message="no"),
    )
    read = discovery_pb2.DeltaDiscoveryRequest.FromString(bytes(request))
    assert (read.node.id, read.node.user_agent_name, list(read.node.client_features)) == ("n", "envoy", ["f"])
    assert (dict(read.initial_resource_versions), read.error_detail.message) == ({"a": "1"}, "no")


def descriptor(folder):
    """Return the line that holds the whole content of proto/, whatever the version of the generator."""
    lines = (folder / "discovery_pb2.py").read_text().splitlines()
    return next(line for line in lines if line.startswith("DESCRIPTOR = "))


def numbers(version):
    return tuple(map(int, version.split(".")))
