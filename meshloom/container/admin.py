"""Envoy's admin interface, asked by the process that has started it.

Law: every question has an end; an Envoy that does not answer is one that is gone.
"""

import http.client
import json
import urllib.parse
from collections.abc import Mapping

_SECONDS = 2.0

Address = tuple[str, int]


class SilentError(Exception):
    """It does not answer, or not with what was asked for."""


def fail_health(address: Address) -> None:
    """Let `/ready` be 503 from now on, and callers be asked to leave with each response. Raises SilentError."""
    _answer(address, "POST", "/healthcheck/fail")


def busy(address: Address, *, with_connections: bool = False) -> int:
    """Return how many requests, and connections of TCP or all, are going on in the mesh. Raises SilentError."""
    of_http = "(rq|cx)" if with_connections else "rq"
    wanted = rf"(^|\.)(http\..*\.downstream_{of_http}_active|tcp\..*\.downstream_cx_active)$"
    told = _answer(address, "GET", f"/stats?format=json&type=Gauges&filter={urllib.parse.quote(wanted)}")
    try:
        return active({one["name"]: one["value"] for one in json.loads(told)["stats"] if "value" in one})
    except (ValueError, KeyError, TypeError) as fault:
        raise SilentError(str(fault)) from None


_OWN = ("http.admin.", "http.meshloom_")
"""Statistics of those who look at the proxy."""


def active(gauges: Mapping[str, float]) -> int:
    """Return what is going on by Envoy's gauges, without what is asked of the proxy itself."""
    return int(sum(value for name, value in gauges.items() if not name.startswith(_OWN)))


def is_ready(address: Address, path: str) -> bool:
    """Return whether a GET of this path is answered with 200."""
    try:
        return _answer(address, "GET", path) is not None
    except SilentError:
        return False


def _answer(address: Address, method: str, path: str) -> bytes:
    connection = http.client.HTTPConnection(*address, timeout=_SECONDS)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        told = response.read()
    except (OSError, http.client.HTTPException) as fault:
        raise SilentError(str(fault)) from None
    finally:
        connection.close()
    if response.status != http.client.OK:
        raise SilentError(f"{path} is answered with {response.status}")
    return told
