"""An incremental resolution equals a fresh one, whatever was edited, and shares what was not."""

import datetime
import random
import weakref
from collections.abc import Mapping

from hypothesis import given, settings
from hypothesis import strategies as st

from mesh import documents, inventory, layers, resolve, resources
from mesh.problems import Ref
from tests import secrets, written

NAMES = ("a", "b", "c")
SPACES = ("shop", "zoo")

names, spaces = st.sampled_from(NAMES), st.sampled_from(SPACES)
refs = st.builds(lambda space, name: {"ref": {"name": name, "namespace": space}}, spaces, names)
modes = st.sampled_from(["DISABLED", "PERMISSIVE", "STRICT"])
ports = st.sampled_from([80, 9080])
paths = st.sampled_from(["/", "/a", "/a/b", "b", "/q?x"])
targets = st.one_of(st.just({"allVirtualServices": {}}), refs.map(lambda ref: {"virtualService": ref}))
named = st.lists(st.sampled_from(["a", "out.example", "*.shop", "*.example", "*", "No."]), min_size=1, max_size=2)
networks = st.lists(st.sampled_from(["10.0.0.0/8", "10.0.0.0/9", "fd00::/8", "no"]), min_size=1, max_size=2)
some_ports = st.lists(ports, max_size=2)
outside = st.one_of(
    st.builds(lambda names, on: {"httpExternalService": {"hostnames": names, "ports": on}}, named, some_ports),
    st.builds(lambda names, on: {"httpsExternalService": {"hostnames": names, "ports": on}}, named, some_ports),
    st.builds(lambda those, on: {"tcpExternalService": {"ipAddresses": those, "ports": on}}, networks, some_ports),
).map(lambda service: {"externalService": service})
sources = st.one_of(targets, refs.map(lambda ref: {"ingressGateway": ref}))


def spec(kind: str, fields: dict[str, st.SearchStrategy[object]]) -> st.SearchStrategy[dict[str, object]]:
    where = st.tuples(spaces, names).map("/".join)
    return st.fixed_dictionaries({kind: where, **fields}).map(
        lambda made: {k: v for k, v in made.items() if v != "absent"}
    )


