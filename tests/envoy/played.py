"""Meshes that the evaluator has been asked about, played by real Envoys: what they do with the same questions.

Law: the bytes are those that were evaluated; only certificates are real here, and applications answer who they are.
"""

import contextlib
import json
import pathlib
import socket
import ssl
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping

from meshloom.demo import application, loopback, traffic
from meshloom.demo.processes import Processes, Program
from meshloom.demo.waiting import wait_until
from tests import certificates
from tests.envoy import fixed, worlds
from tests.meaning import meshes
from tests.meaning import written_mesh as w
from tests.meaning.payloads import (
    Answered,
    Arrived,
    Bytes,
    Certificate,
    Closed,
    Hello,
    Outcome,
    Payload,
    Place,
    Request,
)
from tests.translator import bootstraps, decoded
from translator import proxies

ADMIN = 9901
_RECORDS = (0x15, 0x16)
"""How the records of TLS begin: alert, handshake."""
_STATUS = {"7": 403, "12": 404, "14": 503}
"""What Envoy makes of a status for gRPC, the other way round."""


class Played:
    """A mesh with a process for each of its proxies; who shows a certificate gets it from the root that it names."""

    def __init__(self, folder: pathlib.Path, mesh: meshes.Compiled) -> None:
        self.folder, self.mesh = folder, mesh
        self._authorities: dict[str, certificates.Authority] = {}
        self._issued: dict[Certificate, certificates.Files] = {}

    def files(self, shown: Certificate) -> certificates.Files:
        """Return a real certificate in files."""
        if shown not in self._issued:
            by = self._authorities.setdefault(shown.root, certificates.Authority(shown.root))
            self._issued[shown] = by.issued(shown.uris[0], self.folder / f"certificate-{len(self._issued)}")
        return self._issued[shown]

    def programs(self, envoy: str) -> Iterator[tuple[str, Program]]:
        """Yield the address of each proxy and how it is started."""
        for number, (proxy, bundle) in enumerate(self.mesh.bundles.items()):
            address = proxy.address if isinstance(proxy, proxies.Gateway) else proxy.capture.workload_address
            holder = self.files(meshes.shown(self.mesh.written, meshes.owner(self.mesh.written, proxy)))
            boot = {
                "node": {"id": f"proxy-{number}", "cluster": "played"},
                "admin": {"address": {"socket_address": {"address": address, "port_value": ADMIN}}},
                **bootstraps.static_bootstrap(decoded.bundle(bundle), holder),
            }
            path = self.folder / f"proxy-{number}.json"
            path.write_text(json.dumps(boot))
            argv = (envoy, "-c", str(path), "--disable-hot-restart", "--concurrency", "1", "--log-level", "warning")
            yield address, Program(path.stem, argv, path.with_suffix(".log"))

    def outcome(self, place: Place, payload: Request | Bytes | Hello) -> Outcome:
        """Return what becomes of something that is sent to a place."""
        match payload:
            case Request():
                head = dict(payload.headers)
                return _answer(
                    traffic.reply(*place, f"http://{payload.authority}{payload.path}", head), payload.version
                )
            case Bytes():
                with socket.create_connection(place, timeout=20) as bare:
                    return self._said(bare, payload)
            case Hello():
                return self._greeted(place, payload)

    def _greeted(self, place: Place, payload: Hello) -> Outcome:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols([*payload.alpn])
        if payload.certificate:
            files = self.files(payload.certificate)
            context.load_cert_chain(files.chain, files.key)
        line = _line_to_hello(place, context)
        if line:
            return _arrived(line, payload)
        try:
            with (
                socket.create_connection(place, timeout=20) as bare,
                context.wrap_socket(bare, server_hostname=payload.sni or None) as tls,
            ):
                return self._said(tls, payload.inside)
        except (ssl.SSLError, ConnectionError) as refused:
            return Closed(str(refused))

    def _said(self, connection: socket.socket, payload: Request | Bytes) -> Outcome:
        if isinstance(payload, Bytes):
            return self._banner(connection, payload)
        head = f"GET {payload.path} HTTP/1.1\r\nhost: {payload.authority}\r\nconnection: close\r\n\r\n"
        connection.sendall(head.encode())
        got = fixed.read_until_closed(connection)
        if not got:
            return Closed("without an answer")
        status, _, body = got.decode().partition("\r\n\r\n")
        return _answer(traffic.Reply(int(status.split()[1]), body, 0), payload.version)

    def _banner(self, connection: socket.socket, payload: Bytes) -> Outcome:
        if payload.is_first:
            connection.sendall(b"hello\n")
        got = fixed.read_until_closed(connection, lambda got: b"\n" in got).decode()
        return _arrived(got, payload) if got else Closed("without a word")


