"""A route that is put together from encoded parts is the message, encoded."""

from envoy_data_plane.envoy.config.route import v3 as route_v3
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh import graph
from mesh.problems import Ref
from translator import routes, wire

numbers = st.integers(0, 2**40)
texts = st.sampled_from(["", "/", "/a", "/a/", "/a/b"])
shares = st.builds(
    lambda name, weight, host: graph.Share(graph.Target(Ref("VirtualDeployment", "shop", name), 80), weight, host),
    st.sampled_from(["a", "b" * 150]),
    st.sampled_from([1, 50, 100, 200]),
    st.sampled_from(["", "pets.example"]),
)
forwards = st.builds(graph.Forward, st.lists(shares, min_size=1, max_size=3).map(tuple), numbers, numbers, texts)
refusals = st.builds(graph.Refusal, st.sampled_from([404, 503]), st.sampled_from(["", "why"]))
rules = st.builds(graph.HttpRoute, texts.filter(bool), st.booleans(), st.booleans(), st.one_of(forwards, refusals))


@settings(max_examples=300, deadline=None)
@given(rules, st.booleans())
def test_an_encoded_route_is_the_encoding_of_the_message_that_it_is_read_as(
    rule: graph.HttpRoute, inside: bool
) -> None:
    encoded = routes.encoded(rule, is_inside=inside)
    read = route_v3.Route.parse(encoded)
    assert encoded == bytes(read) == wire.encode(read)
    if isinstance(rule.action, graph.Forward):
        cluster, weighted = routes.split(rule.action.shares)
        assert read.route is not None
        assert (read.route.cluster, read.route.weighted_clusters) == (cluster, weighted)