def maybe(strategy: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.one_of(st.just("absent"), strategy)


destinations = st.lists(
    st.builds(
        lambda ref, weight, port: {"virtualDeployment": ref, "weight": weight, **port},
        refs,
        st.sampled_from([0, 50]),
        st.sampled_from([{}, {"port": 80}]),
    ),
    min_size=1,
    max_size=3,
)

certificates = st.one_of(
    st.sampled_from(NAMES).map(lambda name: {"kubeSecretTlsCertificate": {"secretName": name}}),
    st.just({"ociTlsCertificate": {"certificateId": "mapped"}}),
)
bundles = st.sampled_from(NAMES).map(lambda name: {"trustedCaBundle": {"kubeSecretCaBundle": {"secretName": name}}})
listeners = st.builds(
    lambda protocol, port, mode, certificate, bundle: {
        "protocol": protocol,
        "port": port,
        "tls": {"mode": mode, "serverCertificate": certificate, "clientValidation": bundle},
    },
    st.sampled_from(["HTTP", "HTTP", "TCP", "TLS_PASSTHROUGH"]),
    st.sampled_from([8080, 8443]),
    st.sampled_from(["DISABLED", "PERMISSIVE", "TLS", "MUTUAL_TLS"]),
    certificates,
    bundles,
)
gateway_rules = st.one_of(
    st.builds(
        lambda ref, path, rewrite: {
            "httpRoute": {"destinations": [{"virtualService": ref}], "path": path, "isPathRewriteEnabled": rewrite}
        },
        refs,
        paths,
        st.booleans(),
    ),
    st.builds(
        lambda kind, ref: {kind: {"destinations": [{"virtualService": ref}]}},
        st.sampled_from(["tcpRoute", "tlsPassthroughRoute"]),
        refs,
    ),
)

KINDS = (
    spec(
        "Mesh",
        {
            "mtls": maybe(st.fixed_dictionaries({"minimum": modes})),
            "annotations": maybe(
                st.fixed_dictionaries(
                    {},
                    optional={
                        "meshloom.dev/trust-domain": st.sampled_from(["one.example", "a.zoo.mesh", "No"]),
                        "meshloom.dev/access-policies": st.sampled_from(["audit", "enforce", "off"]),
                    },
                )
            ),
        },
    ),
    spec(
        "VirtualService",
        {
            "mesh": refs,
            "hosts": st.lists(st.sampled_from(["a", "a:80", "b.shop", "*.shop", "10.0.0.1"]), max_size=3),
            "mtls": maybe(st.fixed_dictionaries({"mode": modes})),
            "defaultRoutingPolicy": maybe(st.just({"type": "UNIFORM"})),
            "created": maybe(st.sampled_from(["2024-01-01T00:00:00Z", "2024-01-02T00:00:00+01:00"])),
        },
    ),
    spec(
        "VirtualDeployment",
        {
            "virtualService": refs,
            "serviceDiscovery": maybe(st.just({"type": "DNS", "hostname": "h"})),
            "listener": st.lists(
                st.fixed_dictionaries(
                    {"protocol": st.sampled_from(["HTTP", "GRPC", "TCP", "TLS_PASSTHROUGH"]), "port": ports}
                ),
                max_size=2,
            ),
        },
    ),
    spec(
        "VirtualServiceRouteTable",
        {
            "virtualService": refs,
            "priority": maybe(st.sampled_from([1, 500])),
            "routeRules": st.lists(
                st.one_of(
                    st.builds(lambda to, path: {"httpRoute": {"destinations": to, "path": path}}, destinations, paths),
                    st.builds(
                        lambda to, kind: {kind: {"destinations": to}},
                        destinations,
                        st.sampled_from(["tcpRoute", "tlsPassthroughRoute"]),
                    ),
                ),
                min_size=1,
                max_size=2,
            ),
        },
    ),
    spec(
        "AccessPolicy",
        {
            "mesh": refs,
            "rules": st.lists(
                st.builds(
                    lambda a, b: {"action": "ALLOW", "source": a, "destination": b},
                    sources,
                    st.one_of(targets, outside),
                ),
                min_size=1,
                max_size=2,
            ),
        },
    ),
    spec(
        "IngressGateway",
        {
            "mesh": refs,
            "hosts": st.lists(
                st.fixed_dictionaries(
                    {
                        "name": st.sampled_from(["x", "y"]),
                        "hostnames": st.sampled_from([["x.example.com"], ["*.example.com"], ["y.example.com"]]),
                        "listeners": st.lists(listeners, min_size=1, max_size=2),
                    }
                ),
                min_size=1,
                max_size=2,
            ),
        },
    ),
    spec(
        "IngressGatewayRouteTable",
        {
            "ingressGateway": refs,
            "routeRules": st.lists(
                gateway_rules,
                min_size=1,
                max_size=2,
            ),
        },
    ),
    spec(
        "IngressGatewayDeployment",
        {
            "ingressGateway": refs,
            "deployment": st.just({"autoscaling": {"minPods": 1, "maxPods": 1}}),
            "ports": st.just([{"port": 8443}]),
            "secrets": st.lists(st.sampled_from([*NAMES, "No"]).map(lambda name: {"secretName": name}), max_size=3),
        },
    ),
    spec(
        "VirtualDeploymentBinding",
        {
            "virtualDeployment": refs,
            "target": st.builds(
                lambda ref, labels: {"service": {**ref, "matchLabels": labels}},
                refs,
                st.sampled_from([{}, {}, {"version": "v1"}, {"version": "v2"}]),
            ),
        },
    ),
)


def parsed(document: dict[str, object]) -> resources.Resource:
    found = documents.parsed(document)
    assert found.resource is not None
    return found.resource


def workload(api: str, kind: str, space: str, name: str, more: dict[str, object]) -> dict[str, object]:
    labels = {"kubernetes.io/service-name": name, **more.get("labels", {})}
    return {"apiVersion": api, "kind": kind, "metadata": {"namespace": space, "name": name, "labels": labels}, **more}


addresses = st.sampled_from(["10.0.0.1", "10.0.0.2", "fd00::1", "fd00::2", "no"])
clusters = st.builds(
    lambda where, families: {"spec": {**where, "ipFamilies": families, "selector": {"app": "a"}}},
    st.sampled_from([{}, {"clusterIP": "None"}, {"clusterIP": "10.96.0.1"}]),
    st.sampled_from([[], ["IPv4", "IPv6"], ["IPv6"]]),
)
conditions = st.sampled_from([{}, {"ready": False}, {"ready": False, "serving": True, "terminating": True}])
behind = st.one_of(st.just({}), names.map(lambda name: {"targetRef": {"kind": "Pod", "name": name}}))
listed = st.lists(
    st.builds(
        lambda one, how, of, zone: {"addresses": [one], "conditions": how, "zone": zone, **of},
        addresses,
        conditions,
        behind,
        st.sampled_from(["", "z1"]),
    ),
    max_size=3,
)
slices = st.builds(
    lambda given, family, owner: {"addressType": family, "endpoints": given, "labels": owner},
    listed,
    st.sampled_from(["IPv4", "IPv4", "IPv6", "FQDN"]),
    st.one_of(st.just({}), names.map(lambda name: {"kubernetes.io/service-name": name})),
)
versions = st.sampled_from([{}, {"version": "v1"}, {"version": "v2"}]).map(lambda labels: {"labels": labels})
workloads = st.one_of(
    st.builds(workload, st.just("v1"), st.just("Service"), spaces, names, clusters),
    st.builds(workload, st.just("discovery.k8s.io/v1"), st.just("EndpointSlice"), spaces, names, slices),
    st.builds(workload, st.just("v1"), st.just("Pod"), spaces, names, versions),
).map(parsed)

PAIRS = (secrets.pair(), secrets.authority().pair(), {"tls.crt": secrets.pair().chain})
"""Two that can be used, and one that cannot."""

_SEEN = ("Service", "EndpointSlice", "Pod", "Secret")
abouts = st.sampled_from(
    [
        {},
        {},
        {},
        {"labels": {"a": "b"}, "annotations": {"c": "d"}, "resource_version": "2"},
        {"generation": 2, "uid": "u"},
        {"creation_timestamp": datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)},
        {"deletion_timestamp": datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC), "finalizers": ("x/y",)},
    ]
)
edits = st.one_of(
    st.builds(
        lambda item, about: item.model_copy(update={"metadata": item.metadata.model_copy(update=about)}),
        st.one_of(*KINDS).map(written.resource),
        abouts,
    ),
    workloads,
    workloads,
    st.builds(lambda space, name, of: secrets.secret(f"{space}/{name}", of), spaces, names, st.sampled_from(PAIRS)),
    st.builds(Ref, st.sampled_from([*sorted(resources.KINDS), *_SEEN]), spaces, names),
)


