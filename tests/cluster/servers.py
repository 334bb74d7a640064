"""A real kube-apiserver with its etcd, started and stopped by the tests."""

import base64
import contextlib
import datetime
import itertools
import os
import pathlib
import random
import shutil
import signal
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from watchers import api_server

CRDS = pathlib.Path(__file__).parents[2] / "deploy" / "crds"
WANTED = "KUBEBUILDER_ASSETS"
"""This variable of the environment names the folder of kube-apiserver, etcd and kubectl; setup-envtest prints it."""
PROGRAMS = ("etcd", "kube-apiserver", "kubectl")
READY_SECONDS = 120.0
STOP_SECONDS = 20.0

_DAY = datetime.timedelta(days=1)


def missing() -> str:
    """Return why there can be no API server, empty if there can."""
    folder = os.environ.get(WANTED, "")
    if not folder:
        return f"{WANTED} names no folder with {', '.join(PROGRAMS)}; `setup-envtest use -p path` prints one"
    absent = [name for name in PROGRAMS if shutil.which(name, path=folder) is None]
    return f"{WANTED}: {folder} has no {', '.join(absent)}" if absent else ""


@dataclass(slots=True)
class Cluster:
    """A control plane of Kubernetes without nodes: what is applied stays as it is."""

    folder: pathlib.Path
    assets: pathlib.Path
    port: int
    etcd_port: int
    peer_port: int
    running: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Return where the API server is."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def etcd_url(self) -> str:
        """Return where etcd is; its JSON gateway is there, too."""
        return f"http://127.0.0.1:{self.etcd_port}"

    @property
    def kubeconfig(self) -> pathlib.Path:
        """Return the kubeconfig of the administrator."""
        return self.folder / "admin.kubeconfig"

    @property
    def authority(self) -> pathlib.Path:
        """Return the certificate of the cluster's authority."""
        return self.folder / "ca.crt"

    @property
    def access(self) -> api_server.Access:
        """Return the administrator's way in."""
        return api_server.Access(str(self.kubeconfig))

    def kubectl(self, *arguments: str, text: str | None = None) -> str:
        """Return what kubectl prints as the administrator. Raises AssertionError with its words if it fails."""
        command = [str(self.assets / "kubectl"), "--kubeconfig", str(self.kubeconfig), *arguments]
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr or done.stdout}"
        return done.stdout

    def kubeconfig_of(self, user: str, groups: Sequence[str] = ()) -> pathlib.Path:
        """Return a kubeconfig of this user, known by a client certificate; what the user may do RBAC says."""
        written = self.folder / f"{user.replace(':', '-')}.kubeconfig"
        _write_kubeconfig(self, written, user, groups)
        return written

    def kubeconfig_with(self, token: str, name: str) -> pathlib.Path:
        """Return a kubeconfig of whoever has this token."""
        written = self.folder / f"{name}.kubeconfig"
        _written(written, _document(self, {"token": token}))
        return written

    def start(self) -> None:
        """Start what does not run, and wait until it is ready."""
        self._start("etcd", _etcd(self))
        self._start("kube-apiserver", _api_server(self))
        self._wait_ready()

    def stop(self, name: str, number: signal.Signals = signal.SIGTERM) -> None:
        """End `etcd` or `kube-apiserver`; SIGKILL is a crash."""
        process = self.running.pop(name)
        process.send_signal(signal.SIGCONT)
        process.send_signal(number)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_SECONDS)

    def close(self) -> None:
        """End everything."""
        for name in ("kube-apiserver", "etcd"):
            if name in self.running:
                self.stop(name, signal.SIGKILL)

    def _start(self, name: str, options: Sequence[str]) -> None:
        if name in self.running and self.running[name].poll() is None:
            return
        with (self.folder / f"{name}.log").open("ab") as log:
            command = [str(self.assets / name), *options]
            self.running[name] = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def _wait_ready(self) -> None:
        trusted = ssl.create_default_context(cafile=str(self.authority))
        trusted.load_cert_chain(self.folder / "admin.crt", self.folder / "admin.key")
        until, said = time.monotonic() + READY_SECONDS, ""
        while time.monotonic() < until:
            ended = [name for name, process in self.running.items() if process.poll() is not None]
            assert not ended, f"{ended[0]} has ended:\n{self._end_of(ended[0])}"
            try:
                with urllib.request.urlopen(f"{self.url}/readyz", timeout=5, context=trusted) as answer:
                    if answer.status == 200:
                        return
            except OSError as fault:
                said = str(fault)
            time.sleep(0.1)
        raise AssertionError(f"the API server is not ready: {said}\n{self._end_of('kube-apiserver')}")

    def _end_of(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")[-2000:]


@contextlib.contextmanager
def running(folder: pathlib.Path) -> Iterator[Cluster]:
    """Yield a cluster that runs, all of whose files are in this folder."""
    assets = pathlib.Path(os.environ[WANTED])
    cluster = Cluster(folder, assets, *free_ports(3))
    _prepare(cluster)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.close()


# ---------------------------------------------------------------------------- programs


def _etcd(cluster: Cluster) -> list[str]:
    peers = f"http://127.0.0.1:{cluster.peer_port}"
    return [
        *("--data-dir", str(cluster.folder / "etcd"), "--unsafe-no-fsync", "--log-level=warn"),
        *("--listen-client-urls", cluster.etcd_url, "--advertise-client-urls", cluster.etcd_url),
        *("--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers, "--initial-cluster", f"default={peers}"),
    ]


@contextlib.contextmanager
def with_kinds(folder: pathlib.Path) -> Iterator[Cluster]:
    """Yield a cluster that runs and knows the kinds of the mesh."""
    with running(folder) as cluster:
        cluster.kubectl("apply", "--server-side", "-f", str(CRDS))
        cluster.kubectl("wait", "--for=condition=Established", "--timeout=60s", "-f", str(CRDS))
        yield cluster


def _api_server(cluster: Cluster) -> list[str]:
    at = cluster.folder
    return [
        *("--etcd-servers", cluster.etcd_url, "--bind-address", "127.0.0.1", "--advertise-address", "127.0.0.1"),
        *("--secure-port", str(cluster.port), "--service-cluster-ip-range", "10.96.0.0/16", "--allow-privileged"),
        *("--authorization-mode", "RBAC", "--endpoint-reconciler-type", "none", "--client-ca-file", f"{at}/ca.crt"),
        *("--tls-cert-file", f"{at}/server.crt", "--tls-private-key-file", f"{at}/server.key"),
        *("--service-account-issuer", "https://kubernetes.default.svc"),
        *("--service-account-key-file", f"{at}/accounts.key"),
        *("--service-account-signing-key-file", f"{at}/accounts.key"),
        *("--disable-admission-plugins", "ServiceAccount"),  # pods without the controllers that make their accounts
        *("--watch-cache-sizes", "endpointslices.discovery.k8s.io#1000"),
    ]


def free_ports(count: int) -> list[int]:
    """Return so many ports of the loopback address that nobody uses now.

    Whoever connects somewhere is given none of these: programs are stopped and started again on them.
    """
    first = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    ports = range(first // 2, first)
    return list(itertools.islice(filter(_is_free, random.sample(ports, len(ports))), count))


def _is_free(port: int) -> bool:
    with socket.socket() as asking:
        try:
            asking.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


# ---------------------------------------------------------------------------- certificates


def _prepare(cluster: Cluster) -> None:
    at = cluster.folder
    key = ec.generate_private_key(ec.SECP256R1())
    _written(at / "ca.key", _pem(key))
    subject = _name("test cluster", ())
    builder = _builder(subject, subject, key).add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
    _written(at / "ca.crt", builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    _written(at / "accounts.key", _pem(rsa.generate_private_key(65537, 2048)))
    _issue(cluster, "server", _name("kube-apiserver", ()), _SERVER)
    _issue(cluster, "admin", _name("admin", ("system:masters",)), ())
    _write_kubeconfig(cluster, cluster.kubeconfig, "admin", ("system:masters",))


_SERVER = ("localhost", "127.0.0.1", "kubernetes.default.svc")


def _issue(cluster: Cluster, stem: str, subject: x509.Name, names: Sequence[str]) -> None:
    at = cluster.folder
    ca = x509.load_pem_x509_certificate((at / "ca.crt").read_bytes())
    ca_key = serialization.load_pem_private_key((at / "ca.key").read_bytes(), None)
    assert isinstance(ca_key, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    usage = ExtendedKeyUsageOID.SERVER_AUTH if names else ExtendedKeyUsageOID.CLIENT_AUTH
    builder = _builder(subject, ca.subject, key).add_extension(x509.ExtendedKeyUsage([usage]), False)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), False)
    _written(at / f"{stem}.crt", builder.sign(ca_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    _written(at / f"{stem}.key", _pem(key))


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + _DAY)
    )


def _name(common: str, groups: Sequence[str]) -> x509.Name:
    parts = [(NameOID.ORGANIZATION_NAME, group) for group in groups]
    return x509.Name([x509.NameAttribute(of, text) for of, text in (*parts, (NameOID.COMMON_NAME, common))])


def _general(name: str) -> x509.GeneralName:
    import ipaddress

    return x509.IPAddress(ipaddress.ip_address(name)) if name[0].isdigit() else x509.DNSName(name)


def _pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def _written(path: pathlib.Path, content: bytes) -> None:
    path.touch(0o600)
    path.write_bytes(content)


def _write_kubeconfig(cluster: Cluster, path: pathlib.Path, user: str, groups: Sequence[str]) -> None:
    stem = path.stem
    _issue(cluster, stem, _name(user, groups), ())
    held = {
        "client-certificate-data": _base64(cluster.folder / f"{stem}.crt"),
        "client-key-data": _base64(cluster.folder / f"{stem}.key"),
    }
    _written(path, _document(cluster, held))


def _document(cluster: Cluster, user: dict[str, str]) -> bytes:
    there = {"server": cluster.url, "certificate-authority-data": _base64(cluster.authority)}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": there}],
        "users": [{"name": "test", "user": user}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
    }
    return yaml.safe_dump(document).encode()


def _base64(path: pathlib.Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
