"""Rules for IngressGateways."""

import pytest
import yaml

from mesh import rules
from mesh.documents import parsed
from mesh.resources import IngressGateway
from mesh.rules import gateway_conflicts


def gateway(*hosts: str) -> IngressGateway:
    document = {
        "apiVersion": "servicemesh.oci.oracle.com/v1beta1",
        "kind": "IngressGateway",
        "metadata": {"name": "gate", "namespace": "shop"},
        "spec": yaml.safe_load(f"{{compartmentId: a, mesh: {{id: a}}, hosts: [{', '.join(hosts)}]}}"),
    }
    found = parsed(document)
    assert isinstance(found.resource, IngressGateway)
    assert found.problems == ()
    return found.resource


def told(*hosts: str) -> list[str]:
    return [f"{problem.severity_name}: {problem}" for problem in rules.object_problems(gateway(*hosts))]


def host(*listeners: str, names: str = "[a.com]", name: str = "a") -> str:
    return f"{{name: {name}, hostnames: {names}, listeners: [{', '.join(listeners)}]}}"


def http(port: int = 8080, tls: str = "") -> str:
    return f"{{protocol: HTTP, port: {port}{f', tls: {tls}' if tls else ''}}}"


def one_tls(tls: str, protocol: str = "HTTP") -> list[str]:
    return told(host(f"{{protocol: {protocol}, port: 8080, tls: {tls}}}"))


AT = "IngressGateway shop/gate spec.hosts[0]"
LISTENER = f"{AT}.listeners[0]"
CERTIFICATE = "serverCertificate: {kubeSecretTlsCertificate: {secretName: tls}}"
OTHER_CERTIFICATE = "serverCertificate: {kubeSecretTlsCertificate: {secretName: other}}"
BUNDLE = "trustedCaBundle: {kubeSecretCaBundle: {secretName: ca}}"
TLS = f"{{mode: TLS, {CERTIFICATE}}}"
MUTUAL = f"{{mode: MUTUAL_TLS, {CERTIFICATE}, clientValidation: {{{BUNDLE}}}}}"


# ---------------------------------------------------------------------------- hosts and ports


@pytest.mark.parametrize("protocol", ["HTTP", "TLS_PASSTHROUGH"])
def test_2_9_1_a_host_that_is_told_by_name_has_names(protocol: str) -> None:
    assert told(host(f"{{protocol: {protocol}, port: 8080}}", names="[]")) == [
        f"error: {AT}.hostnames: is empty, and a {protocol} listener needs a name; "
        "add the names by which clients call, or `*` for all"
    ]
    assert told(host(f"{{protocol: {protocol}, port: 8080}}", names="['*']")) == []
    assert told(host("{protocol: TCP, port: 8080}", names="[]")) == []


def test_2_9_2_a_gateway_listens_on_ports_without_privilege() -> None:
    assert told(host(http(1024))) == []
    assert told(host(http(443))) == [
        f"error: {LISTENER}.port: is 443, below 1024; "
        "use a higher port and let serviceport of the IngressGatewayDeployment offer the lower one"
    ]


@pytest.mark.parametrize(("port", "use"), [(9901, "administration"), (15006, "statistics"), (15010, "health checks")])
def test_2_13_8_no_listener_stands_on_a_port_of_the_proxy(port: int, use: str) -> None:
    assert told(host(http(port))) == [
        f"error: {LISTENER}.port: the proxy keeps port {port} for {use}; use another port"
    ]
    assert told(host(http(15000))) == []


def test_2_13_9_to_12_host_names_are_judged() -> None:
    assert told(host(http(), names="['a.*', A.com, 'a.com:8080', a.com]")) == [
        f"error: {AT}.hostnames[0]: 'a.*' has a `*` that is not the whole first label; write it as *.example.com",
        f"warning: {AT}.hostnames[1]: 'A.com' has capital letters and is compared as a.com; write it in lower case",
        f"warning: {AT}.hostnames[2]: 'a.com:8080' has a port, which is ignored here; "
        "remove it; the listeners say the port",
        f"warning: {AT}.hostnames[3]: a.com is listed twice; remove one of the two",
    ]


def test_2_13_18_each_host_has_a_name_of_its_own() -> None:
    assert told(host(http(8080)), host(http(8081))) == [
        "warning: IngressGateway shop/gate spec.hosts[1].name: is the name of spec.hosts[0] too, "
        "so that route rules reach both; give each host a name of its own"
    ]


# ---------------------------------------------------------------------------- TLS


