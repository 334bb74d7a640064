"""The encoder against bytes worked out by hand from the protobuf encoding guide, one example for each kind of field."""

import datetime
import math

import pytest
from envoy_data_plane.cel import expr as cel
from envoy_data_plane.envoy.config.accesslog import v3 as accesslog_v3
from envoy_data_plane.envoy.config.cluster import v3 as cluster_v3
from envoy_data_plane.envoy.config.core import v3 as core_v3
from envoy_data_plane.envoy.config.listener import v3 as listener_v3
from envoy_data_plane.envoy.config.route import v3 as route_v3
from envoy_data_plane.envoy.data.core import v3 as data_core_v3
from envoy_data_plane.envoy.extensions.wasm import v3 as wasm_v3
from envoy_data_plane.envoy.type import v3 as type_v3
from envoy_data_plane.google import protobuf
from envoy_data_plane.validate import (
    DoubleRules,
    DurationRules,
    Fixed32Rules,
    Fixed64Rules,
    FloatRules,
    SFixed32Rules,
    SFixed64Rules,
    SInt32Rules,
    SInt64Rules,
)

from translator import wire


def _cluster(**fields):
    return cluster_v3.Cluster(name="x", **fields)


def _utc(*when):
    return datetime.datetime(*when, tzinfo=datetime.UTC)


def _before_utc(*when):
    return datetime.datetime(*when, tzinfo=datetime.timezone(datetime.timedelta(hours=-5)))


HALF_PAST_ONE = datetime.timedelta(seconds=1.5)

