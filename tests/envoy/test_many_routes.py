"""As many routes as one may write: four tables of fifteen rules of fifteen destinations, all at once."""

import contextlib

import pytest

from meshloom.demo import application, loopback, split, traffic
from meshloom.demo.processes import Processes
from tests.envoy import fixed, worlds

TABLES, RULES, DESTINATIONS = 4, 15, 15
NAMES = tuple(f"v{number}" for number in range(DESTINATIONS))

pytestmark = pytest.mark.parametrize("variant", [worlds.NEWEST_VARIANT, worlds.OLDEST_VARIANT], ids=str, indirect=True)


def document(kind: str, name: str, spec: str) -> str:
    head = f"apiVersion: servicemesh.oci.oracle.com/v1beta1\nkind: {kind}\nmetadata: {{namespace: t, name: {name}}}\n"
    return f"{head}spec:\n  compartmentId: any\n{spec}---\n"


def service(name: str) -> str:
    return document("VirtualService", name, f"  mesh: {{ref: {{name: main}}}}\n  hosts: [{name}]\n")


def deployment(name: str, owner: str, last: int) -> str:
    found = f"  serviceDiscovery: {{type: DNS, hostname: 127.77.0.{last}}}\n"
    listener = "  listener: [{protocol: HTTP, port: 9080}]\n"
    return document("VirtualDeployment", name, f"  virtualService: {{ref: {{name: {owner}}}}}\n{found}{listener}")


def destinations(table: int, rule: int) -> str:
    """Return all destinations of a rule, of which one gets everything; the last rule of a table shares equally."""
    chosen = favoured(table, rule)
    weighted = ((name, 100 if chosen in ("", name) else 0) for name in NAMES)
    return ", ".join(f"{{virtualDeployment: {{ref: {{name: {name}}}}}, weight: {weight}}}" for name, weight in weighted)


def favoured(table: int, rule: int) -> str:
    return "" if rule == RULES - 1 else NAMES[(table * RULES + rule) % DESTINATIONS]


def table(number: int) -> str:
    rules = "".join(
        f"    - httpRoute: {{path: /t{number}/r{rule}, destinations: [{destinations(number, rule)}]}}\n"
        for rule in range(RULES)
    )
    of = f"  virtualService: {{ref: {{name: wide}}}}\n  priority: {number}\n"
    return document("VirtualServiceRouteTable", f"table{number}", f"{of}  routeRules:\n{rules}")


ALLOWED = "source: {virtualService: {ref: {name: web}}}, destination: {virtualService: {ref: {name: wide}}}"
MESH = "".join(
    (
        document("Mesh", "main", "  certificateAuthorities: [{id: any}]\n  mtls: {minimum: DISABLED}\n"),
        *map(service, ("web", "wide")),
        deployment("web", "web", 1),
        *(deployment(name, "wide", 10 + place) for place, name in enumerate(NAMES)),
        *map(table, range(TABLES)),
        document("AccessPolicy", "p", f"  mesh: {{ref: {{name: main}}}}\n  rules: [{{action: ALLOW, {ALLOWED}}}]\n"),
    )
).removesuffix("---\n")


@pytest.fixture(scope="module")
def mesh(envoy, tmp_path_factory):
    """Run the caller's sidecar; of the others, which are called in clear, the applications stand in the same place."""
    with loopback.claimed_block() as block, contextlib.ExitStack() as stack:
        mesh = fixed.Mesh(tmp_path_factory.mktemp("wide"), block, MESH)
        servers = [application.Server((mesh.workload(name), 9080), application.Role("wide", name)) for name in NAMES]
        stack.enter_context(worlds.serving(servers))
        mesh.start(envoy, stack.enter_context(Processes()), "web")
        yield mesh


def test_every_rule_of_every_table_leads_where_it_says(mesh):
    rules = [(number, rule) for number in range(TABLES) for rule in range(RULES - 1)]
    visitor = traffic.Visitor(mesh.workload("web"), 15000)
    with contextlib.closing(visitor):
        found = [worlds.served_by(visitor.get(f"http://wide/t{number}/r{rule}/x")) for number, rule in rules]
    assert found == [favoured(number, rule) for number, rule in rules]


def test_fifteen_destinations_share_as_they_are_told(mesh):
    shares = dict.fromkeys(NAMES, 1 / DESTINATIONS)
    for number in (0, TABLES - 1):
        replies = traffic.replies(mesh.workload("web"), 15000, f"http://wide/t{number}/r{RULES - 1}", 300)
        lines = split.lines(shares, map(worlds.served_by, replies))
        assert all(line.holds for line in lines), lines


def test_what_no_rule_of_any_table_matches_is_404(mesh):
    assert traffic.reply(mesh.workload("web"), 15000, f"http://wide/t{TABLES}/r0").status == 404
