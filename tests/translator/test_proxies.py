"""Proxies are keys: equal where they get the same, in one order, and nothing else."""

import random

from tests.translator import graphs
from translator import proxies


def test_an_application_listens_on_the_port_of_the_listener_unless_it_is_mapped():
    capture = proxies.Explicit("127.0.1.1", "127.0.2.1", ((80, 8080),))
    assert (capture.application_port(80), capture.application_port(81)) == (8080, 81)


def test_proxies_of_all_kinds_have_one_order():
    one, other = graphs.sidecar("shop/a", "127.0.1.1"), graphs.sidecar("shop/a", "127.0.1.2")
    edge, bare = proxies.Gateway(graphs.ig("shop/a")), proxies.Proxyless(graphs.vd("shop/a"))
    for seed in range(6):
        assert sorted(random.Random(seed).sample([one, other, edge, bare], 4)) == [edge, bare, one, other]


def test_equal_proxies_are_one_key():
    assert len({graphs.sidecar("shop/a"), graphs.sidecar("shop/a"), graphs.sidecar("shop/b")}) == 2
