"""The commands that ask a running control plane: what people type.

Law: as `meshloom.cli`, to which they belong.
"""

from typing import TYPE_CHECKING, Annotated

import typer

from meshloom import choices, options

if TYPE_CHECKING:
    from meshloom.operator import client

PROXIES_EPILOG = (
    "Examples: meshloom proxies   ·   meshloom proxies shop/pets-v1 -o json   ·   meshloom proxies --watch   ·   "
    "meshloom proxies --kubernetes"
)
CONFIG_EPILOG = (
    "Examples: meshloom config shop/pets-v1 --differing   ·   meshloom config shop/pets-v1 --name inbound/9080   ·   "
    "meshloom config shop/pets-v1 --kubernetes"
)

_InCluster = Annotated[
    bool,
    typer.Option(
        "--kubernetes",
        help="Ask all replicas of a control plane in a cluster, with a token that is made for it; goes before "
        "--operator-socket.",
    ),
]
_Namespace = Annotated[str, typer.Option("--namespace", "-n", metavar="NAME", help="Where that control plane is.")]


def proxies(
    proxy: Annotated[
        str | None,
        typer.Argument(metavar="[NS/NAME]", help="A VirtualDeployment, IngressGateway or node id; else all."),
    ] = None,
    output: Annotated[
        choices.Listing, typer.Option("--output", "-o", help="The form of the output.")
    ] = choices.Listing.TABLE,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Show the newest until Ctrl-C.")] = False,
    operator_socket: options.OperatorSocket = "",
    operator_token: options.OperatorToken = "",
    kubernetes: _InCluster = False,
    kubeconfig: options.Kubeconfig = "",
    context: options.Context = "",
    namespace: _Namespace = "meshloom-system",
) -> None:
    """Show the proxies that are connected, and how far each is with its configuration.

    The exit code is 0 if all are in sync, 1 if one rejected something, 3 if something is on its way or held back.
    """
    from meshloom.commands import proxies as command

    at = _place(kubernetes, (operator_socket, operator_token), (kubeconfig, context, namespace))
    raise typer.Exit(command.run(proxy, output, at, watch=watch))


def config(
    proxy: Annotated[str, typer.Argument(metavar="NS/NAME", help="A VirtualDeployment, IngressGateway or node id.")],
    type_: Annotated[choices.ResourceType | None, typer.Option("--type", help="Resources of this type only.")] = None,
    name: Annotated[str | None, typer.Option("--name", help="Show this resource itself, decoded.")] = None,
    differing: Annotated[bool, typer.Option("--differing", help="Only what is not in sync.")] = False,
    output: Annotated[
        choices.Comparison, typer.Option("--output", "-o", help="The form of the output.")
    ] = choices.Comparison.TABLE,
    operator_socket: options.OperatorSocket = "",
    operator_token: options.OperatorToken = "",
    kubernetes: _InCluster = False,
    kubeconfig: options.Kubeconfig = "",
    context: options.Context = "",
    namespace: _Namespace = "meshloom-system",
) -> None:
    """Show what a proxy should have, was sent and has acknowledged, and the difference.

    Private keys are never shown. The exit code is that of `meshloom proxies`.
    """
    from meshloom.commands import config as command

    at = _place(kubernetes, (operator_socket, operator_token), (kubeconfig, context, namespace))
    wanted = command.Wanted(proxy, type_.value if type_ else None, name, differing)
    raise typer.Exit(command.run(wanted, output, at))


def _place(in_cluster: bool, local: tuple[str, str], cluster: tuple[str, str, str]) -> "client.Place":
    """Return who is asked: the control plane at a socket, by a token, or all replicas in a namespace of a cluster."""
    if not in_cluster:
        from meshloom.operator import client

        return client.address(*local)
    from meshloom.operator import replicas
    from watchers import api_server

    kubeconfig, context, namespace = cluster
    return replicas.Cluster(api_server.Access(kubeconfig, context), namespace)
