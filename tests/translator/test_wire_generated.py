"""The encoder against betterproto2's, and against Google's own runtime, on messages drawn from their field metadata."""

# ruff: noqa: RUF009 — a betterproto2 field is a call

import dataclasses
import datetime

import betterproto2
import pytest
from envoy_data_plane.envoy.config.bootstrap import v3 as bootstrap_v3
from envoy_data_plane.envoy.config.cluster import v3 as cluster_v3
from envoy_data_plane.envoy.config.endpoint import v3 as endpoint_v3
from envoy_data_plane.envoy.config.listener import v3 as listener_v3
from envoy_data_plane.envoy.config.rbac import v3 as rbac_config_v3
from envoy_data_plane.envoy.config.route import v3 as route_v3
from envoy_data_plane.envoy.extensions.filters.http.rbac import v3 as rbac_v3
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager import v3 as hcm_v3
from envoy_data_plane.envoy.extensions.transport_sockets.tls import v3 as tls_v3
from envoy_data_plane.envoy.extensions.upstreams.http import v3 as http_v3
from envoy_data_plane.envoy.extensions.wasm import v3 as wasm_v3
from envoy_data_plane.google import protobuf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from translator import wire

pytestmark = pytest.mark.filterwarnings("ignore:.* is deprecated:DeprecationWarning")


@dataclasses.dataclass(eq=False, repr=False)
class EveryKind(betterproto2.Message):
    """The kinds of field that Envoy's messages have nowhere, or seldom."""

    packed_bools: "list[bool]" = betterproto2.field(1, betterproto2.TYPE_BOOL, repeated=True)
    packed_floats: "list[float]" = betterproto2.field(2, betterproto2.TYPE_FLOAT, repeated=True)
    packed_sint64s: "list[int]" = betterproto2.field(3, betterproto2.TYPE_SINT64, repeated=True)
    packed_sfixed64s: "list[int]" = betterproto2.field(4, betterproto2.TYPE_SFIXED64, repeated=True)
    fixed32: "int" = betterproto2.field(5, betterproto2.TYPE_FIXED32)
    fixed64: "int | None" = betterproto2.field(6, betterproto2.TYPE_FIXED64, optional=True)
    sfixed32: "int | None" = betterproto2.field(7, betterproto2.TYPE_SFIXED32, optional=True)
    sint32: "int" = betterproto2.field(8, betterproto2.TYPE_SINT32)
    text: "str | None" = betterproto2.field(9, betterproto2.TYPE_STRING, optional=True)
    durations: "list[datetime.timedelta]" = betterproto2.field(
        10, betterproto2.TYPE_MESSAGE, unwrap=lambda: protobuf.Duration, repeated=True
    )
    numbers: "list[int]" = betterproto2.field(
        11, betterproto2.TYPE_MESSAGE, unwrap=lambda: protobuf.Int64Value, repeated=True
    )
    doubles: "dict[bool, float]" = betterproto2.field(
        300, betterproto2.TYPE_MAP, map_meta=betterproto2.map_meta(betterproto2.TYPE_BOOL, betterproto2.TYPE_DOUBLE)
    )
    timestamps: "dict[int, datetime.datetime]" = betterproto2.field(
        301,
        betterproto2.TYPE_MAP,
        map_meta=betterproto2.map_meta(
            betterproto2.TYPE_SFIXED32, betterproto2.TYPE_MESSAGE, unwrap_2=lambda: protobuf.Timestamp
        ),
    )


ENVOY_MESSAGES = [
    cluster_v3.Cluster,
    cluster_v3.OutlierDetection,
    endpoint_v3.ClusterLoadAssignment,
    listener_v3.Listener,
    route_v3.RouteConfiguration,
    route_v3.RouteAction,
    hcm_v3.HttpConnectionManager,
    http_v3.HttpProtocolOptions,
    rbac_v3.Rbac,
    rbac_config_v3.Policy,
    tls_v3.Secret,
    tls_v3.DownstreamTlsContext,
    wasm_v3.PluginConfig,
    bootstrap_v3.Bootstrap,
    protobuf.Struct,
]
DEPTH = 4
FIELDS_SET = 5

