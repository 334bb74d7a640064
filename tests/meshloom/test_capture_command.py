"""`meshloom capture`: what people type and read. The programs it calls are stand-ins that keep a table in a file."""

import os
import pathlib

import pytest
from typer.testing import CliRunner

from meshloom import cli, errors
from meshloom.capture import tables

SAVE = '#!/bin/sh\n{fault}cat "{folder}/{program}.table" 2>/dev/null || true\n'
RESTORE = """#!/bin/sh
[ "$*" = "--noflush --wait 10" ] || exit 2
sed -n 's/^-I/-A/; /^[:-]/p' | grep -v '^-[DX]' > "{folder}/{program}.table"
echo "$0" >> "{folder}/calls"
"""


@pytest.fixture
def stand_ins(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(tables, "has_ipv6", lambda: True)
    for program in ("iptables", "ip6tables"):
        put(tmp_path, f"{program}-save", SAVE.format(fault="", folder=tmp_path, program=program))
        put(tmp_path, f"{program}-restore", RESTORE.format(folder=tmp_path, program=program))
    return tmp_path


def put(folder: pathlib.Path, name: str, script: str) -> None:
    (folder / name).write_text(script)
    (folder / name).chmod(0o755)


def run(*arguments):
    return CliRunner().invoke(cli.app, ("capture", *arguments), env={"COLUMNS": "200", "TERM": "dumb"})


def refused(*arguments) -> str:
    result = run(*arguments)
    assert isinstance(result.exception, errors.UserError), result.output
    assert "\n" not in str(result.exception)
    return str(result.exception)


def calls(stand_ins) -> int:
    return len((stand_ins / "calls").read_text().splitlines())


def test_apply_says_what_it_did_and_does_nothing_the_second_time(stand_ins):
    assert run("apply").output == "IPv6: captured, 13 rules\nIPv4: captured, 13 rules\n"
    assert run("apply").output == "IPv6: captured already, 13 rules\nIPv4: captured already, 13 rules\n"
    assert calls(stand_ins) == 2


def test_apply_with_other_options_replaces_what_is_there(stand_ins):
    run("apply")
    assert run("apply", "--exempt", "10.96.0.1:443").output.splitlines() == [
        "IPv6: captured already, 13 rules",
        "IPv4: captured, 14 rules",
    ]


def test_show_says_what_differs_by_its_lines_and_its_exit_code(stand_ins):
    assert run("show").exit_code == 1
    run("apply", "--exclude-outbound-port", "25")
    assert run("show", "--exclude-outbound-port", "25").exit_code == 0
    shown = run("show", "--exclude-outbound-port", "26")
    assert shown.exit_code == 1
    marked = [line.strip() for line in shown.output.splitlines() if line.startswith(("  +", "  -"))]
    assert marked == 2 * [
        "+ -A MESHLOOM_OUTBOUND -p tcp -m tcp --dport 25 -j RETURN",
        "- -A MESHLOOM_OUTBOUND -p tcp -m tcp --dport 26 -j RETURN",
    ]


def test_remove_where_nothing_is_touches_nothing(stand_ins):
    assert run("remove").output == "IPv6: nothing to remove\nIPv4: nothing to remove\n"
    assert not (stand_ins / "calls").exists()


def test_without_ipv6_it_is_said_and_ipv4_is_done(stand_ins, monkeypatch):
    monkeypatch.setattr(tables, "has_ipv6", lambda: False)
    assert run("apply").output == ("IPv6: no interface here speaks it, so it is left out\nIPv4: captured, 13 rules\n")


def test_ipv6_that_cannot_be_captured_stops_everything(stand_ins):
    put(stand_ins, "ip6tables-save", SAVE.format(fault="echo no table nat >&2; exit 3\n", folder="", program=""))
    assert refused("apply") == (
        "ip6tables-save has failed: no table nat; if this kernel wants the other kind, give --tool iptables-legacy, "
        "or, if nothing here speaks IPv6, give --ipv4-only"
    )
    assert not (stand_ins / "calls").exists()
    assert run("apply", "--ipv4-only").output == "IPv4: captured, 13 rules\n"


def test_a_missing_program_is_said_with_the_remedy(stand_ins):
    assert refused("apply", "--tool", "iptables-other") == (
        "ip6tables-other-save is not found; install iptables (apt-get install iptables), or name another with --tool"
    )


def test_a_missing_privilege_is_said_with_the_remedy(stand_ins):
    fault = "echo 'Could not fetch rule set: Permission denied (you must be root)' >&2; exit 4\n"
    put(stand_ins, "iptables-save", SAVE.format(fault=fault, folder="", program=""))
    assert refused("apply", "--ipv4-only") == (
        "iptables-save may not: Could not fetch rule set: Permission denied (you must be root); capture needs the "
        "capability NET_ADMIN in this network namespace, and root"
    )


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (("--exclude-inbound-port", "0"), "--exclude-inbound-port: 0 is not a port"),
        (("--exclude-outbound-cidr", "10.0.0.1/8"), "--exclude-outbound-cidr: 10.0.0.1/8 has host bits set"),
        (("--exclude-inbound-cidr", "pets"), "--exclude-inbound-cidr: 'pets' does not appear to be"),
        (("--exempt", "10.0.0.1"), "--exempt: '10.0.0.1' is not an address"),
        (("--exempt", "unix:/tmp/x"), "--exempt: unix:/tmp/x is no address with a port"),
        (("--proxy-uid", "0"), "--proxy-uid: 0 cannot be told from others"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_touched(stand_ins, arguments, fault):
    assert refused("apply", *arguments).startswith(fault)
    assert not (stand_ins / "calls").exists()


def test_ipv6_is_there_where_any_interface_may_speak_it(tmp_path):
    assert not tables.has_ipv6(tmp_path)
    for interface, switch in {"all": "1", "lo": "1"}.items():
        (tmp_path / interface).mkdir()
        (tmp_path / interface / "disable_ipv6").write_text(f"{switch}\n")
    assert not tables.has_ipv6(tmp_path)
    (tmp_path / "lo" / "disable_ipv6").write_text("0\n")
    assert tables.has_ipv6(tmp_path)