BY_HAND = {
    "nothing set": (cluster_v3.Cluster(), ""),
    "string": (_cluster(), "0a 01 78"),
    "string beyond ascii": (cluster_v3.Cluster(name="é"), "0a 02 c3a9"),
    "string of 300 bytes": (cluster_v3.Cluster(name="a" * 300), "0a ac02" + "61" * 300),
    "string of 20000 bytes": (cluster_v3.Cluster(name="a" * 20_000), "0a a09c01" + "61" * 20_000),
    "field number above 15": (cluster_v3.Cluster(alt_stat_name="x"), "e201 01 78"),
    "repeated string, one of them empty": (route_v3.VirtualHost(domains=["a", ""]), "12 01 61 12 00"),
    "bytes in a oneof": (core_v3.DataSource(inline_bytes=b"\x00\xff"), "12 02 00ff"),
    "no bytes in a oneof": (core_v3.DataSource(inline_bytes=b""), "12 00"),
    "bool": (accesslog_v3.GrpcStatusFilter(exclude=True), "10 01"),
    "false": (accesslog_v3.GrpcStatusFilter(exclude=False), ""),
    "false in a oneof": (protobuf.Value(bool_value=False), "20 00"),
    "true in a oneof": (protobuf.Value(bool_value=True), "20 01"),
    "zero in a oneof": (core_v3.SocketAddress(port_value=0), "18 00"),
    "uint32 in a oneof": (core_v3.SocketAddress(address="a", port_value=8080), "12 01 61 18 903f"),
    "int32 below zero": (type_v3.Int32Range(start=-1, end=5), "08 ffffffffffffffffff01 10 05"),
    "int64 extremes": (
        type_v3.Int64Range(start=-(2**63), end=2**63 - 1),
        "08 80808080808080808001 10 ffffffffffffffff7f",
    ),
    "sint32": (SInt32Rules(const=-1, lt=1, lte=-(2**31)), "08 01 10 02 18 ffffffff0f"),
    "sint64": (SInt64Rules(const=-(2**63)), "08 ffffffffffffffffff01"),
    "sint32 packed": (SInt32Rules(in_=[0, -1, 150]), "32 04 00 01 ac02"),
    "fixed32": (Fixed32Rules(const=258), "0d 02010000"),
    "fixed64": (Fixed64Rules(const=258), "09 0201000000000000"),
    "sfixed32": (SFixed32Rules(const=-2), "0d feffffff"),
    "sfixed64": (SFixed64Rules(const=-2), "09 feffffffffffffff"),
    "fixed32 packed": (Fixed32Rules(in_=[1, 0]), "32 08 01000000 00000000"),
    "float": (FloatRules(const=1.0, lt=-0.5), "0d 0000803f 15 000000bf"),
    "double": (type_v3.DoubleRange(start=-0.5, end=math.inf), "09 000000000000e0bf 11 000000000000f07f"),
    "double that is not a number": (protobuf.Value(number_value=math.nan), "11 000000000000f87f"),
    "zero double in a oneof": (protobuf.Value(number_value=0.0), "11 0000000000000000"),
    "minus zero in a oneof": (protobuf.Value(number_value=-0.0), "11 0000000000000080"),
    "minus zero, which counts as not set": (type_v3.DoubleRange(start=-0.0), ""),
    "double packed": (DoubleRules(in_=[1.0]), "32 08 000000000000f03f"),
    "uint32 packed": (route_v3.RetryPolicy(retriable_status_codes=[1, 300]), "3a 03 01 ac02"),
    "enum": (_cluster(lb_policy=cluster_v3.ClusterLbPolicy.RANDOM), "0a 01 78 30 03"),
    "enum number nobody knows": (_cluster(lb_policy=cluster_v3.ClusterLbPolicy(300)), "0a 01 78 30 ac02"),
    "enum number below zero": (_cluster(lb_policy=cluster_v3.ClusterLbPolicy(-1)), "0a 01 78 30 ffffffffffffffffff01"),
    "enum zero in a oneof": (_cluster(type=cluster_v3.ClusterDiscoveryType.STATIC), "0a 01 78 10 00"),
    "enum packed": (
        accesslog_v3.GrpcStatusFilter(statuses=[accesslog_v3.GrpcStatusFilterStatus(n) for n in (0, 14)]),
        "0a 02 00 0e",
    ),
    "null": (protobuf.Value(null_value=protobuf.NullValue.NULL_VALUE), "08 00"),
    "wrapped uint32": (_cluster(per_connection_buffer_limit_bytes=300), "0a 01 78 2a 03 08 ac02"),
    "wrapped zero": (_cluster(per_connection_buffer_limit_bytes=0), "0a 01 78 2a 00"),
    "wrapped false": (listener_v3.Listener(use_original_dst=False), "22 00"),
    "wrapped true": (listener_v3.Listener(use_original_dst=True), "22 02 08 01"),
    "duration": (_cluster(connect_timeout=HALF_PAST_ONE), "0a 01 78 22 08 08 01 10 80cab5ee01"),
    "no duration at all": (_cluster(connect_timeout=datetime.timedelta()), "0a 01 78 22 00"),
    "whole duration below zero": (
        _cluster(connect_timeout=datetime.timedelta(seconds=-2)),
        "0a 01 78 22 0b 08 feffffffffffffffff01",
    ),
    "repeated duration": (
        DurationRules(in_=[HALF_PAST_ONE, datetime.timedelta(0)]),
        "3a 08 08 01 10 80cab5ee01 3a 00",
    ),
    "timestamp": (data_core_v3.HealthCheckEvent(timestamp=_utc(1970, 1, 1, 0, 5)), "32 03 08 ac02"),
    "timestamp of another zone": (
        data_core_v3.HealthCheckEvent(timestamp=_before_utc(1969, 12, 31, 19, 0, 1)),
        "32 02 08 01",
    ),
    "timestamp before 1970": (
        data_core_v3.HealthCheckEvent(timestamp=_utc(1969, 12, 31, 23, 59, 59, 500_000)),
        "32 11 08 ffffffffffffffffff01 10 80cab5ee01",
    ),
    "map": (wasm_v3.EnvironmentVariables(key_values={"b": "1", "a": "2"}), "12 06 0a0162 120131 12 06 0a0161 120132"),
    "map of defaults": (wasm_v3.EnvironmentVariables(key_values={"": ""}), "12 04 0a00 1200"),
    "map of numbers": (cel.SourceInfo(positions={-1: 0}), "22 0d 08 ffffffffffffffffff01 10 00"),
    "map of messages": (
        protobuf.Struct(fields={"a": protobuf.Value(string_value="b"), "c": protobuf.Value()}),
        "0a 08 0a0161 1203 1a0162 0a 05 0a0163 1200",
    ),
    "message without anything set": (
        _cluster(eds_cluster_config=cluster_v3.ClusterEdsClusterConfig()),
        "0a 01 78 1a 00",
    ),
    "message in message": (
        core_v3.Address(socket_address=core_v3.SocketAddress(address="a", port_value=80)),
        "0a 05 12 01 61 18 50",
    ),
    "repeated message, one of them empty": (
        route_v3.RouteConfiguration(virtual_hosts=[route_v3.VirtualHost(), route_v3.VirtualHost(name="a")]),
        "12 00 12 03 0a 01 61",
    ),
    "message in itself": (
        protobuf.ListValue(values=[protobuf.Value(list_value=protobuf.ListValue(values=[protobuf.Value()]))]),
        "0a 04 32 02 0a 00",
    ),
    "fields nobody knows": (cluster_v3.Cluster.parse(bytes.fromhex("f8ff0105 0a0178")), "0a0178 f8ff0105"),
}


