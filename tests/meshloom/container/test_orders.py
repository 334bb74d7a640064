"""What who makes a bootstrap tells who starts Envoy."""

from meshloom.container import orders
from meshloom.injector.targets import Target


def test_orders_are_read_as_they_were_written():
    probes = {Target("http", "localhost", 8080, "/live"): 2.0}
    told = orders.Orders(("envoy", "-c", "x"), ("127.0.0.1", 9901), 27.0, ("10.0.0.7",), probes, "/run/proxy/s")
    assert orders.read(orders.written(told)) == told