def edited(before: inventory.Inventory, edit: resources.Resource | Ref) -> inventory.Inventory:
    return before.with_changes(deleted=[edit]) if isinstance(edit, Ref) else before.with_changes([edit])


crossings = st.sampled_from(
    [
        resolve.Crossings(),
        resolve.Crossings(),
        resolve.Crossings(resolve.CrossNamespace.SAME),
        resolve.Crossings(resolve.CrossNamespace.LISTED, (resolve.Permit("*", "shop", frozenset({"VirtualService"})),)),
    ]
)
mapped = st.sampled_from([{}, {"mapped": Ref("Secret", "shop", "a")}])
in_cluster = st.booleans()
readings = st.builds(resolve.Settings, st.integers(0, 9).map(bool), crossings, mapped, in_cluster=in_cluster)
hints = st.sampled_from(["not yet", "told", "told without a hint"])


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(edits, hints, st.integers(0, 9).map(bool)), min_size=1, max_size=25), readings, readings)
def test_after_any_edits_the_incremental_result_is_the_fresh_one(
    made: list[tuple[resources.Resource | Ref, str, bool]], usual: resolve.Settings, other: resolve.Settings
) -> None:
    seen, last, pending = inventory.Inventory(), None, set()
    for edit, hint, is_usual in made:
        seen = edited(seen, edit)
        pending |= {edit if isinstance(edit, Ref) else edit.ref}
        if hint != "not yet":
            reading = usual if is_usual else other
            last = resolve.resolve(seen, last, pending if hint == "told" else None, reading)
            pending = set()
            fresh = resolve.resolve(seen, settings=reading)
            assert (last.graph, last.problems) == (fresh.graph, fresh.problems)
            assert last == fresh, "stages and all"
            assert repr(last.graph) == repr(fresh.graph)
            assert secrets_of(last) == secrets_of(fresh)


