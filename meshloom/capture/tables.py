"""The tables of the kernel that capture is done in, by the programs that everybody has for them.

Law: a table is changed in one transaction. Nothing is captured by halves: if IPv6 is there and cannot be captured,
nothing is.
"""

import pathlib
import subprocess
from typing import NamedTuple

from meshloom import errors
from meshloom.capture import rules

_SWITCHES = pathlib.Path("/proc/sys/net/ipv6/conf")
_WAIT = "10"
_ENDS = 60


class Table(NamedTuple):
    """The table `nat` of one version of IP, and the family of programs that it is read and written with."""

    version: int
    tool: str = "iptables"

    @property
    def program(self) -> str:
        """The program's name for this version of IP, as `ip6tables`."""
        return self.tool if self.version == 4 else self.tool.replace("ip", "ip6", 1)


def has_ipv6(switches: pathlib.Path = _SWITCHES) -> bool:
    """Return whether any interface of this network namespace may have an IPv6 address."""
    return any(file.read_text().strip() == "0" for file in switches.glob("*/disable_ipv6"))


def found(table: Table) -> rules.Found:
    """Return what is ours in a table. Raises errors.UserError."""
    return rules.found(_output(table, "save", ("-t", "nat"), ""))


def write(table: Table, text: str) -> None:
    """Change a table as `iptables-restore` reads it. Raises errors.UserError."""
    _output(table, "restore", ("--noflush", "--wait", _WAIT), text)


def _output(table: Table, suffix: str, arguments: tuple[str, ...], text: str) -> str:
    command = (f"{table.program}-{suffix}", *arguments)
    try:
        run = subprocess.run(command, input=text, capture_output=True, text=True, timeout=_ENDS, check=False)
    except FileNotFoundError:
        raise errors.UserError(
            f"{command[0]} is not found; install iptables (apt-get install iptables), or name another with --tool"
        ) from None
    except subprocess.TimeoutExpired:
        raise errors.UserError(f"{command[0]} does not end; does another program hold the lock of iptables?") from None
    if run.returncode:
        raise errors.UserError(_refusal(table, command[0], run.stderr))
    return run.stdout


def _refusal(table: Table, program: str, said: str) -> str:
    words = " ".join(said.split()) or "it says nothing"
    if "ermission denied" in words or "not permitted" in words:
        return f"{program} may not: {words}; capture needs the capability NET_ADMIN in this network namespace, and root"
    other = "iptables" if "legacy" in table.tool else "iptables-legacy"
    six = ", or, if nothing here speaks IPv6, give --ipv4-only" if table.version == 6 else ""
    return f"{program} has failed: {words}; if this kernel wants the other kind, give --tool {other}{six}"
