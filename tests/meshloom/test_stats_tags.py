"""Tags of statistics: what a bootstrap is told, and nothing else."""

import pytest

from mesh import inventory, resolve
from meshloom import addresses, bootstrap, stats_tags
from meshloom.demo import cast, play
from meshloom.identity import claim

WRITTEN = cast.read_resources(play.SAMPLE.read_text())
GRAPH = resolve.resolve(inventory.inventory_of(WRITTEN)).graph
SIDECAR = claim.sidecar("shop/catalogue-v1", "127.0.1.1", "127.0.0.1", {})
GATEWAY = claim.gateway("shop/door", "127.0.1.2")


def tags(proxy, more=()):
    host = claim.bound(proxy)
    place = bootstrap.Place(addresses.Pipe("/run/ads.sock"), host, bootstrap.admin_address(host))
    found = bootstrap.bootstrap(proxy, place, more=more)["stats_config"]["stats_tags"]
    return {tag["tag_name"]: tag["fixed_value"] for tag in found}


def test_every_bootstrap_says_the_place_of_its_proxy():
    assert tags(SIDECAR) == {"mesh_namespace": "shop", "mesh_virtual_deployment": "catalogue-v1"}
    assert tags(GATEWAY) == {"mesh_namespace": "shop", "mesh_ingress_gateway": "door"}


@pytest.mark.parametrize(
    ("proxy", "kinds"),
    [(SIDECAR, ("mesh", "virtual_service", "virtual_deployment")), (GATEWAY, ("mesh", "ingress_gateway"))],
)
def test_who_is_given_the_mesh_says_names_and_ids_too(proxy, kinds):
    found = tags(proxy, stats_tags.named(proxy, GRAPH, WRITTEN))
    assert {name for name in found if name.endswith(("_name", "_id"))} == {
        f"{kind}_{what}" for kind in kinds for what in ("name", "id")
    }
    assert all(found[f"{kind}_id"].startswith(f"ocid1.mesh{kind.replace('_', '')}.") for kind in kinds[1:])
    assert found["mesh_id"].startswith("ocid1.mesh.meshloom..")


def test_of_what_is_not_there_nothing_is_said():
    assert stats_tags.named(claim.gateway("shop/nowhere", "127.0.1.2"), GRAPH, WRITTEN) == ()
