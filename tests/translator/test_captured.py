"""What proxies in transparent capture get: listeners by what was dialled, and doors by port."""

import dataclasses

import pytest

from mesh import external, graph, mtls
from mesh.hosts import Host
from mesh.resources import Protocol
from tests.translator import decoded, graphs
from translator import compile as compiler
from translator import proxies

TCP, TLS = Protocol.TCP, Protocol.TLS_PASSTHROUGH
DUAL, FOUR = proxies.Transparent(), proxies.Transparent(is_ipv4_only=True)


def bytes_port(port: int, target: str, weight: int = 1) -> graph.TcpPort:
    return graph.TcpPort(port, (graphs.share(f"{target}={weight}"),), 60_000)


def service(key: str, http=(), hosts=(), addresses=(), **others) -> graph.Service:
    routes = {port: [graphs.route(graphs.forward(f"{key}-v1:{port}"))] for port in http}
    made = graphs.service(key, routes, hosts or [key.partition("/")[2]], [f"{key}-v1"], **others)
    return dataclasses.replace(made, addresses=tuple(map(Host, addresses)))


def mesh(*services: graph.Service, mode: mtls.Mode = mtls.Mode.STRICT, listeners=None) -> graph.Graph:
    """A caller `web` that may call all of these services."""
    own = dataclasses.replace(service("shop/web"), mode=mode)
    return graphs.mesh_graph(
        [own, *services],
        [
            graphs.deployment("shop/web-v1", "shop/web", *(listeners or [graphs.listener(80)])),
            *(
                graphs.deployment(
                    f"{one.ref.key}-v1",
                    one.ref.key,
                    *(graphs.listener(port.port) for port in one.http),
                    *(graphs.listener(port.port, TCP) for port in one.tcp),
                    *(graphs.listener(port.port, TLS) for port in one.tls),
                )
                for one in services
            ),
        ],
        scopes={"shop/web": graph.Scope(tuple(one.ref for one in services))},
    )


def compiled(of: graph.Graph, capture: proxies.Transparent = DUAL):
    web = proxies.Sidecar(graphs.vd("shop/web-v1"), capture)
    parts = compiler.compiled(of, [web]).bundles[web]
    assert decoded.dangling(parts) == set()
    return parts


def listeners(parts) -> dict[str, dict]:
    return {one["name"]: one for one in decoded.bundle(parts)["listeners"]}


def bound(listener) -> list[str]:
    places = [listener["address"], *(one["address"] for one in listener.get("additional_addresses", ()))]
    return [f"{one['socket_address']['address']} {one['socket_address']['port_value']}" for one in places]


def test_two_listeners_are_bound_and_none_of_the_others():
    found = listeners(
        compiled(
            mesh(
                service("shop/pets", [8080]),
                service("shop/db", addresses=["10.96.0.1"], tcp=[bytes_port(5432, "shop/db-v1:5432")]),
            )
        )
    )
    assert {name for name, one in found.items() if one.get("bind_to_port", True)} == {"inbound", "outbound"}
    assert found["outbound"]["use_original_dst"] is True
    assert bound(found["outbound"]) == ["0.0.0.0 15000", ":: 15000"]
    assert bound(found["inbound"]) == ["0.0.0.0 15001", ":: 15001"]
    assert bound(found["outbound/8080"]) == ["0.0.0.0 8080", ":: 8080"]
    assert bound(found["outbound/tcp/10.96.0.1:5432"]) == ["10.96.0.1 5432"]


def test_without_ipv6_no_listener_has_an_address_of_it():
    db = service("shop/db", addresses=["10.96.0.1", "fd96::1"], tcp=[bytes_port(5432, "shop/db-v1:5432")])
    found = listeners(compiled(mesh(service("shop/pets", [8080]), db), FOUR))
    assert not [place for one in found.values() for place in bound(one) if "::" in place]
    assert "outbound/tcp/10.96.0.1:5432" in found


def test_what_nothing_is_for_is_closed_and_counted():
    found = listeners(compiled(mesh()))
    lost = found["outbound"]["default_filter_chain"]["filters"][0]["typed_config"]
    assert (lost["stat_prefix"], lost["cluster"]) == ("outbound/no-allowed-destination", "nobody")
    shut = found["inbound"]["default_filter_chain"]["filters"][0]["typed_config"]
    assert (shut["stat_prefix"], shut["cluster"]) == ("inbound/no-such-port", "nobody")


