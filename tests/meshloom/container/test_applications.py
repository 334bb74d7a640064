"""Whether anybody but the proxy still has connections, by what the kernel says."""

import socket

from meshloom.container import applications, draining

HEADER = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


def row(state, user):
    return f"   0: 0100007F:1F90 00000000:0000 {state} 00000000:00000000 00:00000000 00000000  {user}        0 1 1 0\n"


def test_sockets_of_others_count_while_they_are_open_or_wait():
    table = HEADER + row("0A", 0) + row("01", 1000) + row("02", 0) + row("06", 0) + row("08", 0)
    assert applications.others([table], 1337) == 3


def test_those_of_the_proxy_never_do():
    assert applications.others([HEADER + row("0A", 1337) + row("01", 1337)], 1337) == 0


def test_tables_that_cannot_be_read_count_for_nothing():
    assert applications.others(["", HEADER, "nonsense\n1 2 3\n"], 1337) == 0


def test_the_kernel_tells_of_a_listener():
    with socket.create_server(("127.0.0.1", 0)):
        assert applications.others(draining._tables(), 1337) > 0