def secrets_of(made: resolve.Resolution) -> list[object]:
    """Return what is said of Secrets beside problems: how each stands, and what counts for proxies of no deployment."""
    gates = made.inventory.of(resources.IngressGateway)
    missed = {ref: made.missed_at_home(ref) for ref in gates}
    return [made.gateway_secrets, missed, *(made.unused_secrets(some) for some in ((), [*gates][:1]))]


EDGES = """
Mesh: shop/a
mtls: {minimum: DISABLED}
---
IngressGateway: shop/a
mesh: {ref: {name: a}}
hosts:
- name: x
  hostnames: [x.example]
  listeners: [{protocol: HTTP, port: 8443, tls: {mode: TLS, serverCertificate: {kubeSecretTlsCertificate: {secretName: a}}}}]
- name: y
  hostnames: [y.example]
  listeners: [{protocol: HTTP, port: 8444, tls: {mode: TLS, serverCertificate: {kubeSecretTlsCertificate: {secretName: b}}}}]
- {name: z, hostnames: [z.example], listeners: [{protocol: HTTP, port: 8445}]}
"""
EDGE_EDITS = st.one_of(
    st.builds(
        lambda space, name, of, listed: written.resource(
            {
                "IngressGatewayDeployment": f"{space}/{name}",
                "ingressGateway": {"ref": {"namespace": "shop", "name": of}},
                "deployment": {"autoscaling": {"minPods": 1, "maxPods": 1}},
                "ports": [],
                "secrets": [{"secretName": each} for each in listed],
            }
        ),
        spaces,
        st.sampled_from("ab"),
        st.sampled_from("aaab"),
        st.lists(st.sampled_from("ab"), max_size=2),
    ),
    st.builds(lambda space, name, of: secrets.secret(f"{space}/{name}", of), spaces, names, st.sampled_from(PAIRS)),
    st.builds(Ref, st.sampled_from(["IngressGatewayDeployment", "Secret"]), spaces, st.sampled_from("ab")),
    st.sampled_from(written.objects(EDGES)),
    st.sampled_from([item.ref for item in written.objects(EDGES)]),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(EDGE_EDITS, min_size=1, max_size=20))
def test_after_any_edits_deployments_of_gateways_are_given_what_a_fresh_run_gives(
    edits: list[resources.Resource | Ref],
) -> None:
    reading = resolve.Settings(in_cluster=True)
    seen = written.of(EDGES)
    last = resolve.resolve(seen, settings=reading)
    for edit in edits:
        seen = edited(seen, edit)
        before, last = last, resolve.resolve(seen, last, {edit if isinstance(edit, Ref) else edit.ref}, reading)
        fresh = resolve.resolve(seen, settings=reading)
        assert repr((last.graph, last.problems)) == repr((fresh.graph, fresh.problems))
        assert secrets_of(last) == secrets_of(fresh)
        old, new = before.graph.deployed, last.graph.deployed
        assert all(new[ref] is old[ref] for ref in old.keys() & new.keys() if new[ref] == old[ref])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(*KINDS).map(written.resource), min_size=5, max_size=25), st.data())
def test_an_object_that_goes_and_comes_back_leaves_no_trace(
    items: list[resources.Resource], data: st.DataObject
) -> None:
    seen = inventory.inventory_of(items)
    first = last = resolve.resolve(seen)
    for item in data.draw(st.lists(st.sampled_from([*seen]), min_size=1, max_size=4)):
        without = resolve.resolve(seen.with_changes(deleted=[item.ref]), last, {item.ref})
        seen = without.inventory.with_changes([item])
        last = resolve.resolve(seen, without, {item.ref})
        assert repr((last.graph, last.problems)) == repr((first.graph, first.problems))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.one_of(*KINDS), min_size=1, max_size=25), st.randoms(use_true_random=False))
