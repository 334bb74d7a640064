"""A block of loopback addresses of one's own, so that demos and tests side by side never meet.

Law: a block belongs to whoever holds its guard socket; the kernel frees it, whatever way the holder ends. A block in
which anybody else listens is nobody's.
"""

import contextlib
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from meshloom import errors

SAMPLE_BLOCK = "127.77.0."
BLOCKS = tuple(f"127.{second}.{third}." for second in range(77, 127) for third in range(256))
GUARD = (254, 49151)
PROBE = 253
LISTENERS, LISTEN = Path("/proc/self/net/tcp"), "0A"


@dataclass(frozen=True, slots=True)
class Block:
    """The addresses `127.x.y.1` to `127.x.y.252`; `prefix` is `127.x.y.`."""

    prefix: str

    def address(self, last: int) -> str:
        """Return the address with this last number."""
        return f"{self.prefix}{last}"

    def moved(self, text: str) -> str:
        """Return text written for the sample's block, moved into this one."""
        return text.replace(SAMPLE_BLOCK, self.prefix)


@contextlib.contextmanager
def claimed_block(ports: Iterable[int] = ()) -> Iterator[Block]:
    """Claim the first free block until the `with` ends.

    Raises `UserError` when one of the ports is taken by a program that listens on every address.
    """
    with _first_guard() as guard:
        block = Block(guard.getsockname()[0].removesuffix(str(GUARD[0])))
        _refuse_taken(block, ports)
        yield block


def _first_guard() -> socket.socket:
    for prefix in BLOCKS:
        guard = _listening(prefix, *GUARD)
        if guard is not None and not _is_used(prefix):
            return guard
        if guard is not None:
            guard.close()
    raise errors.UserError("every block of loopback addresses is taken by other demos; end some of them")


def _is_used(prefix: str) -> bool:
    """Whether anybody listens in a block without its guard: processes of a killed demo that end at this moment, say."""
    sockets = (line.split() for line in LISTENERS.read_text().splitlines()[1:])
    listening = (local.split(":") for _, local, _, state, *_ in sockets if state == LISTEN)
    start = "".join(f"{int(part):02X}" for part in reversed(prefix.rstrip(".").split(".")))  # its bytes, last one first
    return any(address.endswith(start) and int(port, 16) != GUARD[1] for address, port in listening)


def _refuse_taken(block: Block, ports: Iterable[int]) -> None:
    for port in ports:
        probe = _listening(block.prefix, PROBE, port)
        if probe is None:
            raise errors.UserError(f"port {port} is taken on every address; `ss -ltnp sport = :{port}` says by whom")
        probe.close()


def _listening(prefix: str, last: int, port: int) -> socket.socket | None:
    """Return a socket that alone listens there, or None if it cannot."""
    guard = socket.socket()
    guard.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # for Linux: over connections that end, not listeners
    try:
        guard.bind((f"{prefix}{last}", port))
        guard.listen(1)
    except OSError:
        guard.close()
        return None
    return guard


def accepts(address: str, port: int) -> bool:
    """Whether something takes connections there."""
    try:
        socket.create_connection((address, port), timeout=1).close()
    except OSError:
        return False
    return True