@pytest.mark.parametrize("kind", BY_HAND)
def test_each_kind_of_field_is_encoded_as_the_guide_says(kind):
    message, expected = BY_HAND[kind]
    assert wire.encode(message).hex() == bytes.fromhex(expected).hex()


@pytest.mark.parametrize("kind", BY_HAND)
def test_each_kind_of_field_is_encoded_as_betterproto2_does(kind):
    message, _ = BY_HAND[kind]
    assert wire.encode(message) == bytes(message)


@pytest.mark.parametrize("kind", BY_HAND)
def test_each_kind_of_field_is_read_by_the_official_runtime(kind, official):
    message, expected = BY_HAND[kind]
    (parsed,) = official([(wire.type_url(type(message)).rpartition("/")[2], bytes.fromhex(expected))])
    assert parsed.error == ""
    assert parsed.unknown == (("envoy.config.cluster.v3.Cluster:4095",) if kind == "fields nobody knows" else ())
    assert type(message).parse(parsed.body) == message


def test_the_official_runtime_says_when_it_cannot_read(official):
    garbage, stranger = official([("envoy.config.cluster.v3.Cluster", b"\0\0"), ("envoy.Nobody", b"")])
    assert garbage.error.startswith("DecodeError")
    assert stranger.error.startswith("KeyError")


def test_the_official_runtime_names_unknown_fields_and_types_inside_an_any(official):
    extension = core_v3.TypedExtensionConfig(typed_config=protobuf.Any(type_url="x/envoy.Nobody"))
    cluster = cluster_v3.Cluster.parse(bytes.fromhex("f8ff0105"))
    ((strange_type,), (strange_field,)) = (
        each.unknown
        for each in official(
            [
                ("envoy.config.core.v3.TypedExtensionConfig", wire.encode(extension)),
                ("google.protobuf.Any", wire.encode(wire.packed(cluster))),
            ]
        )
    )
    assert strange_type == "x/envoy.Nobody"
    assert strange_field == "envoy.config.cluster.v3.Cluster:4095"


def test_the_official_runtime_reads_a_duration_below_zero(official):
    cluster = cluster_v3.Cluster(connect_timeout=datetime.timedelta(seconds=-1.5))
    (parsed,) = official([("envoy.config.cluster.v3.Cluster", wire.encode(cluster))])
    assert parsed.json == {"connectTimeout": "-1.500s"}


def test_a_duration_below_zero_has_one_sign_where_betterproto2_has_two():
    cluster = cluster_v3.Cluster(connect_timeout=datetime.timedelta(seconds=-1.5))
    assert wire.encode(cluster).hex() == "2216" + "08ffffffffffffffffff01" + "1080b6ca91feffffffff01"
    assert bytes(cluster).hex() == "2211" + "08ffffffffffffffffff01" + "1080cab5ee01"


def test_a_duration_of_centuries_keeps_its_microseconds_where_betterproto2_rounds():
    last_microsecond = datetime.timedelta(seconds=9_100_000_000, microseconds=-1)
    cluster = cluster_v3.Cluster(connect_timeout=last_microsecond)
    written, by_betterproto2 = (protobuf.Duration.parse(body[2:]) for body in (wire.encode(cluster), bytes(cluster)))
    assert (written.seconds, written.nanos) == (9_099_999_999, 999_999_000)
    assert (by_betterproto2.seconds, by_betterproto2.nanos) == (9_100_000_000, 0)


