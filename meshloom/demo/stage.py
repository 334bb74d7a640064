"""Programs of a site started in their order, each waited for until it does its work.

Law: ready means that a real request would be answered: a port accepts, a health check says yes.
"""

import functools
import http.client
from collections.abc import Iterable

from meshloom import addresses, bootstrap
from meshloom.demo import cast, loopback, programs
from meshloom.demo.processes import Process, Processes
from meshloom.demo.programs import Site
from meshloom.demo.waiting import wait_until


def started_control_plane(site: Site, processes: Processes, within: float = 30.0) -> Process:
    """Start the control plane and wait until it accepts proxies."""
    process = processes.start(programs.control_plane(site))
    wait_until(lambda: is_open(site.control_plane), f"the control plane at {site.control_plane}", within, [process])
    return process


def started_applications(site: Site, processes: Processes, pairs: Iterable[cast.Pair]) -> None:
    """Start the sample applications and wait until they accept."""
    started = [(pair, processes.start(programs.application(site, pair))) for pair in pairs if pair.ports]
    for pair, process in started:
        _wait_for_ports(pair.application, pair.ports, process)


def started_proxies(
    site: Site, processes: Processes, gates: Iterable[cast.Gate], pairs: Iterable[cast.Pair]
) -> dict[str, Process]:
    """Start Envoys side by side and wait until all serve; return them by the address they bind."""
    of_gates = [(gate.address, gate.ports, programs.gateway(site, gate)) for gate in gates]
    of_pairs = [(pair.workload, (*pair.ports, 15000), programs.sidecar(site, pair)) for pair in pairs]
    started = [(host, ports, processes.start(program)) for host, ports, program in (*of_gates, *of_pairs)]
    for host, ports, process in started:
        wait_for_proxy(host, ports, process)
    return {host: process for host, _, process in started}


def is_serving(host: str) -> bool:
    """Whether the Envoy at this address has its first configuration, by its own health listener."""
    connection = http.client.HTTPConnection(host, bootstrap.HEALTH_PORT, timeout=2)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def is_open(address: addresses.Socket) -> bool:
    """Whether something accepts connections there."""
    return loopback.accepts(address.host, address.port)


def wait_for_proxy(host: str, ports: Iterable[int], process: Process) -> None:
    """Wait until an Envoy has its first configuration and accepts connections on these ports."""
    wait_until(lambda: is_serving(host), f"{process.name} to be configured", 30.0, [process])
    _wait_for_ports(host, ports, process)


def _wait_for_ports(host: str, ports: Iterable[int], process: Process) -> None:
    for port in ports:
        wait_until(functools.partial(loopback.accepts, host, port), f"{process.name} at {host}:{port}", 15, [process])