def domains(parts, port: int) -> dict[str, str]:
    routes = decoded.named(parts, "routes", f"outbound/{port}")
    assert routes["ignore_port_in_host_matching"] is True
    return decoded.by_domain(routes)


def test_requests_are_told_by_port_and_host_and_by_the_addresses_of_services():
    pets = service("shop/pets", [80, 8080], ["pets", "*.pets"], ["10.96.0.1", "fd96::1"])
    parts = compiled(mesh(pets, service("shop/toys", [8080])))
    assert domains(parts, 80) == {
        **dict.fromkeys(["pets", "*.pets", "10.96.0.1", "[fd96::1]"], "shop/pets/80"),
        "*": "nobody",
    }
    assert domains(parts, 8080)["toys"] == "shop/toys/8080"


def test_a_host_for_one_port_goes_there_before_one_for_all():
    parts = compiled(mesh(service("shop/a", [80, 81], ["same"]), service("shop/b", [80], ["same:80"])))
    assert (domains(parts, 80)["same"], domains(parts, 81)["same"]) == ("shop/b/80", "shop/a/81")


def test_services_of_tcp_share_a_port_with_each_other_and_with_requests():
    db, cache = (
        service(f"shop/{name}", addresses=[at], tcp=[bytes_port(80, f"shop/{name}-v1:80")])
        for name, at in (("db", "10.96.0.1"), ("cache", "10.96.0.2"))
    )
    parts = compiled(mesh(db, cache, service("shop/pets", [80])))
    for name, at in (("db", "10.96.0.1"), ("cache", "10.96.0.2")):
        proxy = decoded.tcp_proxy(parts, decoded.named(parts, "listeners", f"outbound/tcp/{at}:80"))
        assert proxy["stat_prefix"] == f"outbound/shop/{name}/80"
    assert "outbound/80" in listeners(parts)


def test_of_two_services_at_one_address_the_first_has_it():
    both = [
        service(f"shop/{name}", addresses=["10.0.0.1"], tcp=[bytes_port(5432, f"shop/{name}-v1:5432")]) for name in "ab"
    ]
    parts = compiled(mesh(*both))
    proxy = decoded.tcp_proxy(parts, decoded.named(parts, "listeners", "outbound/tcp/10.0.0.1:5432"))
    assert proxy["stat_prefix"] == "outbound/shop/a/5432"


def test_a_service_of_tcp_without_an_address_is_not_guessed_at():
    parts = compiled(mesh(service("shop/db", tcp=[bytes_port(5432, "shop/db-v1:5432")])))
    assert set(listeners(parts)) == {"inbound", "outbound"}


def test_handshakes_are_told_by_name_and_requests_beside_them():
    vault = service("shop/vault", hosts=["vault", "*.vault", "10.96.0.1"], tls=[bytes_port(443, "shop/vault-v1:443")])
    parts = compiled(mesh(vault, service("shop/pets", [443])))
    found = listeners(parts)["outbound/443"]
    matches = [chain["filter_chain_match"] for chain in found["filter_chains"]]
    assert matches == [{"transport_protocol": "raw_buffer"}, {"server_names": ["vault", "*.vault"]}]
    assert found["default_filter_chain"]["filters"][0]["typed_config"]["stat_prefix"] == "outbound/443/no-allowed-host"
    assert domains(parts, 443)["pets"] == "shop/pets/443"


@pytest.mark.parametrize(
    ("mode", "matches", "inspects"),
    [
        (mtls.Mode.STRICT, [{"destination_port": 80}], False),
        (mtls.Mode.PERMISSIVE, [{"destination_port": 80, "application_protocols": ["meshloom"]}, {"destination_port": 80}], True),
        (mtls.Mode.DISABLED, [{"destination_port": 80}], False),
    ],
)  # fmt: skip
def test_what_others_open_comes_in_by_the_door_of_its_port(mode, matches, inspects):
    inbound = listeners(compiled(mesh(mode=mode)))["inbound"]
    assert [chain["filter_chain_match"] for chain in inbound["filter_chains"]] == matches
    names = [one["name"].rpartition(".")[2] for one in inbound["listener_filters"]]
    assert names == ["original_dst", *(["tls_inspector"] if inspects else [])]


