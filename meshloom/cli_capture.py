"""The commands below `meshloom capture`: what people type.

Law: as `meshloom.cli`, to which they belong.
"""

import os
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from meshloom.capture import rules

app = typer.Typer(
    help="Lead the TCP connections of a workload through its proxy by rules of iptables: transparent capture.",
    no_args_is_help=True,
    epilog="Example: meshloom capture apply --exempt 10.96.0.1:443 --exempt 10.96.0.10:53",
)

_Uid = Annotated[
    int,
    typer.Option("--proxy-uid", metavar="UID", help="The user that the proxy runs as; its connections are its own."),
]
_InPorts = Annotated[
    list[int] | None,
    typer.Option("--exclude-inbound-port", metavar="PORT", help="Connections to it reach the application. Repeatable."),
]
_InNetworks = Annotated[
    list[str] | None,
    typer.Option(
        "--exclude-inbound-cidr", metavar="CIDR", help="Connections from there reach the application. Repeatable."
    ),
]
_OutPorts = Annotated[
    list[int] | None,
    typer.Option("--exclude-outbound-port", metavar="PORT", help="Connections to it go past the proxy. Repeatable."),
]
_OutNetworks = Annotated[
    list[str] | None,
    typer.Option("--exclude-outbound-cidr", metavar="CIDR", help="Connections there go past the proxy. Repeatable."),
]
_Exempt = Annotated[
    list[str] | None,
    typer.Option(
        "--exempt",
        metavar="IP:PORT",
        help="Connections to it go past the proxy: the Kubernetes API, port 53 of the resolvers. Repeatable.",
    ),
]
_Tool = Annotated[
    str, typer.Option("--tool", metavar="NAME", help="iptables, or iptables-legacy or iptables-nft where it is named.")
]
_Ipv4Only = Annotated[
    bool, typer.Option("--ipv4-only", help="Leave IPv6 as it is; whatever speaks it goes past the proxy.")
]


@app.command(epilog="Example: meshloom capture apply --exclude-outbound-cidr 192.0.2.0/24")
def apply(
    proxy_uid: _Uid = 1337,
    exclude_inbound_port: _InPorts = None,
    exclude_inbound_cidr: _InNetworks = None,
    exclude_outbound_port: _OutPorts = None,
    exclude_outbound_cidr: _OutNetworks = None,
    exempt: _Exempt = None,
    tool: _Tool = "iptables",
    ipv4_only: _Ipv4Only = False,
    in_pod: Annotated[
        bool,
        typer.Option(
            "--in-pod",
            help="This is a pod: exempt the Kubernetes API and the resolvers as it knows them, and do as the variables "
            "CONFIGURE_IP_TABLES and ENVOY_PORT say.",
        ),
    ] = False,
) -> None:
    """Put the rules in place in this network namespace, or bring them up to date. Needs NET_ADMIN.

    Connections that others open go to port 15001 of the proxy, those that the application opens to 15000; the proxy's
    own, and those over loopback, go where they always went. UDP is not captured.
    """
    from meshloom.commands import capture as command

    if in_pod and not command.is_asked(os.environ):
        return
    known = command.in_pod(os.environ) if in_pod else ()
    sockets = [*(exempt or ()), *known]
    command.apply(
        _wishes(
            proxy_uid, exclude_inbound_port, exclude_inbound_cidr, exclude_outbound_port, exclude_outbound_cidr, sockets
        ),
        command.Where(tool, ipv4_only),
    )


@app.command(epilog="Example: meshloom capture remove")
def remove(tool: _Tool = "iptables", ipv4_only: _Ipv4Only = False) -> None:
    """Remove every rule and chain that `apply` made, and nothing else. Needs NET_ADMIN."""
    from meshloom.commands import capture as command

    command.remove(command.Where(tool, ipv4_only))


@app.command(epilog="Example: meshloom capture show --exempt 10.96.0.1:443")
def show(
    proxy_uid: _Uid = 1337,
    exclude_inbound_port: _InPorts = None,
    exclude_inbound_cidr: _InNetworks = None,
    exclude_outbound_port: _OutPorts = None,
    exclude_outbound_cidr: _OutNetworks = None,
    exempt: _Exempt = None,
    tool: _Tool = "iptables",
    ipv4_only: _Ipv4Only = False,
) -> None:
    """Show the rules that are in place, and how they differ from what these options would make. Needs NET_ADMIN.

    A line with + is there and not meant, one with - is meant and not there. The exit code is 0 if nothing differs,
    else 1.
    """
    from meshloom.commands import capture as command

    wished = _wishes(
        proxy_uid, exclude_inbound_port, exclude_inbound_cidr, exclude_outbound_port, exclude_outbound_cidr, exempt
    )
    raise typer.Exit(command.show(wished, command.Where(tool, ipv4_only)))


def _wishes(
    uid: int,
    in_ports: list[int] | None,
    in_networks: list[str] | None,
    out_ports: list[int] | None,
    out_networks: list[str] | None,
    sockets: list[str] | None,
) -> "rules.Wishes":
    from meshloom.commands import capture as command

    return command.wishes(
        command.Given(uid, in_ports or (), in_networks or (), out_ports or (), out_networks or (), sockets or ())
    )
