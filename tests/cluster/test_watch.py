"""What is told of a real API server is what is there, as it comes and goes."""

import pytest

from mesh import resources
from mesh.problems import Ref
from mesh.resources import Resource
from tests import written
from tests.cluster import servers, watched
from tests.cluster.watched import applied
from watchers import api_server, kube

GATEWAY = """
IngressGateway: {namespace}/door
mesh: {{ref: {{name: main}}}}
hosts:
- name: all
  hostnames: [shop.example]
  listeners:
  - protocol: HTTP
    port: 8443
    tls:
      mode: TLS
      serverCertificate: {{kubeSecretTlsCertificate: {{secretName: {secret}}}}}
"""


def services(namespace: str) -> kube.Wanted:
    return kube.Wanted((namespace,), followed=watched.kinds_of("Service"), pace=watched.EAGER)


def documents(text: str) -> list[dict[str, object]]:
    import yaml

    return [written.document(short) for short in yaml.safe_load_all(text) if short]


async def test_objects_come_change_and_go(cluster: servers.Cluster, api: api_server.ApiServer, namespace: str) -> None:
    await applied(api, watched.service(namespace, "first"))
    async with watched.watching(cluster.access, services(namespace)) as seen:
        await seen.until_synced()
        assert seen.names("Service") == {"first"}
        await applied(api, watched.service(namespace, "second"))
        await seen.until(lambda: seen.names("Service") == {"first", "second"})
        await applied(api, watched.service(namespace, "first", 81))
        await seen.until(lambda: seen.get("Service", namespace, "first").spec.ports[0].port == 81)
        await api.request("DELETE", api_server.path("v1", "services", namespace, "first"))
        await seen.until(lambda: seen.names("Service") == {"second"})


async def test_nothing_of_other_namespaces_is_followed(
    cluster: servers.Cluster, api: api_server.ApiServer, namespace: str
) -> None:
    async with watched.watching(cluster.access, services(namespace)) as seen:
        await seen.until_synced()
        await applied(api, watched.service("default", f"other-{namespace}"))
        await applied(api, watched.service(namespace, "own"))
        await seen.until(lambda: seen.names("Service"))
        assert seen.names("Service") == {"own"}


async def test_a_list_longer_than_a_page_is_read_to_its_end(
    cluster: servers.Cluster, api: api_server.ApiServer, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(7):
        await applied(api, watched.service(namespace, f"s{number}"))
    monkeypatch.setattr("watchers.reflector.PAGE", 2)
    async with watched.watching(cluster.access, services(namespace)) as seen:
        await seen.until_synced()
        assert len(seen.names("Service")) == 7


async def test_what_the_server_keeps_for_itself_is_no_change(
    cluster: servers.Cluster, api: api_server.ApiServer, namespace: str
) -> None:
    (mesh,) = documents(f"Mesh: {namespace}/main\nmtls: {{minimum: DISABLED}}")
    await applied(api, mesh)
    path = api_server.path(resources.API_VERSION, "meshes", namespace, "main")
    wanted = kube.Wanted((namespace,), followed=watched.kinds_of("Mesh"), pace=watched.EAGER)
    async with watched.watching(cluster.access, wanted) as seen:
        await seen.until_synced()
        before = seen.store.inventory()
        events = seen.standing("Mesh").events
        status = {"apiVersion": resources.API_VERSION, "kind": "Mesh", "status": {"meshId": "some"}}
        await api.applied(f"{path}/status", {**status, "metadata": {"name": "main", "namespace": namespace}})
        await seen.until(lambda: seen.standing("Mesh").events > events)
        assert seen.store.inventory() is before


async def test_of_pods_only_the_metadata_is_asked_for(
    cluster: servers.Cluster, api: api_server.ApiServer, namespace: str
) -> None:
    container = {"name": "app", "image": "none", "env": [{"name": "PASSWORD", "value": "hunter2"}]}
    pod = {"metadata": {"name": "one", "labels": {"app": "pets"}}, "spec": {"containers": [container]}}
    await api.request("POST", api_server.path("v1", "pods", namespace), body=pod)
    wanted = kube.Wanted((namespace,), followed=watched.kinds_of("Pod"), pace=watched.EAGER)
    async with watched.watching(cluster.access, wanted) as seen:
        await seen.until_synced()
        found = seen.get("Pod", namespace, "one")
        assert found is not None
        assert found.metadata.labels == {"app": "pets"}
        assert "hunter2" not in repr(seen.told)


async def test_a_pod_that_has_ended_is_gone(
    cluster: servers.Cluster, api: api_server.ApiServer, namespace: str
) -> None:
    at = api_server.path("v1", "pods", namespace)
    for name in ("one", "two"):
        pod = {"metadata": {"name": name}, "spec": {"containers": [{"name": "app", "image": "none"}]}}
        await api.request("POST", at, body=pod)

    async def end(name: str, phase: str) -> None:
        body = {"status": {"phase": phase}}
        await api.request("PATCH", f"{at}/{name}/status", body=body, content_type=api_server.MERGE_PATCH)

    await end("one", "Succeeded")
    wanted = kube.Wanted((namespace,), followed=watched.kinds_of("Pod"), pace=watched.EAGER)
    async with watched.watching(cluster.access, wanted) as seen:
        await seen.until_synced()
        assert seen.names("Pod") == {"two"}
        await end("two", "Running")
        await end("two", "Failed")
        await seen.until(lambda: not seen.names("Pod"))


def gateway_secrets(resource: Resource) -> tuple[Ref, ...]:
    match resource:
        case resources.IngressGateway(spec=spec, metadata=metadata) if spec:
            tls = spec.hosts[0].listeners[0].tls
            assert tls is not None
            return (Ref("Secret", metadata.namespace, tls.server_certificate.kube_secret_tls_certificate.secret_name),)
        case _:
            return ()


async def test_secrets_that_something_refers_to_are_followed_and_no_others(
    cluster: servers.Cluster, api: api_server.ApiServer, namespace: str
) -> None:
    for name in ("one", "two", "other"):
        secret = {"metadata": {"name": name}, "stringData": {"tls.crt": name}}
        await api.request("POST", api_server.path("v1", "secrets", namespace), body=secret)
    await applied(api, documents(GATEWAY.format(namespace=namespace, secret="one"))[0])
    gateways = watched.kinds_of("IngressGateway")
    wanted = kube.Wanted((namespace,), gateway_secrets, followed=gateways, pace=watched.EAGER)
    async with watched.watching(cluster.access, wanted) as seen:
        await seen.until_synced()
        assert seen.names("Secret") == {"one"}, "what is referred to is there when the source is synced"
        await applied(api, documents(GATEWAY.format(namespace=namespace, secret="two"))[0])
        await seen.until(lambda: seen.names("Secret") == {"two"})
        told = [getattr(event, "resource", None) for event in seen.told]
        at = [one.ref.name for one in told if one is not None]
        assert at[-2:] == ["two", "door"], "a Secret comes before what refers to it"
        patch = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "two"}, "stringData": {"tls.crt": "new"}}
        before = seen.get("Secret", namespace, "two")
        await api.applied(api_server.path("v1", "secrets", namespace, "two"), patch)
        await seen.until(lambda: seen.get("Secret", namespace, "two") is not before)
        await api.request("DELETE", api_server.path(resources.API_VERSION, "ingressgateways", namespace, "door"))
        await seen.until(lambda: not seen.names("Secret"))
    assert "other" not in repr(seen.told)


