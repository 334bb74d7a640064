"""The real program under attack: `meshloom serve` with all its doors open, real Envoys, and what an attacker may hold.

An attacker here has whatever the test gives him: a token of some proxy, or a certificate that the mesh's own authority
issued, taken from the state folder that no attacker reads.
"""

import contextlib
import json
import pathlib
import re
import shutil
import ssl
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass

import yaml

from mesh import identity
from mesh.problems import Ref
from meshloom import addresses, bootstrap, secure_ads
from meshloom.demo import edits, loopback, programs, stage, traffic
from meshloom.demo.processes import Process, Processes, Program
from meshloom.demo.waiting import wait_until
from meshloom.identity import claim, home, kept, register, tokens
from meshloom.identity.authority import document, issue, keys, stores
from tests import secrets
from translator import proxies

HERE = pathlib.Path(__file__).parent
WORKLOADS = {"pets": 1, "web": 2, "stranger": 3, "zoo": 4}
"""The last numbers of the addresses of sidecars; applications are 100 addresses on."""

OTHER = "zoo"
HTTP, GRPC, TCP, OUTBOUND, WAY = 9080, 50051, 5432, 15000, 6432
"""Ports: of pets, of a sidecar's way out for HTTP, and of the one that leads to the TCP of pets."""

EDGE = claim.gateway("t/edge", "127.77.0.9")
CERTIFICATE = "gateway/t/edge"
"""The gateway of `main`, and the name of the secret that its listener names."""

SETTLED = "observing: {settle_seconds: 0.05, at_most_seconds: 0.5}\nlimits: {streams_per_peer: 10000}\n"
SERVE = ("-m", "meshloom", "serve")
ANYWHERE = urllib.request.build_opener(urllib.request.ProxyHandler({}))
DAY = 86400.0


@dataclass(frozen=True)
class Pair:
    """Files of a certificate and its key."""

    chain: pathlib.Path
    key: pathlib.Path


