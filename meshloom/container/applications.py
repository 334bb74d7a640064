"""What the kernel says of the connections in a pod: whether anybody but the proxy still has some.

Law: pure; the text is that of `/proc/net/tcp` and `/proc/net/tcp6` (proc_net_tcp in the kernel's documentation).
"""

from collections.abc import Iterable

_ESTABLISHED, _SYN_SENT, _LISTEN = "01", "02", "0A"
_ALIVE = frozenset({_ESTABLISHED, _SYN_SENT, _LISTEN})
_STATE, _USER = 3, 7


def others(tables: Iterable[str], own: int) -> int:
    """Return how many sockets of other users than `own` are open, or wait for connections."""
    rows = (line.split() for table in tables for line in table.splitlines()[1:])
    return sum(row[_STATE] in _ALIVE and row[_USER] != str(own) for row in rows if len(row) > _USER)