def _arrived(line: str, payload: Payload) -> Outcome:
    """Return who has got it by the line that it said; a proxy may say in HTTP or in TLS that it is at a loss."""
    if line.startswith(("HTTP/1.1 400", *map(chr, _RECORDS))):
        return Closed("not what is spoken here")
    at, _, port = line.partition("\n")[0].partition(" ")
    return Arrived(at, int(port), payload)


def _line_to_hello(place: Place, context: ssl.SSLContext) -> str:
    """Return the line of an application that has got a handshake as it is; nothing where a proxy takes part in it."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing).do_handshake()
    with socket.create_connection(place, timeout=20) as bare:
        bare.sendall(outgoing.read())
        got = fixed.read_until_closed(bare, lambda got: (got and got[0] in _RECORDS) or b"\n" in got)
        if not got or got[0] in _RECORDS:
            return ""
        return got.partition(b"\n")[0].decode()


def _answer(reply: traffic.Reply, version: int) -> Outcome:
    """Return what an answer says. That of a proxy to a call of gRPC has its status and words in headers of gRPC's own."""
    found = reply.json()
    if not reply.status:
        return Closed(reply.text)
    if found is not None:
        return Arrived(found["version"], int(found["service"]), Request(found["host"], found["path"], version=version))
    if "grpc-status" in reply.headers:
        words = urllib.parse.unquote(reply.headers.get("grpc-message", ""))
        return Answered(_STATUS[reply.headers["grpc-status"]], "", words)
    return Answered(reply.status, "", reply.text)


def is_predicted(found: Outcome, predicted: Iterable[Outcome]) -> bool:
    """Return whether an outcome is one of those that were predicted; of requests who got them and in which form."""
    return any(_is(found, one) for one in predicted)


def _is(found: Outcome, predicted: Outcome) -> bool:
    match found, predicted:
        case Answered(status, _, text), Answered(expected, _, words):
            return status == expected and words in ("", text)
        case Arrived(at, port, Request() as one), Arrived(other, other_port, Request() as two):
            same = (one.authority, one.path) == (two.authority, two.path)
            return (at, port) == (other, other_port) and same
        case Arrived(at, port), Arrived(other, other_port):
            return (at, port) == (other, other_port)
        case Closed(), Closed():
            return True
        case _:
            return False


@contextlib.contextmanager
def playing(folder: pathlib.Path, envoy: str, shorts: Iterable[w.Short]) -> Iterator[Played]:
    """Run the sidecars of a mesh and their applications, which speak HTTP/1 or send a line first."""
    with loopback.claimed_block() as block, contextlib.ExitStack() as stack:
        played = Played(folder, meshes.compiled(_found_by_address(shorts, block.prefix), block.prefix))
        for place, name in played.mesh.network.applications.items():
            stack.enter_context(_application(place, name, _protocols(played.mesh.written)[name]))
        processes = stack.enter_context(Processes())
        started = [(address, processes.start(program)) for address, program in played.programs(envoy)]
        for address, process in started:
            wait_until(
                lambda address=address: traffic.reply(address, ADMIN, "/ready").status == 200,
                f"the proxy at {address} to serve",
                30,
                [process],
            )
        yield played


def _application(place: Place, name: str, protocols: Mapping[int, str]) -> contextlib.AbstractContextManager[object]:
    if protocols[place.port] in w.HTTP_FAMILY:
        return worlds.serving([application.Server(place, application.Role(str(place.port), name))])
    return fixed.speaking_first(*place, f"{name} {place.port}\n".encode())


def _protocols(written: w.Written) -> dict[str, dict[int, str]]:
    services = written.of(w.SERVICE)
    return {"/".join(key): ports for one in services for key, ports in w.deployments(written, one).items()}


def _found_by_address(shorts: Iterable[w.Short], block: str) -> list[w.Short]:
    """Return a mesh whose deployments are found at the addresses that their sidecars will have."""
    given = [*shorts]
    workloads = meshes.compiled(given, block).workloads
    return [_at(short, workloads) for short in given]


def _at(short: w.Short, workloads: Mapping[w.Key, str]) -> w.Short:
    namespace, _, name = short.get(w.DEPLOYMENT, "").partition("/")
    if "serviceDiscovery" not in short or (namespace, name) not in workloads:
        return short
    return {**short, "serviceDiscovery": {"type": "DNS", "hostname": workloads[namespace, name]}}
