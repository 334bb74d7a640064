"""Whatever is done to a document, reading and judging it ends in a value, the same one every time."""

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh import resources, rules, workloads
from mesh.documents import Parsed, parsed
from mesh.problems import Problem, Ref

VALID: Mapping[str, Any] = {
    document["kind"]: document
    for document in yaml.safe_load_all("""
apiVersion: servicemesh.oci.oracle.com/v1beta1
kind: Mesh
metadata: {name: zoo, namespace: animals, labels: {team: keepers}, creationTimestamp: "2030-01-31T12:00:00Z"}
spec:
  compartmentId: any
  displayName: The zoo
  description: lions and others
  certificateAuthorities: [{id: zoo-ca}]
  mtls: {minimum: PERMISSIVE}
  freeformTags: {cost: low}
  definedTags: {billing: {centre: "7"}}
---
apiVersion: servicemesh.oci.oracle.com/v1beta1
kind: VirtualService
metadata: {name: lions, namespace: animals}
spec:
  compartmentId: any
  name: lions
  mesh: {ref: {name: zoo}}
  defaultRoutingPolicy: {type: UNIFORM}
  hosts: [lions, "lions.animals.svc.cluster.local:8080", "*.lions.example.com"]
  mtls: {mode: STRICT}
---
apiVersion: servicemesh.oci.oracle.com/v1beta1
kind: VirtualDeployment
metadata: {name: lions-v2, namespace: animals}
spec:
  compartmentId: any
  virtualService: {ref: {name: lions, namespace: animals}}
  serviceDiscovery: {type: DNS, hostname: lions-v2.animals.svc.cluster.local}
  accessLogging: {isEnabled: true}
  listener:
    - {protocol: HTTP, port: 8080, requestTimeoutInMs: 1000, idleTimeoutInMs: 0}
    - {protocol: TCP, port: 5432, idleTimeoutInMs: 1000}
---
apiVersion: servicemesh.oci.oracle.com/v1beta1
kind: VirtualServiceRouteTable
metadata: {name: lions, namespace: animals}
spec:
  compartmentId: any
  virtualService: {ref: {name: lions}}
  priority: 3
  routeRules:
    - httpRoute:
        path: /feed
        pathType: PREFIX
        isGrpc: false
        requestTimeoutInMs: 2000
        destinations:
          - {virtualDeployment: {ref: {name: lions-v1}}, weight: 80, port: 8080}
          - {virtualDeployment: {ref: {name: lions-v2}}, weight: 20, port: 8080}
    - tcpRoute: {destinations: [{virtualDeployment: {id: some-id}, weight: 100}]}
---
apiVersion: servicemesh.oci.oracle.com/v1beta1
kind: AccessPolicy
metadata: {name: feeding, namespace: animals}
spec:
  compartmentId: any
  mesh: {ref: {name: zoo}}
  rules:
    - action: ALLOW
      source: {ingressGateway: {ref: {name: gate}}}
      destination: {virtualService: {ref: {name: lions}}}
    - action: ALLOW
      source: {allVirtualServices: {}}
      destination: {externalService: {tcpExternalService: {ipAddresses: [10.0.0.0/8], ports: [5432]}}}
    - action: ALLOW
      source: {virtualService: {ref: {name: lions}}}
      destination: {externalService: {httpsExternalService: {hostnames: ["*.example.com"], ports: [443]}}}
---
apiVersion: servicemesh.oci.oracle.com/v1beta1
kind: IngressGateway
metadata: {name: gate, namespace: animals}
spec:
  compartmentId: any
  mesh: {ref: {name: zoo}}
  accessLogging: {isEnabled: false}
  hosts:
    - name: visitors
      hostnames: [zoo.example.com]
      listeners:
        - protocol: HTTP
          port: 8443
          tls:
            mode: MUTUAL_TLS
            serverCertificate: {kubeSecretTlsCertificate: {secretName: zoo-tls}}
            clientValidation:
              trustedCaBundle: {kubeSecretCaBundle: {secretName: visitors-ca}}
              subjectAlternateNames: [visitor.example.com]
    - name: keepers
      hostnames: [keepers.example.com]
      listeners: [{protocol: HTTP, port: 8080}]
---
apiVersion: servicemesh.oci.oracle.com/v1beta1
kind: IngressGatewayRouteTable
metadata: {name: gate, namespace: animals}
spec:
  compartmentId: any
  ingressGateway: {ref: {name: gate}}
  routeRules:
    - httpRoute:
        path: /lions
        isPathRewriteEnabled: true
        ingressGatewayHost: {name: visitors, port: 8443}
        destinations: [{virtualService: {ref: {name: lions}}, port: 8080}]
---
apiVersion: servicemesh.oci.oracle.com/v1beta1
kind: VirtualDeploymentBinding
metadata: {name: lions-v2, namespace: animals}
spec:
  virtualDeployment: {ref: {name: lions-v2}}
  target: {service: {ref: {name: lions}, matchLabels: {version: v2}}}
  resources: {limits: {cpu: 200m, memory: 64Mi}, requests: {cpu: 0.1}}
---
apiVersion: servicemesh.oci.oracle.com/v1beta1
kind: IngressGatewayDeployment
metadata: {name: gate, namespace: animals}
spec:
  ingressGateway: {ref: {name: gate}}
  deployment: {autoscaling: {minPods: 1, maxPods: 3}, labels: {tier: edge}}
  ports: [{protocol: TCP, port: 8443, serviceport: 443, name: https}, {port: 8080, serviceport: 80, name: http}]
  service: {type: LoadBalancer, annotations: {speed: high}}
  secrets: [{secretName: zoo-tls}, {secretName: visitors-ca}]
---
apiVersion: v1
kind: Service
metadata: {name: lions, namespace: animals}
spec: {selector: {app: lions}, clusterIP: 10.0.0.9, ports: [{name: http, port: 80, targetPort: web}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: lions-1, namespace: animals, labels: {kubernetes.io/service-name: lions}}
addressType: IPv4
endpoints: [{addresses: [10.1.0.4], conditions: {ready: true}, targetRef: {kind: Pod, name: lions-1}}]
ports: [{name: http, port: 8080}]
---
apiVersion: v1
kind: Pod
metadata: {name: lions-1, namespace: animals, ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: lions}]}
spec: {containers: []}
---
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: lions, namespace: animals, ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: lions}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: lions, namespace: animals}
---
apiVersion: v1
kind: Namespace
metadata: {name: animals}
---
apiVersion: v1
kind: Secret
metadata: {name: zoo-tls, namespace: animals}
data: {tls.crt: YQ==}
stringData: {tls.key: b}
""")
}

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=-1, max_value=70000)
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(["", "*", "/", "a.b:0", "10.0.0.1/8", "TCP", "DNS", "ROUND ROBIN", "\ud800", "a" * 500, "::1"])
    | st.just(10**4000)
)
keys = (
    st.text(max_size=4) | st.sampled_from(["ref", "id", "name", "type", "tls", "spec"]) | st.integers(0, 2) | st.none()
)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4), max_leaves=8
)


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield at
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*at, key))