def test_ports_that_pass_reach_the_application_as_they_are_unless_the_mesh_has_them():
    parts = compiled(mesh(mode=mtls.Mode.PERMISSIVE), proxies.Transparent((80, 90, 91)))
    inbound = listeners(parts)["inbound"]
    passed = [chain for chain in inbound["filter_chains"] if chain["filters"][0]["name"].endswith("tcp_proxy")]
    assert [chain["filter_chain_match"]["destination_port"] for chain in passed] == [90, 91]
    disabled = inbound["listener_filters"][1]["filter_disabled"]["or_match"]["rules"]
    assert [rule["destination_port_range"]["start"] for rule in disabled] == [90, 91]


def test_the_application_is_where_it_was_dialled_and_called_from_an_address_that_is_let_through():
    parts = compiled(mesh(listeners=[graphs.listener(80), graphs.listener(81, TCP)]))
    for port in (80, 81):
        cluster = decoded.named(parts, "clusters", f"inbound/{port}")
        assert (cluster["type"], cluster["lb_policy"]) == ("ORIGINAL_DST", "CLUSTER_PROVIDED")
        binding = cluster["upstream_bind_config"]
        assert binding["source_address"]["address"] == "127.0.0.6"
        assert binding["extra_source_addresses"][0]["address"]["address"] == "::1"


# ---------------------------------------------------------------------------- out of the mesh

API, BLOCK = (
    external.Outside("api.example.com", (443,)),
    external.Networks(("203.0.113.0/24", "2001:db8::/32"), (5432,)),
)


def leaving(*services: graph.Service, **outside) -> graph.Graph:
    of = mesh(*services)
    scope = dataclasses.replace(of.scopes[graphs.vs("shop/web")], external=external.External(**outside))
    return dataclasses.replace(of, scopes={**of.scopes, graphs.vs("shop/web"): scope})


def exit_of(chain) -> tuple[str, str]:
    """Return the cluster that a chain leads to, and what it tells that."""
    proxy = chain["filters"][0]["typed_config"]
    return proxy["cluster"], proxy.get("tunneling_config", {}).get("hostname", "")


def test_handshakes_that_name_what_is_outside_leave_by_its_exit():
    found = listeners(compiled(leaving(https=(API,))))["outbound/443"]
    clear, named = found["filter_chains"]
    assert clear["filter_chain_match"] == {"transport_protocol": "raw_buffer"}
    assert named["filter_chain_match"] == {"server_names": ["api.example.com"]}
    assert exit_of(named) == ("egress/https/api.example.com:443", "%REQUESTED_SERVER_NAME%:443")


def test_a_handshake_with_a_name_of_the_mesh_does_not_leave_it():
    taken = (Host("vault.example.com"), Host("*.in.example.com", 443), Host("other.example.com", 80))
    wide = external.Outside("*.example.com")
    found = listeners(compiled(leaving(https=(wide,), taken=taken)))["outbound/443"]
    _, inside, out = found["filter_chains"]
    assert inside["filter_chain_match"] == {"server_names": ["vault.example.com", "*.in.example.com"]}
    assert exit_of(inside) == ("nobody", "")
    assert out["filter_chain_match"] == {"server_names": ["*.example.com"]}


def test_a_service_of_the_mesh_is_called_by_a_name_that_a_wildcard_covers():
    vault = service("shop/vault", hosts=["vault.example.com"], tls=[bytes_port(443, "shop/vault-v1:443")])
    of = leaving(vault, https=(external.Outside("*"),), taken=(Host("vault.example.com"),))
    chains = listeners(compiled(of))["outbound/443"]["filter_chains"]
    matches = [chain["filter_chain_match"] for chain in chains]
    assert matches == [
        {"transport_protocol": "raw_buffer"},
        {"server_names": ["vault.example.com"]},
        {"transport_protocol": "tls"},
    ]
    assert chains[1]["filters"][0]["name"] == "outbound/shop/vault/443"