class Plane:
    """A control plane on the two meshes of this folder, and the proxies that were started for it."""

    def __init__(self, folder: pathlib.Path, block: loopback.Block, processes: Processes, sockets: pathlib.Path):
        self.folder, self.block, self.processes, self.operator = folder, block, processes, sockets / "operator.sock"
        self.mesh, self.state = folder / "mesh", folder / "state"
        host = block.address(200)
        self.by_token, self.by_certificate = addresses.Socket(host, 15012), addresses.Socket(host, 15013)
        self.health = addresses.Socket(host, 15014)
        self.process: Process
        self._pairs = 0

    # ------------------------------------------------------------------------ the program

    def write(self, name: str, text: str) -> None:
        self.mesh.mkdir(exist_ok=True)
        edits.replace_file(self.mesh / name, self.block.moved(text))

    def serve(self, program: tuple[str, ...] = SERVE) -> None:
        """Start it with every door open and everything logged, and wait until it serves."""
        settings = self.folder / "settings.yaml"
        settings.write_text(SETTLED)
        doors = ("--ads", f"{self.by_token}", "--ads-mtls", f"{self.by_certificate}", "--health", f"{self.health}")
        own = ("--files", f"{self.mesh}", "--state", f"{self.state}", "--operator-socket", f"{self.operator}")
        argv = (sys.executable, *program, *own, *doors, "--settings", f"{settings}", "--debug")
        log = self.folder / "control-plane.log"
        self.process = self.processes.start(Program("control plane", argv, log, programs.IMPORTABLE))
        wait_until(lambda: stage.is_open(self.by_token), "the control plane", 60, [self.process])

    def log(self) -> str:
        return self.process.program.log.read_text()

    def metrics(self) -> str:
        with ANYWHERE.open(f"http://{self.health}/metrics", timeout=10) as answer:
            return answer.read().decode()

    def counted(self, name: str, **labels: str) -> float:
        """Return the sum of a metric over all its children that have these labels."""
        lines = re.findall(rf"^{name}(?:\{{(.*)\}})? (.*)$", self.metrics(), re.MULTILINE)
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        return sum(float(value) for said, value in lines if all(each in said for each in wanted))

    # ------------------------------------------------------------------------ proxies

    def workload(self, name: str) -> str:
        return self.block.address(WORKLOADS[name])

    def application(self, name: str) -> str:
        return self.block.address(WORKLOADS[name] + 100)

    def proxy(self, name: str) -> proxies.Sidecar:
        """Return the sidecar of a service's deployment; those of `main` have a way to the TCP of pets."""
        led = (proxies.TcpWay(self.workload(name), WAY, Ref("VirtualService", "t", "pets"), 0),)
        of = f"{'u' if name == OTHER else 't'}/{name}-v1"
        return claim.sidecar(of, self.workload(name), self.application(name), {}, () if name == OTHER else led)

    def start_proxy(self, name: str, envoy: str, drain: float) -> None:
        """Run the sidecar of a service, which closes connections of replaced listeners after `drain` seconds."""
        folder, host, of = self.folder / name, self.workload(name), self.proxy(name)
        folder.mkdir()
        (folder / "token").touch(mode=0o600)
        (folder / "token").write_text(self.token(name))
        proof = secure_ads.Proof(f"{folder}", f"{self.state / home.ROOT_FILE}", secure_ads.Token(f"{folder}/token"))
        place = bootstrap.Place(self.by_token, host, bootstrap.admin_address(host), proof)
        for file, text in {"envoy.json": json.dumps(bootstrap.bootstrap(of, place)), **proof.files()}.items():
            (folder / file).write_text(text)
        arguments = ("-c", f"{folder / 'envoy.json'}", "--disable-hot-restart", "--concurrency", "1")
        argv = (envoy, *arguments, "--drain-time-s", f"{drain:g}")
        process = self.processes.start(Program(name, argv, self.folder / f"{name}.log"))
        stage.wait_for_proxy(host, (OUTBOUND,), process)

    def stats(self, name: str, pattern: str) -> int:
        """Return the sum of the counters and gauges of a sidecar whose whole name matches an expression."""
        told = traffic.reply(self.workload(name), bootstrap.ADMIN_PORT, "/stats?format=json").json()["stats"]
        return sum(stat.get("value", 0) for stat in told if re.fullmatch(pattern, stat.get("name", "")))

    # ------------------------------------------------------------------------ what an attacker holds

    def token(self, name: str) -> str:
        """Return a token of a sidecar, as `meshloom token create` makes it."""
        return self.token_of(self.proxy(name))

    def token_of(self, proxy: proxies.Proxy) -> str:
        key = register.Folder(self.state).signing()
        return tokens.signed(tokens.issued(claim.owner(proxy), key.id, time.time(), DAY), key.key)

    def identity(self, name: str) -> identity.Identity:
        space, mesh = ("u", "other") if name == OTHER else ("t", "main")
        return identity.Identity(identity.trust_domain(Ref("Mesh", space, mesh)), Ref("VirtualService", space, name))

    def issuer(self, name: str) -> issue.Issuer:
        """Return the authority of a service's mesh."""
        whole = "u.other" if name == OTHER else "t.main"
        stored = stores.FolderStore(self.state / "authorities").read(whole)
        assert stored is not None
        found = document.read(stored.content, self.identity(name).trust_domain).signer.issuer
        assert found is not None
        return found

    def pair(self, name: str) -> Pair:
        """Return a certificate of a service by its mesh's own authority."""
        leaf = issue.leaf(self.issuer(name), keys.generated(), self.identity(name), DAY, time.time())
        self._pairs += 1
        folder = self.state / f"attacker-{self._pairs}"
        folder.mkdir(mode=0o700)
        for file, content in (("chain", leaf.chain), ("key", leaf.key.pem)):
            kept.added(folder / file, content, kept.PRIVATE)
        return Pair(folder / "chain", folder / "key")

    def context(self, name: str | None, *alpn: str) -> ssl.SSLContext:
        """Return the TLS of a client that has a service's certificate, or none, and asks nobody who he is."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols(["meshloom", *alpn])
        if name is not None:
            pair = self.pair(name)
            context.load_cert_chain(pair.chain, pair.key)
        return context


@contextlib.contextmanager
def running(folder: pathlib.Path, program: tuple[str, ...] = SERVE) -> Iterator[Plane]:
    """Run a control plane of one's own until the block ends."""
    sockets = pathlib.Path(tempfile.mkdtemp(prefix="meshloom-"))  # the paths of pytest are too long for a socket
    try:
        with loopback.claimed_block() as block, Processes() as processes:
            plane = Plane(folder, block, processes, sockets)
            for file in ("mesh.yaml", "policy.yaml"):
                plane.write(file, (HERE / file).read_text())
            plane.write("secret-edge.yaml", yaml.safe_dump(secrets.document("t/edge", secrets.pair())))
            plane.serve(program)
            yield plane
    finally:
        shutil.rmtree(sockets)