@pytest.mark.parametrize("value", [2**32, -1])
def test_a_wrapped_integer_out_of_range_is_an_error(value):
    with pytest.raises(ValueError, match=f"{value} is no UInt32Value: must be from 0 to 4294967295"):
        wire.encode(cluster_v3.Cluster(per_connection_buffer_limit_bytes=value))


def test_a_timestamp_without_a_zone_is_an_error():
    with pytest.raises(ValueError, match="has no time zone"):
        wire.encode(data_core_v3.HealthCheckEvent(timestamp=datetime.datetime(2026, 1, 1)))


def test_a_class_that_is_no_message_is_an_error():
    with pytest.raises(TypeError):
        wire.encode("Cluster")


def test_a_type_url_is_the_full_name_behind_googleapis():
    assert wire.type_url(cluster_v3.Cluster) == "type.googleapis.com/envoy.config.cluster.v3.Cluster"
    assert wire.type_url(cluster_v3.ClusterEdsClusterConfig).endswith("v3.Cluster.EdsClusterConfig")


def test_a_packed_message_is_what_betterproto2_packs():
    cluster = _cluster(connect_timeout=HALF_PAST_ONE)
    assert wire.packed(cluster) == protobuf.Any.pack(cluster)
    assert wire.packed(cluster).unpack() == cluster


@pytest.mark.parametrize("message", [cluster_v3.Cluster(name="x"), cluster_v3.Cluster()])
def test_an_any_around_encoded_bytes_is_the_any_of_the_message(message):
    url, body = wire.type_url(type(message)), wire.encode(message)
    assert (
        wire.any_bytes(url, body) == wire.any_bytes(url, body[:1], b"", body[1:]) == bytes(protobuf.Any.pack(message))
    )


def test_repeated_elements_carry_the_field_number_and_their_length():
    assert wire.repeated(2, []) == b""
    assert wire.repeated(2, [b"", b"abc", b"d" * 200]).hex() == "1200" + "1203616263" + "12c801" + "64" * 200


def _hosts(count):
    return [route_v3.VirtualHost(name=f"host-{number}", domains=["*"]) for number in range(count)]


def _spliced_routes(count, **fields):
    encoded = [wire.encode(host) for host in _hosts(count)]
    return wire.spliced(route_v3.RouteConfiguration(name="routes", **fields), 2, encoded)


def test_spliced_elements_are_byte_for_byte_the_message_when_their_field_is_the_last_one_set():
    assert _spliced_routes(3) == bytes(route_v3.RouteConfiguration(name="routes", virtual_hosts=_hosts(3)))


def test_spliced_elements_are_the_same_message_when_later_fields_are_set():
    whole = route_v3.RouteConfiguration(name="routes", virtual_hosts=_hosts(3), validate_clusters=False)
    spliced = _spliced_routes(3, validate_clusters=False)
    assert spliced != bytes(whole)
    assert route_v3.RouteConfiguration.parse(spliced) == whole


def test_nothing_is_spliced_into_a_field_that_holds_elements():
    with pytest.raises(ValueError, match="elements already in field 2"):
        wire.spliced(route_v3.RouteConfiguration(virtual_hosts=_hosts(1)), 2, [b""])


@pytest.mark.parametrize("number", [1, 3, 99])
def test_nothing_is_spliced_into_a_field_that_is_no_repeated_message(number):
    with pytest.raises(ValueError, match=f"no repeated message field {number}"):
        wire.spliced(route_v3.RouteConfiguration(), number, [b""])


def test_a_varied_message_is_another_one_with_the_rest_as_it_was():
    action = route_v3.RouteAction(prefix_rewrite="/a", timeout=HALF_PAST_ONE)
    varied = wire.varied(action, cluster="pets")
    assert varied == route_v3.RouteAction(prefix_rewrite="/a", timeout=HALF_PAST_ONE, cluster="pets")
    assert wire.encode(varied) == bytes(varied)
    assert action == route_v3.RouteAction(prefix_rewrite="/a", timeout=HALF_PAST_ONE)


def test_a_message_varies_only_in_the_fields_it_has():
    with pytest.raises(ValueError, match="RouteAction has no field clutser"):
        wire.varied(route_v3.RouteAction(), clutser="pets")