async def test_a_secret_that_is_not_there_holds_nothing_up(
    cluster: servers.Cluster, api: api_server.ApiServer, namespace: str
) -> None:
    await applied(api, documents(GATEWAY.format(namespace=namespace, secret="absent"))[0])
    gateways = watched.kinds_of("IngressGateway")
    wanted = kube.Wanted((namespace,), gateway_secrets, followed=gateways, pace=watched.EAGER)
    async with watched.watching(cluster.access, wanted) as seen:
        await seen.until_synced()
        assert (seen.names("IngressGateway"), seen.names("Secret")) == ({"door"}, set())
        secret = {"metadata": {"name": "absent"}, "stringData": {"tls.crt": "here"}}
        await api.request("POST", api_server.path("v1", "secrets", namespace), body=secret)
        await seen.until(lambda: seen.names("Secret") == {"absent"})


async def test_of_chosen_namespaces_each_is_followed_by_its_name(
    cluster: servers.Cluster, api: api_server.ApiServer, namespace: str
) -> None:
    wanted = kube.Wanted((namespace,), followed=watched.kinds_of("Namespace"), pace=watched.EAGER)
    async with watched.watching(cluster.access, wanted) as seen:
        await seen.until_synced()
        assert seen.names("Namespace") == {namespace}
        labels = {"metadata": {"labels": {"team": "pets"}}}
        path = api_server.path("v1", "namespaces", name=namespace)
        await api.request("PATCH", path, body=labels, content_type=api_server.MERGE_PATCH)
        await seen.until(lambda: seen.get("Namespace", "", namespace).metadata.labels.get("team") == "pets")


async def test_a_secret_that_may_not_be_read_holds_nothing_up_and_a_role_for_its_name_is_enough(
    cluster: servers.Cluster, api: api_server.ApiServer, namespace: str
) -> None:
    await applied(api, documents(GATEWAY.format(namespace=namespace, secret="hidden"))[0])
    verbs = ("--verb=get,list,watch", "--resource=ingressgateways.servicemesh.oci.oracle.com")
    cluster.kubectl("-n", namespace, "create", "role", "gateways", *verbs)
    user = f"gateways-{namespace}"
    cluster.kubectl("-n", namespace, "create", "rolebinding", "gateways", "--role=gateways", f"--user={user}")
    wanted = kube.Wanted((namespace,), gateway_secrets, followed=watched.kinds_of("IngressGateway"), pace=watched.EAGER)
    async with watched.watching(api_server.Access(str(cluster.kubeconfig_of(user))), wanted) as seen:
        await seen.until_synced()
        assert seen.names("IngressGateway") == {"door"}
        assert seen.standing("Secret").is_synced
        assert seen.problems() == [
            f"Secret {namespace}/hidden: meshloom may not list and watch it, so it counts as absent unless it was seen "
            "before; give its ServiceAccount the verbs get, list and watch for it"
        ]
        secret = {"metadata": {"name": "hidden"}, "stringData": {"tls.crt": "here"}}
        await api.request("POST", api_server.path("v1", "secrets", namespace), body=secret)
        by_name = ("--verb=get,list,watch", "--resource=secrets", "--resource-name=hidden")
        cluster.kubectl("-n", namespace, "create", "role", "one", *by_name)
        cluster.kubectl("-n", namespace, "create", "rolebinding", "one", "--role=one", f"--user={user}")
        await seen.until(lambda: seen.names("Secret") == {"hidden"} and not seen.problems())
