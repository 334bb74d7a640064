"""A compile that starts from another equals a fresh one, and what is equal stays the same object."""

import dataclasses

from hypothesis import given, settings
from hypothesis import strategies as st

from mesh import graph
from tests.translator import changing, decoded
from translator import compile as compiler
from translator import proxies

variants = st.integers(0, changing.VARIANTS)
meshes = st.fixed_dictionaries({**dict.fromkeys(changing.PARTS, variants), "proxies": st.integers(1, 3)})
edits = st.lists(
    st.one_of(st.tuples(st.sampled_from(changing.PARTS), variants), st.tuples(st.just("proxies"), st.integers(1, 3))),
    min_size=1,
    max_size=4,
)


def bodies(compilation: compiler.Compilation) -> dict[object, list[object]]:
    return {proxy: [*parts] for proxy, parts in compilation.bundles.items()}


@settings(max_examples=40, deadline=None)
@given(meshes, st.lists(edits, min_size=1, max_size=3))
def test_a_compile_from_a_previous_one_equals_a_fresh_one(mesh, steps):
    last = compiler.compiled(changing.graph_of(mesh), changing.proxies_of(mesh))
    for step in steps:
        mesh = {**mesh, **dict(step)}
        of, asked = changing.graph_of(mesh), changing.proxies_of(mesh)
        last = compiler.compiled(of, asked, last)
        fresh = compiler.compiled(of, asked)
        assert bodies(last) == bodies(fresh)
        assert [*last.bundles] == [*fresh.bundles]


def sharing(now: graph.Graph, before: graph.Graph) -> graph.Graph:
    """Return the graph with all that is equal in the one before as the same objects, as `resolve` makes it."""

    def kept(name: str) -> dict[object, object]:
        new, old = getattr(now, name), getattr(before, name)
        made = {key: old[key] if old.get(key) == value else value for key, value in new.items()}
        return old if made == old and [*made] == [*old] else made

    return graph.Graph(**{field.name: kept(field.name) for field in dataclasses.fields(graph.Graph)})


@settings(max_examples=40, deadline=None)
@given(meshes, st.lists(edits, min_size=2, max_size=6))
def test_a_compile_of_a_graph_that_shares_with_the_last_equals_a_fresh_one(mesh, steps):
    of, asked = changing.graph_of(mesh), changing.proxies_of(mesh)
    last = compiler.compiled(of, asked)
    for step in steps:
        mesh = {**mesh, **dict(step[:1])}
        of, asked = sharing(changing.graph_of(mesh), of), changing.proxies_of(mesh)
        before, last = last, compiler.compiled(of, asked, last)
        fresh = compiler.compiled(of, asked)
        assert bodies(last) == bodies(fresh)
        assert [*last.bundles] == [*fresh.bundles]
        assert all(
            new is old or new != old for proxy, new in last.bundles.items() if (old := before.bundles.get(proxy))
        )


@settings(max_examples=40, deadline=None)
@given(meshes, edits)
def test_what_is_equal_stays_the_same_object(mesh, step):
    """Whole bundles always; single parts unless the caller's scope is another one, whose parts are its own."""
    was, now = changing.graph_of(mesh), changing.graph_of({**mesh, **dict(step)})
    before = compiler.compiled(was, changing.proxies_of(mesh))
    after = compiler.compiled(now, changing.proxies_of({**mesh, **dict(step)}), before)
    for proxy in before.bundles.keys() & after.bundles.keys():
        old, new = before.bundles[proxy], after.bundles[proxy]
        assert new is old or new != old
        if scope(was, proxy) == scope(now, proxy):
            kept = {part: part for part in old}
            assert all(kept.get(part, part) is part for part in new)


def scope(of: graph.Graph, proxy: proxies.Proxy) -> graph.Scope | None:
    return None if isinstance(proxy, proxies.Gateway) else of.scopes[of.deployments[proxy.deployment].service]


@settings(max_examples=40, deadline=None)
@given(meshes)
def test_proxies_share_what_is_equal(mesh):
    """Sidecars of one deployment differ in nothing but the part that holds their addresses, if they capture alike; those
    with IPv6 and without also in their listeners.
    """
    by_deployment: dict[object, list[tuple[object, ...]]] = {}
    for proxy, parts in compiler.compiled(changing.graph_of(mesh), changing.proxies_of(mesh)).bundles.items():
        by_deployment.setdefault((type(proxy), given_by(proxy), capture(proxy)), []).append(parts)
    for bundles in by_deployment.values():
        for parts in bundles:
            assert sum(part is not first for part, first in zip(parts, bundles[0], strict=True)) <= 1


def given_by(proxy: proxies.Proxy) -> object:
    return proxy.given_by if isinstance(proxy, proxies.Gateway) else proxy.deployment


def capture(proxy: proxies.Proxy) -> object:
    at = proxy.capture if isinstance(proxy, proxies.Sidecar) else None
    return at.is_ipv4_only if isinstance(at, proxies.Transparent) else None


@settings(max_examples=40, deadline=None)
@given(meshes)
def test_every_bundle_is_whole(mesh):
    """Nothing refers to what is not there, no name stands twice, no part is empty, no domain stands twice."""
    for parts in compiler.compiled(changing.graph_of(mesh), changing.proxies_of(mesh)).bundles.values():
        assert decoded.dangling(parts) == set()
        assert all(parts)
        names = decoded.names(parts)
        assert len(set(names)) == len(names)
        for domains in decoded.domains(parts):
            assert len(set(domains)) == len(domains)


@settings(max_examples=40, deadline=None)
@given(meshes)
def test_a_proxy_without_a_place_in_the_mesh_has_no_bundle(mesh):
    of = changing.graph_of(mesh)
    bundles = compiler.compiled(of, changing.proxies_of(mesh)).bundles
    assert {given_by(proxy) for proxy in bundles} == {*of.deployments, *of.gateways, *of.deployed}
    gateways = [proxy for proxy in bundles if isinstance(proxy, proxies.Gateway)]
    assert all(of.gateway(proxy.given_by).ref == proxy.gateway for proxy in gateways), "others' are not given"


def test_nothing_for_nobody():
    assert compiler.compiled(graph.Graph(), []).bundles == {}


def test_a_proxy_that_is_asked_for_twice_is_compiled_once():
    mesh = {**dict.fromkeys(changing.PARTS, 3), "proxies": 1}
    asked = changing.proxies_of(mesh)
    once = compiler.compiled(changing.graph_of(mesh), asked)
    assert [*compiler.compiled(changing.graph_of(mesh), [*asked, *reversed(asked)]).bundles] == [*once.bundles]