_INTEGERS = {
    **dict.fromkeys(("int32", "sint32", "sfixed32"), st.integers(-(2**31), 2**31 - 1)),
    **dict.fromkeys(("int64", "sint64", "sfixed64"), st.integers(-(2**63), 2**63 - 1)),
    **dict.fromkeys(("uint32", "fixed32"), st.integers(0, 2**32 - 1)),
    **dict.fromkeys(("uint64", "fixed64"), st.integers(0, 2**64 - 1)),
}
_ZONES = st.integers(-14, 14).map(lambda hours: datetime.timezone(datetime.timedelta(hours=hours)))
SCALARS = _INTEGERS | {
    "bool": st.booleans(),
    "float": st.floats(width=32, allow_nan=False),
    "double": st.floats(allow_nan=False),
    "string": st.text(max_size=20),
    "bytes": st.binary(max_size=20),
}
WRAPPED = [
    protobuf.BoolValue,
    protobuf.DoubleValue,
    protobuf.Int64Value,
    protobuf.StringValue,
    protobuf.UInt32Value,
    protobuf.UInt64Value,
]
UNWRAPPED = {each: SCALARS[each._betterproto.meta_by_field_name["value"].proto_type] for each in WRAPPED} | {
    protobuf.Duration: st.timedeltas(datetime.timedelta(0), datetime.timedelta(days=365 * 100)),
    protobuf.Timestamp: st.datetimes(datetime.datetime(1900, 1, 1), datetime.datetime(2200, 1, 1), timezones=_ZONES),
}


def _enum(enum_class):
    return st.sampled_from(list(enum_class)) | st.integers(-(2**31), 2**31 - 1).map(enum_class)


def _element(meta, field_class, depth):
    """Return a strategy for one value of a field: itself, an element of its list, a key or a value of its map."""
    if meta.unwrap is not None:
        return UNWRAPPED[meta.unwrap()]
    if meta.proto_type == betterproto2.TYPE_MESSAGE:
        return messages(field_class, depth - 1)
    return _enum(field_class) if meta.proto_type == betterproto2.TYPE_ENUM else SCALARS[meta.proto_type]


def _value(message_class, name, depth):
    """Return a strategy for what a field holds."""
    proto = message_class._betterproto
    meta = proto.meta_by_field_name[name]
    if meta.map_meta is not None:
        key, value = meta.map_meta
        values = _element(value, proto.cls_by_field[f"{name}.value"], depth)
        return st.dictionaries(_element(key, None, depth), values, max_size=2)
    element = _element(meta, proto.cls_by_field[name], depth)
    return st.lists(element, max_size=2) if meta.repeated else element


def _group(metas):
    return lambda name: metas[name].group or name


@st.composite
def messages(draw, message_class, depth=DEPTH):
    """Draw a message with a few of its fields set, no two of one oneof; at depth 0, one with none set."""
    if message_class is protobuf.Any:
        return wire.packed(draw(messages(cluster_v3.ClusterEdsClusterConfig, 1)))
    metas = message_class._betterproto.meta_by_field_name
    if depth == 0 or not metas:
        return message_class()
    names = draw(st.lists(st.sampled_from(list(metas)), max_size=FIELDS_SET, unique_by=_group(metas)))
    return message_class(**{name: draw(_value(message_class, name, depth)) for name in names})


def _property(examples):
    return settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("message_class", [EveryKind, *ENVOY_MESSAGES], ids=lambda each: each.__name__)
def test_every_message_is_encoded_as_betterproto2_does(message_class):
    @_property(100)
    @given(messages(message_class))
    def is_equal(message):
        assert wire.encode(message) == bytes(message)

    is_equal()


@pytest.mark.parametrize("message_class", ENVOY_MESSAGES, ids=lambda each: each.__name__)
def test_the_official_runtime_reads_what_was_meant(message_class, official):
    full_name = wire.type_url(message_class).rpartition("/")[2]

    @_property(40)
    @given(messages(message_class))
    def is_understood(message):
        (parsed,) = official([(full_name, wire.encode(message))])
        assert parsed.error == ""
        assert message_class.parse(parsed.body) == message

    is_understood()