@pytest.mark.parametrize(
    "tls",
    [
        TLS,
        MUTUAL,
        f"{{mode: PERMISSIVE, {CERTIFICATE}}}",
        f"{{mode: PERMISSIVE, {CERTIFICATE}, clientValidation: {{{BUNDLE}, subjectAlternateNames: [a.com]}}}}",
        "{mode: DISABLED}",
        "{mode: TLS, serverCertificate: {ociTlsCertificate: {certificateId: a}}}",
    ],
)
@pytest.mark.parametrize("protocol", ["HTTP", "TCP"])
def test_2_9_complete_tls_is_accepted(tls: str, protocol: str) -> None:
    assert one_tls(tls, protocol) == []


@pytest.mark.parametrize("mode", ["TLS", "PERMISSIVE"])
def test_2_9_3_tls_has_a_certificate_from_one_source(mode: str) -> None:
    two = "{ociTlsCertificate: {certificateId: a}, kubeSecretTlsCertificate: {secretName: a}}"
    assert one_tls(f"{{mode: {mode}}}") == [
        f"error: {LISTENER}.tls.serverCertificate: is missing, and mode {mode} needs it; "
        "add it with kubeSecretTlsCertificate"
    ]
    assert one_tls(f"{{mode: {mode}, serverCertificate: {{}}}}") == [
        f"error: {LISTENER}.tls.serverCertificate: is empty; add one of ociTlsCertificate, kubeSecretTlsCertificate"
    ]
    assert one_tls(f"{{mode: {mode}, serverCertificate: {two}}}") == [
        f"error: {LISTENER}.tls.serverCertificate: has ociTlsCertificate and kubeSecretTlsCertificate at once; "
        "keep one of them"
    ]


@pytest.mark.parametrize("validation", ["", ", clientValidation: {}"])
def test_2_9_4_mutual_tls_has_an_authority(validation: str) -> None:
    assert one_tls(f"{{mode: MUTUAL_TLS, {CERTIFICATE}{validation}}}") == [
        f"error: {LISTENER}.tls.clientValidation.trustedCaBundle: is missing, and mode MUTUAL_TLS needs it to check "
        "clients; add it with kubeSecretCaBundle, or set mode to TLS"
    ]


@pytest.mark.parametrize("mode", ["MUTUAL_TLS", "PERMISSIVE"])
def test_2_9_4_an_authority_has_one_source(mode: str) -> None:
    two = "{ociCaBundle: {caBundleId: a}, kubeSecretCaBundle: {secretName: a}}"
    assert one_tls(f"{{mode: {mode}, {CERTIFICATE}, clientValidation: {{trustedCaBundle: {{}}}}}}") == [
        f"error: {LISTENER}.tls.clientValidation.trustedCaBundle: is empty; add one of ociCaBundle, kubeSecretCaBundle"
    ]
    assert one_tls(f"{{mode: {mode}, {CERTIFICATE}, clientValidation: {{trustedCaBundle: {two}}}}}") == [
        f"error: {LISTENER}.tls.clientValidation.trustedCaBundle: has ociCaBundle and kubeSecretCaBundle at once; "
        "keep one of them"
    ]


def test_2_13_17_a_secret_can_have_the_name_that_is_given() -> None:
    tls = (
        "{mode: MUTUAL_TLS, serverCertificate: {kubeSecretTlsCertificate: {secretName: ServerSecret}}, "
        "clientValidation: {trustedCaBundle: {kubeSecretCaBundle: {secretName: my_ca}}}}"
    )
    assert one_tls(tls) == [
        f"warning: {LISTENER}.tls.serverCertificate.kubeSecretTlsCertificate.secretName: 'ServerSecret' cannot be the "
        "name of a Secret; use lower-case letters, digits, `-` and `.`",
        f"warning: {LISTENER}.tls.clientValidation.trustedCaBundle.kubeSecretCaBundle.secretName: 'my_ca' cannot be the "
        "name of a Secret; use lower-case letters, digits, `-` and `.`",
    ]


def test_2_13_19_names_are_checked_only_with_an_authority() -> None:
    assert one_tls(f"{{mode: PERMISSIVE, {CERTIFICATE}, clientValidation: {{subjectAlternateNames: [a]}}}}") == [
        f"error: {LISTENER}.tls.clientValidation.subjectAlternateNames: cannot be checked without trustedCaBundle; "
        "add trustedCaBundle, or remove the names"
    ]


def test_2_13_20_names_of_clients_are_written_in_full() -> None:
    tls = (
        f"{{mode: MUTUAL_TLS, {CERTIFICATE}, clientValidation: {{{BUNDLE}, subjectAlternateNames: [a.b, '*.b', '']}}}}"
    )
    names = f"{LISTENER}.tls.clientValidation.subjectAlternateNames"
    words = "is compared letter by letter and will hardly match; write a name of the client certificate in full"
    assert one_tls(tls) == [f"warning: {names}[1]: '*.b' {words}", f"warning: {names}[2]: '' {words}"]