def test_requests_leave_by_their_authority_at_the_ports_of_their_rules_and_of_the_mesh():
    of = leaving(service("shop/pets", [8080]), http=(external.Outside("api.example.com", (80,)),))
    parts = compiled(of)
    for port in (80, 8080):
        assert domains(parts, port)["api.example.com"] == "egress/api.example.com"
    assert "outbound/443" not in listeners(parts)


def test_addresses_outside_leave_where_the_mesh_has_no_port_and_where_it_has():
    parts = compiled(leaving(service("shop/pets", [5432]), tcp=(BLOCK,)))
    name = "egress/tcp/203.0.113.0/24,2001:db8::/32:5432"
    for listener, port in (("outbound", {"destination_port": 5432}), ("outbound/5432", {})):
        chain = listeners(parts)[listener]["filter_chains"][-1]
        ranges = [one["address_prefix"] for one in chain["filter_chain_match"].pop("prefix_ranges")]
        assert (ranges, chain["filter_chain_match"]) == (["203.0.113.0", "2001:db8::"], port)
        assert exit_of(chain) == (name, "%DOWNSTREAM_LOCAL_ADDRESS%")


def test_a_port_of_the_mesh_goes_before_all_addresses_there_are():
    parts = compiled(leaving(service("shop/pets", [80]), tcp=(external.Networks(("0.0.0.0/0",)),)))
    assert len(listeners(parts)["outbound/80"]["filter_chains"]) == 1
    (chain,) = listeners(parts)["outbound"]["filter_chains"]
    assert chain["filter_chain_match"]["prefix_ranges"][0]["address_prefix"] == "0.0.0.0"


def test_without_ipv6_no_address_of_it_is_outside():
    chain = listeners(compiled(leaving(tcp=(BLOCK,)), FOUR))["outbound"]["filter_chains"][0]
    assert [one["address_prefix"] for one in chain["filter_chain_match"]["prefix_ranges"]] == ["203.0.113.0"]


# ---------------------------------------------------------------------------- changes


def changed(before: graph.Graph, after: graph.Graph) -> set[str]:
    """Return the names of the resources that two graphs give a caller differently."""
    ones, others = (
        {(item.type_url, item.name): item.version for part in compiled(of) for item in part} for of in (before, after)
    )
    return {key[1] for key in ones.keys() | others.keys() if ones.get(key) != others.get(key)}


def test_weights_touch_no_listener():
    def of(weight: int) -> graph.Graph:
        db = service("shop/db", addresses=["10.96.0.1"], tcp=[bytes_port(5432, "shop/db-v1:5432", weight)])
        return mesh(db, service("shop/pets", [8080]))

    assert changed(of(1), of(2)) == {"outbound/shop/db/5432"}


def test_an_address_or_a_port_that_comes_touches_no_other_listener():
    def of(addresses: list[str], http: list[int]) -> graph.Graph:
        db = service("shop/db", addresses=addresses, tcp=[bytes_port(5432, "shop/db-v1:5432")])
        return mesh(db, service("shop/pets", http))

    assert changed(of(["10.0.0.1"], [80]), of(["10.0.0.1", "10.0.0.2"], [80])) == {"outbound/tcp/10.0.0.2:5432"}
    assert changed(of([], [80]), of([], [80, 81])) == {"outbound/81", "outbound/shop/pets-v1/81"}


def test_proxies_of_both_kinds_of_capture_share_what_is_alike():
    of = mesh(service("shop/pets", [8080]))
    explicit = proxies.Sidecar(graphs.vd("shop/web-v1"), proxies.Explicit("127.0.1.1", "127.0.2.1"))
    captured = proxies.Sidecar(graphs.vd("shop/web-v1"), DUAL)
    bundles = compiler.compiled(of, [explicit, captured]).bundles
    names = [{item.name for part in bundles[one] for item in part} for one in (explicit, captured)]
    assert {"outbound/shop/pets-v1/8080", "inbound/80"} <= names[0] & names[1]
    clusters = [next(part for part in bundles[one] if part[0].name == "outbound/shop/pets-v1/8080") for one in bundles]
    assert clusters[0] is clusters[1]
