"""Where services are dialled: the addresses of the Kubernetes Services that their hosts name."""

from typing import Any

import pytest

from mesh import documents, resolve, resources
from mesh.hosts import Host
from mesh.problems import Ref
from tests import written

DB, OTHER = Ref("VirtualService", "shop", "db"), Ref("VirtualService", "zoo", "db")
TCP = "listener: [{protocol: TCP, port: 5432}]"


def parsed(document: dict[str, Any]) -> resources.Resource:
    found = documents.parsed(document)
    assert found.resource is not None
    return found.resource


def k8s(key: str, *addresses: str, created: str = "") -> resources.Resource:
    """A Service; its address `None` makes it headless."""
    namespace, _, name = key.partition("/")
    spec = {"clusterIP": addresses[0], "clusterIPs": list(addresses)} if addresses else {}
    return parsed(
        {"apiVersion": "v1", "kind": "Service", "metadata": {"namespace": namespace, "name": name}, "spec": spec}
    )


def endpoints(key: str, owner: str, *addresses: str, ready: bool = True) -> resources.Resource:
    namespace, _, name = key.partition("/")
    return parsed(
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"namespace": namespace, "name": name, "labels": {"kubernetes.io/service-name": owner}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": [address], "conditions": {"ready": ready}} for address in addresses],
        }
    )


def service(key: str = "shop/db", hosts: str = "[db]", more: str = "") -> str:
    name = key.partition("/")[2]
    return (
        f"---\nVirtualService: {key}\nmesh: {{ref: {{name: main, namespace: shop}}}}\nhosts: {hosts}\n{more}\n"
        f"---\nVirtualDeployment: {key}-v1\nvirtualService: {{ref: {{name: {name}}}}}\n{TCP}\n"
    )


def meant(text: str, *others: resources.Resource) -> resolve.Resolution:
    return resolve.resolve(written.of(written.MESH + text).with_changes(others))


def addresses(found: resolve.Resolution, ref: Ref = DB) -> list[str]:
    return list(map(str, found.graph.services[ref].addresses))


def faults(found: resolve.Resolution) -> list[str]:
    return [str(problem) for problem in found.problems if problem.field == "spec.hosts"]


@pytest.mark.parametrize("host", ["db", "db.shop", "db.shop.svc", "db.shop.svc.cluster.local"])
def test_a_host_that_names_a_service_has_its_addresses(host):
    found = meant(service(hosts=f"[{host}]"), k8s("shop/db", "10.96.0.7", "fd00::7"), k8s("zoo/db", "10.96.0.9"))
    assert addresses(found) == ["10.96.0.7", "[fd00::7]"]
    assert not faults(found)


def test_a_host_of_another_name_has_none_and_nothing_is_guessed():
    assert addresses(meant(service(hosts="[db.example.com]"), k8s("shop/db", "10.96.0.7"))) == []


def test_a_host_with_a_port_has_the_address_on_that_port():
    assert addresses(meant(service(hosts='["db:5432"]'), k8s("shop/db", "10.96.0.7"))) == ["10.96.0.7:5432"]


def test_a_host_that_is_an_address_is_one():
    assert meant(service(hosts="[10.1.2.3]")).graph.services[DB].addresses == (Host("10.1.2.3"),)


def test_the_addresses_of_a_headless_service_are_its_endpoints_that_are_ready():
    slices = (
        endpoints("shop/db-b", "db", "10.0.0.2", "10.0.0.1"),
        endpoints("shop/db-a", "db", "10.0.0.3"),
        endpoints("shop/db-c", "db", "10.0.0.9", ready=False),
        endpoints("zoo/db-a", "db", "10.0.0.8"),
    )
    found = meant(service(), k8s("shop/db", "None"), *slices)
    assert addresses(found) == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]


def test_endpoints_of_other_services_do_not_count():
    found = meant(service(), k8s("shop/db", "10.96.0.7"), endpoints("shop/db-a", "db", "10.0.0.3"))
    assert addresses(found) == ["10.96.0.7"]


def test_endpoints_that_come_and_go_are_followed_and_leave_others_the_same_objects():
    first = meant(
        service() + service("zoo/db"),
        k8s("shop/db", "None"),
        k8s("zoo/db", "None"),
        endpoints("zoo/a", "db", "10.0.0.8"),
    )
    more = resolve.resolve(first.inventory.with_changes([endpoints("shop/a", "db", "10.0.0.1")]), first)
    assert addresses(more) == ["10.0.0.1"]
    assert more.graph.services[OTHER] is first.graph.services[OTHER]
    moved = resolve.resolve(more.inventory.with_changes([endpoints("shop/a", "db", "10.0.0.2")]), more)
    assert addresses(moved) == ["10.0.0.2"]
    gone = resolve.resolve(moved.inventory.with_changes(deleted=[Ref("EndpointSlice", "shop", "a")]), moved)
    assert addresses(gone) == []


def test_2_13_45_the_addresses_of_a_service_lead_to_the_oldest_whose_hosts_name_it():
    elder, younger = (f'created: "2024-01-0{day}T00:00:00Z"' for day in (1, 2))
    found = meant(service(more=younger) + service("zoo/db", "[db.shop]", elder), k8s("shop/db", "10.96.0.7"))
    assert (addresses(found), addresses(found, OTHER)) == ([], ["10.96.0.7"])
    assert faults(found)[0] == (
        "VirtualService shop/db spec.hosts: hosts of VirtualService zoo/db, which is older, name Service shop/db, too; "
        "what dials its address goes there; let the hosts of one of the two name another Service"
    )


def test_2_13_45_two_ports_of_a_service_may_be_two_services():
    found = meant(service(hosts='["db:5432"]') + service("zoo/db", '["db.shop:81"]'), k8s("shop/db", "10.96.0.7"))
    assert (addresses(found), addresses(found, OTHER)) == (["10.96.0.7:5432"], ["10.96.0.7:81"])
    assert not faults(found)


def test_2_13_46_a_service_of_tcp_without_an_address_is_told_where_services_are_known():
    text = service(hosts="[db.example.com]")
    assert not faults(meant(text))
    assert faults(meant(text, k8s("shop/other", "10.96.0.8"))) == [
        "VirtualService shop/db spec.hosts: no host names a Service with an address, so transparent capture leads nobody "
        "to TCP port 5432; add a host that names its Service, as NAME or NAME.NAMESPACE"
    ]
