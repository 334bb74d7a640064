"""What is written is what compiled configuration does: who gets where, with which chances, and who does not.

The same few meshes every day; as many others as the variable MESHLOOM_MEANING_EXAMPLES says.
"""

import itertools
import os
from fractions import Fraction

from hypothesis import HealthCheck, Phase, given, settings

from tests.meaning import drawn, evaluate, meshes, oracle, oracle_doors, oracle_gates
from tests.meaning import written_mesh as w
from tests.meaning.payloads import Answered, Arrived, Bytes, Certificate, Closed, Hello, Place, Request, tunnel

EXAMPLES = int(os.environ.get("MESHLOOM_MEANING_EXAMPLES", "0"))
EVERY_DAY = 40
SETTINGS = settings(
    max_examples=EXAMPLES or EVERY_DAY,
    deadline=None,
    database=None,
    derandomize=not EXAMPLES,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)


def told(chances, is_request=True):
    """Return what the evaluator says in the words of what is expected."""
    found = {}
    for outcome, chance in chances.items():
        one = _told(outcome, is_request)
        found[one] = found.get(one, Fraction(0)) + chance
    return found


def _told(outcome, is_request):
    match outcome:
        case Arrived(at, port, Request(authority=host, path=path)) if is_request:
            return oracle.To(tuple(at.split("/")), port, path, host)
        case Arrived(at, port):
            return oracle.To(tuple(at.split("/")), port)
        case Answered(status):
            return oracle.Status(status)
        case Closed():
            return oracle.Ended()


def differing(pairs):
    """Return each question for which what is found is not what is expected, with both."""
    return {question: (found, expected) for question, found, expected in pairs if found != expected}


ASKED = [
    oracle.Asked(host, port, path, grpc)
    for host in drawn.ASKED_HOSTS
    for port in drawn.ASKED_PORTS
    for path, grpc in ((drawn.PATHS[0], False), *((path, path == "/a") for path in drawn.PATHS[1:]))
]


@SETTINGS
@given(drawn.meshes())
def test_everybody_gets_where_tables_policies_and_modes_say_and_nowhere_else(shorts):
    mesh = meshes.compiled(shorts)
    assert not differing(_requests(mesh))
    assert not differing(_tunnels(mesh))
    assert not differing(_connections(mesh))
    assert not differing(_dialled(mesh))
    assert not differing(_visits(mesh))


# ---------------------------------------------------------------------------- what applications ask of their sidecars


OTHER = {"TCP": Bytes(), "TLS_PASSTHROUGH": Hello(Bytes(), "a", ("h2",))}
"""What applications say in protocols that are not of HTTP."""


def _requests(mesh):
    for number, (deployment, address) in enumerate(mesh.workloads.items()):
        caller = w.service_of(mesh.written, deployment)
        for asked in ASKED[number % 3 :: 3]:
            head = (("content-type", "application/grpc"),) if asked.is_grpc else ()
            request = Request(asked.authority, asked.path, headers=head)
            found = evaluate.sent(mesh.network, Place(address, meshes.HTTP_PROXY), request)
            yield (deployment, asked), told(found), oracle.requested(mesh.written, caller, asked)


def _tunnels(mesh):
    for number, (deployment, address) in enumerate(mesh.workloads.items()):
        caller, inside = w.service_of(mesh.written, deployment), ASKED[number]
        for to in (asked for asked in ASKED[:: len(drawn.PATHS)] if asked.port):
            for payload in (Request(inside.authority, inside.path), Bytes(is_first=False), OTHER["TLS_PASSTHROUGH"]):
                found = evaluate.sent(mesh.network, Place(address, meshes.HTTP_PROXY), tunnel(to.authority, payload))
                expected = oracle.tunnelled(mesh.written, caller, to, inside if isinstance(payload, Request) else None)
                yield (deployment, to, payload), told(found, False), oracle.places(expected)


def _connections(mesh):
    for deployment, address in mesh.workloads.items():
        caller = w.service_of(mesh.written, deployment)
        for (service, port), way in mesh.ways.items():
            for is_first in (True, False):
                found = evaluate.sent(mesh.network, Place(address, way), Bytes(is_first))
                expected = oracle.connected(mesh.written, caller, service, port)
                yield (deployment, service, port, is_first), told(found, False), expected


# ---------------------------------------------------------------------------- who comes from outside


def _visits(mesh):
    for gateway, address in mesh.gates.items():
        for port, host, path, is_grpc in itertools.product(
            drawn.GATE_PORTS, drawn.GATE_HOSTS, drawn.GATE_PATHS, (False, True)
        ):
            visit = oracle_gates.Visit(port, host, path, is_grpc)
            head = (("content-type", "application/grpc"),) if is_grpc else ()
            if Place(address, port) in mesh.network.bound:
                found = evaluate.sent(mesh.network, Place(address, port), Request(host, path, headers=head))
                yield visit, told(found), oracle_gates.visited(mesh.written, gateway, visit)


# ---------------------------------------------------------------------------- who goes past its own sidecar


def _dialled(mesh):
    for asked, place, payload in dialled(mesh):
        found = evaluate.sent(mesh.network, place, payload)
        yield asked, told(found, False), oracle_doors.let_in(mesh.written, asked)


def dialled(mesh):
    """Yield who dials which proxy with what, and where that is."""
    members = [(kind, *key) for kind in (w.SERVICE, w.GATEWAY) for key in mesh.written.of(kind)]
    homes = {member: w.mesh_of(mesh.written, member[0], member[1:]) for member in members}
    for deployment, address in mesh.workloads.items():
        service = w.service_of(mesh.written, deployment)
        for port, protocol in w.deployments(mesh.written, service)[deployment].items():
            for is_tls, is_ours, shown, root in _tries(homes):
                asked = oracle_doors.Dialled(deployment, port, is_tls, is_ours, shown, root)
                yield asked, Place(address, port), _payload(asked, protocol, homes)


def _tries(homes):
    """Yield who tries: in clear, with an application's TLS, with none's, another's and its own certificate."""
    yield from ((False, False, None, None), (True, False, None, None), (True, True, None, None))
    for member in homes:
        for root in (("shop", "main"), ("zoo", "other")):
            yield from ((True, is_ours, member, root) for is_ours in (True, False))


def _payload(dialled, protocol, homes):
    version = 2 if protocol in ("HTTP2", "GRPC") else 1
    inside = Request("any", version=version) if protocol in w.HTTP_FAMILY else OTHER[protocol]
    if not dialled.is_tls:
        return inside
    alpn = ("meshloom", "h2") if dialled.is_ours else ("h2", "http/1.1")
    shown = None
    if dialled.shown:
        kind, *key = dialled.shown
        shown = Certificate("/".join(dialled.root), (w.identity(kind, tuple(key), homes[dialled.shown]),))
    return Hello(inside, "", alpn, shown)
