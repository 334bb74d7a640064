"""Which Secrets the proxies of a gateway get in a cluster: of each IngressGatewayDeployment's namespace, what it lists."""

import pytest

from mesh import graph, resolve
from mesh.certificates import Use
from mesh.problems import Problem, Ref, Severity
from mesh.workloads import Secret
from tests import secrets, written

DOOR = Ref("IngressGateway", "shop", "door")
NEAR, FAR = Ref("IngressGatewayDeployment", "shop", "near"), Ref("IngressGatewayDeployment", "edge", "far")
TLS = "tls: {mode: TLS, serverCertificate: {SOURCE}}"
NAMED = "kubeSecretTlsCertificate: {secretName: %s}"


def listener(port: int, source: str = "") -> str:
    tls = f", {TLS.replace('SOURCE', source)}" if source else ""
    return f"{{protocol: HTTP, port: {port}{tls}}}"


def door(*listeners: str) -> str:
    listed = ", ".join(
        f"{{name: h{place}, hostnames: [h{place}.example], listeners: [{one}]}}" for place, one in enumerate(listeners)
    )
    return f"{written.MESH}---\nIngressGateway: shop/door\nmesh: {{ref: {{name: main}}}}\nhosts: [{listed}]\n"


def deployed(ref: Ref, *names: str) -> str:
    listed = ", ".join(f"{{secretName: {name}}}" for name in names)
    return (
        f"---\nIngressGatewayDeployment: {ref.key}\ningressGateway: {{ref: {{namespace: shop, name: door}}}}\n"
        "deployment: {autoscaling: {minPods: 1, maxPods: 1}}\n"
        f"ports: [{{port: 8080}}, {{port: 8443}}, {{port: 8444}}]\nsecrets: [{listed}]\n"
    )


BOTH = door(listener(8080), listener(8443, NAMED % "one"), listener(8444, NAMED % "two"))


def there(*keys: str) -> tuple[Secret, ...]:
    return tuple(secrets.secret(key, secrets.pair()) for key in keys)


def meant(text: str, *those: Secret, in_cluster: bool = True, ids: dict[str, Ref] | None = None) -> resolve.Resolution:
    reading = resolve.Settings(in_cluster=in_cluster, gateway_secrets=ids or {})
    return resolve.resolve(written.of(text).with_changes(those), settings=reading)


def shown(of: graph.Gateway) -> dict[int, str | None]:
    """Return the ports that are served, with the Secret of each."""
    return {port.port: host.tls.certificate.key if host.tls else None for port in of.ports for host in port.hosts}


def faults(made: resolve.Resolution) -> list[Problem]:
    return [one for one in made.problems if one.severity is Severity.ERROR]


def errors(made: resolve.Resolution) -> list[str]:
    return [str(one) for one in faults(made)]


def test_each_deployment_gives_what_it_lists_of_its_own_namespace() -> None:
    text = BOTH + deployed(NEAR, "one") + deployed(FAR, "one", "two")
    made = meant(text, *there("shop/one", "shop/two", "edge/one", "edge/two"))
    assert shown(made.graph.deployed[NEAR]) == {8080: None, 8443: "shop/one"}
    assert shown(made.graph.deployed[FAR]) == {8080: None, 8443: "edge/one", 8444: "edge/two"}
    assert shown(made.graph.gateways[DOOR]) == {8080: None, 8443: "shop/one", 8444: "shop/two"}
    near, far, home = made.graph.deployed[NEAR], made.graph.deployed[FAR], made.graph.gateways[DOOR]
    assert near.identity == far.identity == home.identity
    assert (near.ref, far.ref) == (DOOR, DOOR)


def test_what_is_behind_a_listener_is_one_object_for_all() -> None:
    made = meant(BOTH + deployed(FAR, "one"), *there("shop/one", "edge/one"))
    (_, home), (_, far) = made.graph.gateways[DOOR].ports, made.graph.deployed[FAR].ports
    assert home.hosts[0].routes is far.hosts[0].routes


def test_2_13_32_a_secret_that_is_not_listed_is_not_looked_at_and_its_listener_not_served() -> None:
    made = meant(BOTH + deployed(NEAR, "one"), *there("shop/one", "shop/two"))
    assert made.graph.deployed[NEAR].ports[-1].port == 8443
    assert errors(made) == [
        "IngressGatewayDeployment shop/near spec.secrets: Secret two, which a listener of IngressGateway shop/door "
        "names, is not among the secrets, so that the listener is not served; add secretName: two"
    ]


def test_the_name_of_a_listener_whose_secret_is_not_listed_is_nobody_elses() -> None:
    text = door(listener(8443, NAMED % "one"), listener(8443, NAMED % "two")) + deployed(NEAR, "one")
    (port,) = meant(text, *there("shop/one", "shop/two")).graph.deployed[NEAR].ports
    assert port.withheld == ("h1.example",)