def inside(value: Any, at: tuple[Any, ...]) -> Any:
    return inside(value[at[0]], at[1:]) if at else value


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    document = copy.deepcopy(VALID[draw(st.sampled_from(sorted(VALID)))])
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.sampled_from([place for place in places(document) if place]))
        owner, key = inside(document, at[:-1]), at[-1]
        match draw(st.sampled_from(["replace", "delete", "repeat", "add"])):
            case "replace":
                owner[key] = draw(anything)
            case "delete" if len(document) > 1:
                del owner[key]
            case "repeat" if isinstance(owner, list):
                owner.append(copy.deepcopy(owner[key]))
            case "add" if isinstance(owner, dict):
                owner[draw(keys)] = draw(anything)
    return document


def judged(document: Any) -> tuple[Parsed, tuple[Problem, ...]]:
    found = parsed(document, Ref("File", "", "zoo.yaml:1"))
    return found, rules.object_problems(found.resource) if found.resource else ()


@pytest.mark.parametrize("kind", sorted(VALID))
def test_the_valid_documents_have_no_problems(kind: str) -> None:
    found, problems = judged(VALID[kind])
    assert found.resource is not None
    assert found.problems == ()
    assert problems == ()


def test_the_valid_documents_cover_every_kind() -> None:
    assert set(VALID) == {*resources.KINDS, *workloads.WORKLOADS}


@settings(max_examples=800, deadline=None)
@given(mutated())
def test_a_changed_document_is_read_and_judged_without_an_exception_and_always_alike(document: Any) -> None:
    before = copy.deepcopy(document)
    found, problems = judged(document)
    assert repr(document) == repr(before)
    assert judged(document) == (found, problems)
    for problem in (*found.problems, *problems):
        assert str(problem).encode()
        assert problem.fault
        assert problem.remedy
        assert len(str(problem)) < 1500
        assert "\n" not in str(problem)


@settings(max_examples=300, deadline=None)
@given(anything)
def test_anything_at_all_is_read_without_an_exception(document: Any) -> None:
    found = parsed(document)
    assert found.resource is None
    assert found.problems


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(VALID)), anything)
def test_any_spec_is_read_without_an_exception(kind: str, spec: Any) -> None:
    judged({**VALID[kind], "spec": spec})


@settings(max_examples=400, deadline=None)
@given(mutated(), mutated())
def test_any_two_versions_are_compared_without_an_exception(old: Any, new: Any) -> None:
    before, after = parsed(old).resource, parsed(new).resource
    if before is not None and after is not None:
        assert rules.transition_problems(before, after) == rules.transition_problems(before, after)


def test_a_document_that_contains_itself_is_read() -> None:
    document = copy.deepcopy(VALID["AccessPolicy"])
    document["spec"]["rules"].append(document["spec"]["rules"])
    document["spec"]["mesh"] = document
    document["status"] = document
    assert parsed(document).resource is None


def test_a_number_too_long_to_be_printed_is_read() -> None:
    document = copy.deepcopy(VALID["IngressGatewayDeployment"])
    document["spec"]["ports"][0]["port"] = 10**6000
    assert [str(problem) for problem in parsed(document).problems] == [
        "IngressGatewayDeployment animals/gate spec.ports[0].port: is a number of more than 64 bits, "
        "above the maximum 65535; lower it"
    ]


def test_a_resource_that_is_written_out_reads_as_itself() -> None:
    for kind in sorted({*resources.KINDS, "Service", "EndpointSlice"}):
        resource = parsed(VALID[kind]).resource
        assert resource is not None
        again = parsed(resource.model_dump(by_alias=True, mode="json"))
        assert again.resource == resource
        assert again.problems == ()