def test_the_order_of_the_objects_does_not_matter(shorts: list[dict[str, object]], shuffler: random.Random) -> None:
    items = [written.resource(short) for short in shorts]
    distinct = list({item.ref: item for item in items}.values())
    shuffled = shuffler.sample(distinct, len(distinct))
    ones, others = (resolve.resolve(inventory.inventory_of(listed)) for listed in (distinct, shuffled))
    assert ones.problems == others.problems
    assert repr(ones.graph) == repr(others.graph)


MESH = written.MESH + "---\n"
SERVICES = "---\n".join(
    f"VirtualService: shop/{name}\nmesh: {{ref: {{name: main}}}}\nhosts: [{name}]\n"
    f"---\nVirtualDeployment: shop/{name}-v1\nvirtualService: {{ref: {{name: {name}}}}}\n"
    f"serviceDiscovery: {{type: DNS, hostname: {name}.local}}\nlistener: [{{protocol: HTTP, port: 80}}]\n"
    for name in NAMES
)


def test_an_edit_of_one_service_leaves_the_others_the_same_objects() -> None:
    seen = written.of(MESH + SERVICES)
    first = resolve.resolve(seen)
    (edit,) = written.objects(
        "VirtualService: shop/b\nmesh: {ref: {name: main}}\nhosts: [b]\ndefaultRoutingPolicy: {type: UNIFORM}"
    )
    second = resolve.resolve(seen.with_changes([edit]), first)
    same = {ref.name for ref, service in second.graph.services.items() if service is first.graph.services[ref]}
    assert same == {"a", "c"}
    assert second.graph.deployments is first.graph.deployments
    assert second.graph.scopes is first.graph.scopes


def test_stages_that_read_nothing_of_what_changed_are_passed_by_together() -> None:
    seen = written.of(MESH + SERVICES)
    first = resolve.resolve(seen)
    table = "VirtualServiceRouteTable: shop/new\nvirtualService: {ref: {name: a}}\nrouteRules: [{httpRoute: {destinations: [{virtualDeployment: {ref: {name: a}}, weight: 100}]}}]\n"
    second = resolve.resolve(seen.with_changes(written.objects(table)), first)
    (alone,) = (name for name in first.stages if name.startswith("alone: Mesh"))
    same = {name for name in (alone, "unrouted", "allowed", "bonds") if second.stages[name] is first.stages[name]}
    assert same == {alone, "unrouted", "allowed"}


def test_an_equal_object_changes_nothing() -> None:
    seen = written.of(MESH + SERVICES)
    first = resolve.resolve(seen)
    again = resolve.resolve(seen.with_changes(written.objects(SERVICES)), first)
    assert again.graph is first.graph


def test_objects_that_mean_nothing_to_the_graph_are_not_looked_at() -> None:
    seen = written.of(MESH + SERVICES)
    first = resolve.resolve(seen)
    assert resolve.resolve(seen, first, {Ref("Namespace", "", "x")}).stages is first.stages


def test_other_settings_are_not_mixed_with_earlier_results() -> None:
    seen = written.of(MESH + SERVICES)
    first = resolve.resolve(seen)
    assert resolve.resolve(seen, first, settings=resolve.Settings(paths_by_segment=False)).stages is not first.stages


def test_a_layer_keeps_equal_values_and_forgets_what_is_gone() -> None:
    first = layers.refreshed(None, {"a": (1,), "b": (2,)}, lambda number: [number])
    second = layers.refreshed(first, {"a": (1,), "c": (3,)}, lambda number: [number])
    assert second.values == {"a": [1], "c": [3]}
    assert second.values["a"] is first.values["a"]


def test_a_layer_of_which_nothing_changed_is_the_same() -> None:
    first = layers.refreshed(None, {"a": (1,)}, lambda number: [number])
    assert layers.refreshed(first, {"a": (1,)}, lambda number: [number]) is first
    rebuilt = layers.refreshed(first, {"a": (1.0 + 1e-9,)}, lambda number: [round(number)])
    assert rebuilt.values is first.values


tables = st.dictionaries(st.sampled_from("abcd"), st.sampled_from(["", "p", "q", "pq", "qx"]), max_size=4)
lengths = st.dictionaries(st.sampled_from("pqxy"), st.integers(0, 2), max_size=4)


