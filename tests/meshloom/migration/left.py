"""What the original operator leaves in a cluster: a small mesh as it would be found, and what stands around it."""

from typing import Any

GROUP = "servicemesh.oci.oracle.com/v1beta1"
COMMON = "finalizers.oci.oracle.com/oci-resources"
IMAGE = "iad.ocir.io/oracle/oci-service-operator:1.1.9"
PROXY = "iad.ocir.io/oracle/oci-service-mesh-proxy:1.1.0"
TOKENS = {
    "Mesh": ("mesh", "meshId"),
    "VirtualService": ("meshvirtualservice", "virtualServiceId"),
    "VirtualDeployment": ("meshvirtualdeployment", "virtualDeploymentId"),
    "IngressGateway": ("meshingressgateway", "ingressGatewayId"),
    "AccessPolicy": ("meshaccesspolicy", "accessPolicyId"),
    "VirtualServiceRouteTable": ("meshvirtualserviceroutetable", "virtualServiceRouteTableId"),
    "IngressGatewayRouteTable": ("meshingressgatewayroutetable", "ingressGatewayRouteTableId"),
}

Document = dict[str, Any]


def cloud_id(kind: str, name: str) -> str:
    return f"ocid1.{TOKENS[kind][0]}.oc1.iad.{name}"


def written(kind: str, name: str, spec: Document, **metadata: Any) -> Document:
    """Return an object as the original leaves it: with finalizers, ids of its cloud, and conditions that held once."""
    token = TOKENS.get(kind)
    status = {token[1]: cloud_id(kind, name)} if token else {"meshId": cloud_id("Mesh", "main")}
    finalizers = [f"finalizers.servicemesh.oci.oracle.com/{kind.lower()}-resources", COMMON]
    return {
        "apiVersion": GROUP,
        "kind": kind,
        "metadata": {"name": name, "namespace": "shop", "uid": f"uid-{name}", "finalizers": finalizers, **metadata},
        "spec": spec,
        "status": {**status, "conditions": [condition()], "opcRetryToken": "t"},
    }


def condition() -> Document:
    return {
        "type": "ServiceMeshActive",
        "status": "True",
        "reason": "Successful",
        "message": "x",
        "lastTransitionTime": "2023-07-06T12:00:00Z",
    }


def mesh() -> list[Document]:
    """Return a mesh, a service that belongs to it by its id, a deployment, a gateway and a policy."""
    by_id = {"id": cloud_id("Mesh", "main")}
    listener = {"protocol": "HTTP", "port": 8080}
    return [
        written("Mesh", "main", {"compartmentId": "c", "certificateAuthorities": [{"id": "ocid1.ca.oc1.iad.a"}]}),
        written("VirtualService", "pets", {"compartmentId": "c", "mesh": by_id, "hosts": ["pets"]}),
        written(
            "VirtualDeployment",
            "pets-v1",
            {
                "compartmentId": "c",
                "virtualService": {"ref": {"name": "pets"}},
                "listener": [listener],
                "serviceDiscovery": {"type": "DNS", "hostname": "pets"},
            },
        ),
        written(
            "IngressGateway",
            "front",
            {
                "compartmentId": "c",
                "mesh": {"ref": {"name": "main"}},
                "hosts": [{"name": "shop", "hostnames": ["shop.example"], "listeners": [dict(listener)]}],
            },
        ),
        written(
            "AccessPolicy",
            "all",
            {
                "compartmentId": "c",
                "mesh": {"ref": {"name": "main"}},
                "rules": [
                    {
                        "action": "ALLOW",
                        "source": {"ingressGateway": {"id": cloud_id("IngressGateway", "front")}},
                        "destination": {"virtualService": {"id": cloud_id("VirtualService", "pets")}},
                    }
                ],
            },
        ),
        written(
            "IngressGatewayDeployment",
            "front",
            {
                "ingressGateway": {"ref": {"name": "front"}},
                "deployment": {"autoscaling": {"minPods": 1, "maxPods": 1}},
                "ports": [{"protocol": "TCP", "port": 8080, "serviceport": 80}],
                "service": {"type": "LoadBalancer"},
                "secrets": [{"secretName": "edge"}],
            },
        ),
    ]


def operator(replicas: int = 0, image: str = IMAGE) -> Document:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "oci-service-operator-controller-manager", "namespace": "oci-service-operator-system"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"control-plane": "controller-manager"}},
            "template": {
                "metadata": {"labels": {"control-plane": "controller-manager"}},
                "spec": {"containers": [{"name": "manager", "image": image}]},
            },
        },
    }


def webhooks(kind: str, *names: str, **labels: str) -> Document:
    called = {"name": "oci-service-operator-webhook-service", "namespace": "oci-service-operator-system"}
    resources = ["pods"] if kind.startswith("Mutating") else ["meshes"]
    groups = [""] if kind.startswith("Mutating") else ["servicemesh.oci.oracle.com"]
    versions = ["v1"] if kind.startswith("Mutating") else ["v1beta1"]
    rule = {"apiGroups": groups, "apiVersions": versions, "operations": ["CREATE"], "resources": resources}
    word = "validating" if kind.startswith("Validating") else "servicemesh-mutating"
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": f"oci-service-operator-{word}-webhook-configuration", "uid": "w1", "labels": labels},
        "webhooks": [
            {
                "name": name,
                "clientConfig": {"service": called},
                "rules": [rule],
                "failurePolicy": "Fail" if kind.startswith("Validating") else "Ignore",
                "sideEffects": "None",
                "admissionReviewVersions": ["v1", "v1beta1"],
            }
            for name in names
        ],
    }


VALIDATING = "ValidatingWebhookConfiguration"
MUTATING = "MutatingWebhookConfiguration"
MESH_VALIDATOR = "mesh-validator.servicemesh.oci.oracle.cloud.com"
INJECTOR = "proxy-injector.servicemesh.oci.oracle.com"


def pod(name: str = "pets-7d9f-x1", owner: str = "pets-7d9f", digest: str = "7d9f", **env: str) -> Document:
    owners = [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": owner, "uid": "r1", "controller": True}]
    variables = [{"name": key, "value": value} for key, value in env.items()]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "shop",
            "labels": {"pod-template-hash": digest},
            "ownerReferences": owners,
        },
        "spec": {
            "containers": [
                {"name": "app", "image": "app:1"},
                {"name": "oci-sm-proxy", "image": PROXY, "env": variables},
            ]
        },
    }


def config_map() -> Document:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "oci-service-operator-servicemesh-config", "namespace": "oci-service-operator-system"},
        "data": {"SIDECAR_IMAGE": PROXY, "AUTO_UPDATE_PROXY_VERSION": "true"},
    }