def test_2_13_21_tls_that_is_ignored_is_told() -> None:
    assert one_tls(TLS, "TLS_PASSTHROUGH") == [
        f"warning: {LISTENER}.tls: is ignored: a TLS_PASSTHROUGH listener hands the encrypted stream on unopened; "
        "remove it, or set protocol to HTTP or TCP"
    ]
    assert one_tls(f"{{mode: DISABLED, {CERTIFICATE}}}") == [
        f"warning: {LISTENER}.tls.mode: is DISABLED, so that certificates are ignored and clients talk in clear; "
        "set it to TLS, or remove the certificates"
    ]
    assert one_tls(f"{{mode: TLS, {CERTIFICATE}, clientValidation: {{{BUNDLE}}}}}") == [
        f"warning: {LISTENER}.tls.clientValidation: is ignored: mode TLS checks no client; "
        "set mode to MUTUAL_TLS, or remove clientValidation"
    ]
    assert one_tls("{mode: DISABLED}", "TLS_PASSTHROUGH") == []


# ---------------------------------------------------------------------------- listeners of one port


def conflicts(first: str, second: str) -> list[str]:
    return [line for line in told(first, second.replace("name: a,", "name: b,", 1)) if "not served" in line]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (host(http()), host(http(), names="[b.com]")),
        (host(http()), host(http())),
        (host(http(tls=TLS)), host(http(tls=TLS))),
        (host(http(tls=TLS)), host(http(tls=MUTUAL), names="[b.com]")),
        (host(http(tls=TLS)), host(http(), names="[b.com]")),
        (host(http(tls=TLS)), host(http(8081, tls=MUTUAL))),
        (host(http(tls=TLS)), host("{protocol: TLS_PASSTHROUGH, port: 8080}", names="[b.com]")),
        (host(http(tls=TLS)), host(http(tls=f"{{mode: TLS, {OTHER_CERTIFICATE}}}"), names="['*.com']")),
        (host(http()), host(http(tls="{mode: DISABLED}"))),
    ],
)
def test_2_9_5_hosts_that_are_told_apart_or_agree_share_a_port(first: str, second: str) -> None:
    assert conflicts(first, second) == []


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        (
            host(http(tls=TLS)),
            host("{protocol: TLS_PASSTHROUGH, port: 8080}"),
            "they have a host name in common, but not the protocol",
        ),
        (host(http(tls=TLS)), host(http()), "they have a host name in common, but not the TLS mode"),
        (
            host(http(tls=TLS), names="['*.com']"),
            host(http(tls=MUTUAL)),
            "they have a host name in common, but not the TLS mode",
        ),
        (
            host(http(tls=TLS)),
            host(http(tls=f"{{mode: TLS, {OTHER_CERTIFICATE}}}")),
            "they have a host name in common, but not the certificates",
        ),
        (host("{protocol: TCP, port: 8080}"), host(http(), names="[b.com]"), "a TCP listener has the port to itself"),
        (
            host("{protocol: TCP, port: 8080}", names="[]"),
            host("{protocol: TCP, port: 8080}", names="[]"),
            "a TCP listener has the port to itself",
        ),
    ],
)
def test_2_9_5_of_two_listeners_that_clash_the_first_is_served(first: str, second: str, reason: str) -> None:
    assert conflicts(first, second) == [
        "error: IngressGateway shop/gate spec.hosts[1].listeners[0]: is not served on port 8080 because of "
        f"spec.hosts[0].listeners[0]: {reason}; use another port, or make both alike"
    ]


def test_2_9_5_a_host_has_one_listener_a_port() -> None:
    assert told(host(http(), http())) == [
        f"error: {AT}.listeners[1]: is not served on port 8080 because of spec.hosts[0].listeners[0]: "
        "its host has a listener on this port already; use another port, or make both alike"
    ]


def test_2_9_5_a_listener_that_lost_takes_nobody_else_out() -> None:
    hosts = (host(http(tls=TLS)), host(http(), names="[a.com, b.com]"), host(http(tls=MUTUAL), names="[b.com]"))
    spec = gateway(*hosts).spec
    assert spec is not None
    found = gateway_conflicts.sorted_listeners(spec)
    assert [placed.at for placed in found.served] == ["spec.hosts[0].listeners[0]", "spec.hosts[2].listeners[0]"]
    assert [placed.at for placed, _, _ in found.refused] == ["spec.hosts[1].listeners[0]"]
