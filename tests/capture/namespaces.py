"""Network namespaces that the tests make: workloads around a hub that routes between them, with IPv4 and IPv6.

Law: every name is new, for what a killed run left may still be there; what was made is removed, whatever happens.
"""

import concurrent.futures
import contextlib
import ctypes
import os
import pathlib
import secrets
import subprocess
from collections.abc import Callable, Iterator
from typing import TypeVar

V = TypeVar("V")

HUB = "10.77.250.1"
"""Where the hub is reached by all."""

_CLONE_NEWNET = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)


class Namespace:
    """A network namespace; what is done in it is done by a thread of its own, as root or as another user."""

    def __init__(self, run: str, name: str, number: int) -> None:
        self.name = f"ml{run}{name}"
        self.four, self.six = f"10.77.{number}.2", f"fd77::{number}:2"
        self.gateways = f"10.77.{number}.1", f"fd77::{number}:1"
        self.link = f"ml{run}v{number}"
        self._threads: dict[int, concurrent.futures.ThreadPoolExecutor] = {}

    def run(self, *argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a program in it to its end."""
        command = ("ip", "netns", "exec", self.name, *argv)
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0 or not check, f"{argv}: {done.stdout}{done.stderr}"
        return done

    def do(self, what: Callable[[], V], uid: int = 0) -> V:
        """Return what a function returns in it; sockets that it makes stay there, and belong to this user."""
        if uid not in self._threads:
            self._threads[uid] = concurrent.futures.ThreadPoolExecutor(1, initializer=self._enter, initargs=(uid,))
        return self._threads[uid].submit(what).result(60)

    def _enter(self, uid: int) -> None:
        """Move this thread there, and let it open files, and so sockets, as this user."""
        with pathlib.Path("/run/netns", self.name).open() as file:
            assert _LIBC.setns(file.fileno(), _CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
        _LIBC.setfsuid(uid)

    def close(self) -> None:
        """End its threads."""
        for threads in self._threads.values():
            threads.shutdown()


@contextlib.contextmanager
def around_a_hub(*names: str) -> Iterator[dict[str, Namespace]]:
    """Make a hub and these namespaces; remove them in the end."""
    run = secrets.token_hex(4)
    made = {name: Namespace(run, name, number) for number, name in enumerate(("hub", *names))}
    with contextlib.ExitStack() as stack:
        for one in made.values():
            _ip("netns", "add", one.name)
            stack.callback(_ip, "netns", "del", one.name)
            stack.callback(one.close)
            _ip("-n", one.name, "link", "set", "lo", "up")
        hub = made["hub"]
        _ip("-n", hub.name, "address", "add", f"{HUB}/32", "dev", "lo")
        for switch in ("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"):
            hub.run("sysctl", "-qw", switch)
        for name in names:
            _linked(hub, made[name])
        yield made


def _linked(hub: Namespace, one: Namespace) -> None:
    """Connect a namespace to the hub, which is its way to everything."""
    _ip("link", "add", one.link, "netns", hub.name, "type", "veth", "peer", "name", "eth0", "netns", one.name)
    for where, device, four, six in ((hub, one.link, *one.gateways), (one, "eth0", one.four, one.six)):
        _ip("-n", where.name, "address", "add", f"{four}/24", "dev", device)
        _ip("-n", where.name, "address", "add", f"{six}/112", "dev", device, "nodad")
        _ip("-n", where.name, "link", "set", device, "up")
    _ip("-n", one.name, "route", "add", "default", "via", one.gateways[0])
    _ip("-n", one.name, "-6", "route", "add", "default", "via", one.gateways[1])


def _ip(*arguments: str) -> None:
    done = subprocess.run(("ip", *arguments), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr}"
