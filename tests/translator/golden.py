"""Golden cases: a mesh as people write it, and beside it what each proxy of it should be given.

Law: a case is a folder with `mesh.yaml`, whose first line says what the case shows; adding one needs no code. What is
expected stands in `expected/`, a file a proxy, and `problems.yaml` with what users are told. In a case whose name begins
with `proxyless` no deployment has a sidecar, in one that begins with `transparent` they are captured by the kernel. A
Secret without content gets a certificate that is made for the occasion.
Of an access log, which is long and in every listener, only what differs is kept; what is in it is said in
`test_access_log`, and that Envoy loads it in `tests/envoy/test_access_logs.py`.
"""

import pathlib
from collections.abc import Iterator
from typing import Any

import yaml

from mesh import documents, graph, inventory, resolve, workloads
from mesh.problems import Problem
from tests import secrets
from tests.translator import decoded
from translator import compile as compiler
from translator import proxies
from translator.proxies import Proxy
from translator.resources import EncodedResource

FOLDER = pathlib.Path(__file__).with_name("cases")
EXPECTED = "expected"
PROBLEMS = "problems.yaml"
PROXYLESS = "proxyless"
TRANSPARENT = "transparent"


def cases() -> list[str]:
    """Return the names of all cases."""
    return sorted(path.name for path in FOLDER.iterdir())


def produced(case: str) -> dict[str, str]:
    """Return the files of a case as the code of today makes them."""
    problems, made = compilation(case)
    configurations = {_file(proxy): _text(_short(decoded.bundle(parts))) for proxy, parts in made.bundles.items()}
    return {**configurations, PROBLEMS: _text([f"{item.severity.value}: {item}" for item in problems])}


def compilation(case: str) -> tuple[list[Problem], compiler.Compilation]:
    """Return what is wrong with the mesh of a case, and what its proxies get."""
    found = [documents.parsed(document) for document in yaml.safe_load_all((FOLDER / case / "mesh.yaml").read_text())]
    written = inventory.inventory_of(item.resource for item in found if item.resource)
    resolution = resolve.resolve(written.with_changes(_filled(written)))
    problems = [*(problem for item in found for problem in item.problems), *resolution.problems]
    return problems, compiler.compiled(resolution.graph, all_proxies(resolution.graph, case))


def _filled(written: inventory.Inventory) -> Iterator[workloads.Secret]:
    """Yield the Secrets of a case that are written without content, with a certificate, its key and its authority."""
    for secret in written.of(workloads.Secret).values():
        if not secret.data:
            yield secrets.secret(secret.ref.key, secrets.pair())


def encoded(case: str) -> Iterator[EncodedResource]:
    """Yield every resource of a case as it is sent."""
    for parts in compilation(case)[1].bundles.values():
        for part in parts:
            yield from part


def all_proxies(of: graph.Graph, case: str) -> Iterator[Proxy]:
    """Yield a sidecar for each deployment, at addresses counted in its order, and all gateways; or proxyless clients.

    Applications dial services of TCP or TLS_PASSTHROUGH at ports of 127.0.4.1, counted in the order of services.
    """
    if case.startswith(PROXYLESS):
        yield from map(proxies.Proxyless, of.deployments)
        return
    if case.startswith(TRANSPARENT):
        yield from (proxies.Sidecar(ref, proxies.Transparent((9000,))) for ref in of.deployments)
        return
    dialled = enumerate((ref for ref, service in of.services.items() if service.tcp or service.tls), 6000)
    ways = tuple(proxies.TcpWay("127.0.4.1", port, ref) for port, ref in dialled)
    for number, ref in enumerate(of.deployments, 1):
        yield proxies.Sidecar(ref, proxies.Explicit(f"127.0.1.{number}", f"127.0.2.{number}", (), ways))
    yield from (proxies.Gateway(ref, "127.0.3.1") for ref in of.gateways)


def expected(case: str) -> dict[str, str]:
    """Return the files of a case as they are kept."""
    return {path.name: path.read_text() for path in (FOLDER / case / EXPECTED).glob("*")}


def configurations(case: str) -> dict[str, Any]:
    """Return the kept configuration of each proxy of a case."""
    return {name: yaml.safe_load(text) for name, text in sorted(expected(case).items()) if name != PROBLEMS}


def rewrite(case: str, files: dict[str, str]) -> None:
    """Keep these files for a case and no others."""
    folder = FOLDER / case / EXPECTED
    folder.mkdir(exist_ok=True)
    for path in folder.glob("*"):
        path.unlink()
    for name, text in files.items():
        (folder / name).write_text(text)


def _short(of: Any) -> Any:
    """Return a copy with a line in place of each access log."""
    if isinstance(of, list):
        return [_short(item) for item in of]
    if not isinstance(of, dict):
        return of
    return {key: [*map(_line, value)] if key == "access_log" else _short(value) for key, value in of.items()}


def _line(log: dict[str, Any]) -> str:
    fields = log["typed_config"]["log_format"]["json_format"]
    return ", ".join([*(text for text in fields.values() if "%" not in text), f"{len(fields)} fields"])


def _file(proxy: Proxy) -> str:
    match proxy:
        case proxies.Sidecar(deployment=ref):
            return f"sidecar-{ref.namespace}-{ref.name}.yaml"
        case proxies.Gateway(gateway=ref):
            return f"gateway-{ref.namespace}-{ref.name}.yaml"
        case proxies.Proxyless(deployment=ref):
            return f"{PROXYLESS}-{ref.namespace}-{ref.name}.yaml"


def _text(document: Any) -> str:
    return yaml.dump(document, Dumper=_Dumper, sort_keys=True, width=120, allow_unicode=True)


class _Dumper(yaml.SafeDumper):
    """Writes shared values out in full, without anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True