def spelled(words: dict[str, str], sizes: dict[str, int]) -> dict[str, tuple[object, ...]]:
    return {key: (word, tuple(sizes.get(letter) for letter in word)) for key, word in words.items() if word}


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(tables, lengths), min_size=2, max_size=6))
def test_a_stage_that_says_what_it_reads_equals_a_fresh_one(runs: list[tuple[dict[str, str], dict[str, int]]]) -> None:
    last = None
    for words, sizes in runs:
        reads = (layers.same, layers.among(layers.readers(words.items())))
        last = layers.staged(last, (words, sizes), spelled, lambda *given: [*given], reads)
        fresh = layers.staged(None, (words, sizes), spelled, lambda *given: [*given])
        assert (last, [*last.values]) == (fresh, [*fresh.values])


def test_a_stage_that_says_what_it_reads_looks_at_nothing_else() -> None:
    looked: list[list[str]] = []

    def inputs(words: dict[str, str], sizes: dict[str, int]) -> dict[str, tuple[object, ...]]:
        looked.append(sorted(words))
        return spelled(words, sizes)

    words = {"a": "p", "b": "q", "c": "pq"}
    reads = (layers.same, layers.among(layers.readers(words.items())))
    first = layers.staged(None, (words, {"p": 1, "q": 2}), inputs, lambda *given: [*given], reads)
    second = layers.staged(first, (words, {"p": 7, "q": 2}), inputs, lambda *given: [*given], reads)
    assert looked == [["a", "b", "c"], ["a", "c"]]
    assert second.values["b"] is first.values["b"]
    assert second.values["c"] == ["pq", (7, 2)]


numbers = st.dictionaries(st.sampled_from("abcd"), st.integers(0, 2).map(str), max_size=4)


@settings(max_examples=300, deadline=None)
@given(numbers, st.lists(numbers, max_size=5), st.integers(0, 5), st.integers(0, 5))
def test_what_differs_between_patched_mappings_is_what_a_look_at_each_key_finds(
    first: dict[str, str], edits: list[dict[str, str]], one: int, other: int
) -> None:
    made: list[Mapping[str, str]] = [first]
    for edit in edits:
        others = {key: value for key, value in edit.items() if key in first and made[-1][key] is not value}
        made.append(layers.patched(made[-1], others))
    before, after = made[one % len(made)], made[other % len(made)]
    found = layers.changed(before, after)
    assert sorted(found) == [key for key in sorted(first) if before[key] is not after[key]]
    assert {**before, **{key: after[key] for key in found}} == after
    assert [*after] == [*first]
    assert [*layers.picked(after, [*first])] == [after[key] for key in first]
    for key in first:
        assert [*layers.picked(after, [key])] == [after[key]]


def test_a_patched_mapping_does_not_keep_its_source() -> None:
    middle = layers.patched({"a": 1, "b": 2}, {"a": 3})
    last, gone = layers.patched(middle, {"b": 4}), weakref.ref(middle)
    assert layers.differing(middle, last) == ["b"]
    del middle
    assert gone() is None
    assert layers.differing({"a": 1, "b": 2}, last) == ["a", "b"]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(numbers, numbers), min_size=2, max_size=6))
def test_grouped_and_united_stages_equal_fresh_ones_and_keep_what_is_equal(
    runs: list[tuple[dict[str, str], dict[str, str]]],
) -> None:
    def boxed(given: Mapping[str, str]) -> dict[str, list[str]]:
        return {key: [value] for key, value in given.items()}

    groups: layers.Stage[str, list[str]] | None = None
    union: layers.Stage[str, list[str]] | None = None
    for ones, others in runs:
        before = groups
        groups = layers.grouped(groups, (ones,), boxed)
        assert (groups.values, [*groups.values]) == (boxed(ones), [*ones])
        if before is not None:
            common = groups.values.keys() & before.values.keys()
            assert all(
                groups.values[key] is before.values[key] or groups.values[key] != before.values[key] for key in common
            )
        apart = boxed({key.upper(): value for key, value in others.items()})
        more = boxed({f"{key}{key}": value for key, value in others.items()})
        was, union = union, layers.united(union, groups.values, apart, more)
        assert (union.values, [*union.values]) == (
            {**groups.values, **apart, **more},
            [*groups.values, *apart, *more],
        )
        is_other = was is not None and (layers.changed(was.values, union.values) or [*was.values] != [*union.values])
        assert was is None or union.values is was.values or is_other