def test_2_9_6_what_is_listed_and_missing_or_broken_is_said_of_the_deployment_and_not_of_the_gateway() -> None:
    broken = secrets.secret("edge/two", {"tls.crt": secrets.pair().chain})
    made = meant(BOTH + deployed(FAR, "one", "two", "spare"), broken)
    assert shown(made.graph.deployed[FAR]) == {8080: None}
    rest = "so that listeners of IngressGateway shop/door which name it are not served; see that it holds tls.crt (the"
    assert [one.partition(" certificate, then")[0] for one in errors(made)] == [
        f"IngressGatewayDeployment edge/far spec.secrets[0].secretName: Secret edge/one does not exist, {rest}",
        f"IngressGatewayDeployment edge/far spec.secrets[1].secretName: Secret edge/two has no tls.key, {rest}",
    ]


def test_a_gateway_that_nobody_deploys_has_its_secrets_beside_it() -> None:
    made = meant(BOTH, *there("shop/two"))
    assert shown(made.graph.gateways[DOOR]) == {8080: None, 8444: "shop/two"}
    (problem,) = made.problems
    assert (problem.subject, "Secret shop/one does not exist" in problem.fault) == (DOOR, True)


def test_what_is_missing_beside_a_gateway_that_is_deployed_is_known_and_not_told() -> None:
    made = meant(BOTH + deployed(FAR, "one", "two"), *there("edge/one", "edge/two"))
    assert faults(made) == []
    assert [one.subject for one in made.missed_at_home(DOOR)] == [DOOR, DOOR]
    assert meant(BOTH, *there("shop/two")).missed_at_home(DOOR) == (), "it is among the problems"


def test_secrets_that_no_proxy_needs_are_told_apart() -> None:
    text = BOTH + deployed(FAR, "one")
    made = meant(text, *there("shop/one", "edge/one"))
    beside = {(Ref("Secret", "shop", name), Use.SERVER) for name in ("one", "two")}
    assert {*made.gateway_secrets} == {*beside, (Ref("Secret", "edge", "one"), Use.SERVER)}
    assert made.unused_secrets(()) == beside
    assert made.unused_secrets([DOOR]) == frozenset()
    assert meant(BOTH).unused_secrets(()) == frozenset()


def test_what_an_id_stands_for_needs_no_list_and_is_the_gateways_affair() -> None:
    text = door(listener(8443, "ociTlsCertificate: {certificateId: known}")) + deployed(FAR)
    ids = {"known": Ref("Secret", "platform", "cert")}
    assert shown(meant(text, *there("platform/cert"), ids=ids).graph.deployed[FAR]) == {8443: "platform/cert"}
    for some in (ids, {}):
        lacking = meant(text, ids=some)
        assert lacking.graph.deployed[FAR].ports == ()
        assert [one.subject for one in faults(lacking)] == [DOOR]


def test_a_deployment_whose_reference_is_refused_gives_nothing() -> None:
    reading = resolve.Settings(in_cluster=True, crossings=resolve.Crossings(resolve.CrossNamespace.SAME))
    made = resolve.resolve(written.of(BOTH + deployed(FAR, "one")).with_changes(there("edge/one")), settings=reading)
    assert made.graph.deployed == {}
    assert {ref.key for ref, _ in made.gateway_secrets} == {"shop/one", "shop/two"}


@pytest.mark.parametrize("names", [(), ("one", "two")])
def test_in_files_the_list_of_a_deployment_narrows_nothing(names: tuple[str, ...]) -> None:
    made = meant(BOTH + deployed(FAR, *names), *there("shop/one", "shop/two"), in_cluster=False)
    assert made.graph.deployed == {}
    assert shown(made.graph.gateways[DOOR]) == {8080: None, 8443: "shop/one", 8444: "shop/two"}
    assert errors(made) == []
    said = [str(one) for one in made.problems if "spec.secrets" in str(one)]
    assert len(said) == 2 - len(names)
    assert all("so that in a cluster the listener is not served" in one for one in said)


def test_another_list_is_a_matter_of_that_deployment_alone() -> None:
    text = BOTH + deployed(NEAR, "one") + deployed(FAR, "one")
    first = meant(text, *there("shop/one", "edge/one", "edge/two"))
    (edit,) = written.objects(deployed(FAR, "one", "two"))
    second = resolve.resolve(first.inventory.with_changes([edit]), first, {edit.ref}, first.settings)
    assert shown(second.graph.deployed[FAR]) == {8080: None, 8443: "edge/one", 8444: "edge/two"}
    assert second.graph.deployed[NEAR] is first.graph.deployed[NEAR]
    assert second.graph.gateways is first.graph.gateways


def test_a_new_certificate_changes_nothing_of_a_deployment() -> None:
    first = meant(BOTH + deployed(FAR, "one", "two"), *there("edge/one", "edge/two"))
    again = secrets.secret("edge/one", secrets.authority().pair())
    second = resolve.resolve(first.inventory.with_changes([again]), first, {again.ref}, first.settings)
    assert second.graph is first.graph
