"""The commands below `meshloom token`: what people type.

Law: as `meshloom.cli`, to which they belong.
"""

from typing import Annotated

import typer

from meshloom import choices, options

app = typer.Typer(
    help="Make, look at and revoke the tokens by which proxies join the mesh.",
    no_args_is_help=True,
    epilog="Example: meshloom token create --proxy shop/pets-v1 > pets-v1.token",
)

_InCluster = Annotated[
    bool, typer.Option("--kubernetes", help="The tokens of a control plane in a cluster: in a Secret there.")
]
_Namespace = Annotated[str, typer.Option("--namespace", "-n", metavar="NAME", help="Where that control plane is.")]
_Given = Annotated[str, typer.Argument(metavar="FILE", help="The file of a token; - is standard input.")]


@app.command(epilog="Example: (umask 077; meshloom token create --proxy shop/pets-v1 > pets-v1.token)")
def create(
    proxy: options.ProxyName,
    gateway: Annotated[bool, typer.Option("--gateway", help="The proxy is that of an IngressGateway.")] = False,
    valid: Annotated[
        str, typer.Option("--valid", metavar="TIME", help="How long it is valid, as 90d, 12h, 30m or 45s.")
    ] = "90d",
    state: options.State = None,
    settings: options.SettingsFile = None,
    kubernetes: _InCluster = False,
    kubeconfig: options.Kubeconfig = "",
    context: options.Context = "",
    namespace: _Namespace = "meshloom-system",
) -> None:
    """Print a new token, and nothing else.

    Whoever has it gets the configuration and the keys of this proxy: keep it in a file that only the proxy can read.
    """
    from meshloom.commands import token as command
    from watchers import api_server

    where = command.Where(state, settings, kubernetes, api_server.Access(kubeconfig, context), namespace)
    command.there(where, lambda kept: command.create(proxy, valid, kept, gateway=gateway))


@app.command(epilog="Example: meshloom token inspect pets-v1.token")
def inspect(
    token: _Given,
    output: Annotated[
        choices.Listing, typer.Option("--output", "-o", help="The form of the output.")
    ] = choices.Listing.TABLE,
    state: options.State = None,
    settings: options.SettingsFile = None,
    kubernetes: _InCluster = False,
    kubeconfig: options.Kubeconfig = "",
    context: options.Context = "",
    namespace: _Namespace = "meshloom-system",
) -> None:
    """Show whose a token is and whether it is accepted, without showing the token.

    The exit code is 0 if it is accepted, 1 if not.
    """
    from meshloom.commands import token as command
    from watchers import api_server

    where = command.Where(state, settings, kubernetes, api_server.Access(kubeconfig, context), namespace)
    raise typer.Exit(command.there(where, lambda kept: command.inspect(token, kept, output)))


@app.command(epilog="Examples: meshloom token revoke pets-v1.token   ·   meshloom token revoke 4f0c…")
def revoke(
    token: Annotated[str, typer.Argument(metavar="FILE|ID", help="The file of a token, - or its id.")],
    state: options.State = None,
    settings: options.SettingsFile = None,
    kubernetes: _InCluster = False,
    kubeconfig: options.Kubeconfig = "",
    context: options.Context = "",
    namespace: _Namespace = "meshloom-system",
) -> None:
    """Revoke a token for good; the streams that it opened end within a second."""
    from meshloom.commands import token as command
    from watchers import api_server

    where = command.Where(state, settings, kubernetes, api_server.Access(kubeconfig, context), namespace)
    command.there(where, lambda kept: command.revoke(token, kept))
