"""How a proxy ends: it goes on until nobody needs it any more, and not longer than it is given.

Law: those who call are asked to leave at once; what has begun is not cut off before the time is over.
"""

import contextlib
import pathlib
import time
from collections.abc import Iterator

from meshloom.container import admin, applications

_LOOK_SECONDS = 0.1
_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")


def drain(address: admin.Address, seconds: float, own: int, *, are_strangers: bool) -> None:
    """Return when the application is gone and nothing goes on in the proxy, or it is silent, or the time is over.

    `own` is the user that the proxy runs as. Strangers are waited for as long as they are connected: they are asked to
    leave with the next response, and a request on a connection that is being closed would be lost. Proxies send such a
    request again, and keep connections for ever.
    """
    until = time.monotonic() + seconds
    with contextlib.suppress(admin.SilentError):
        admin.fail_health(address)
        while time.monotonic() < until and (
            applications.others(_tables(), own) or admin.busy(address, with_connections=are_strangers)
        ):
            time.sleep(_LOOK_SECONDS)


def _tables() -> Iterator[str]:
    for path in map(pathlib.Path, _TABLES):
        with contextlib.suppress(OSError):
            yield path.read_text()
