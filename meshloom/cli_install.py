"""The commands `meshloom install` and `meshloom uninstall`: what people type.

Law: as `meshloom.cli`, to which they belong.
"""

import pathlib
from typing import Annotated, Any

import typer

from meshloom import options

INSTALL_EPILOG = (
    "Examples: meshloom install --image registry.example.com/meshloom:1 --wait   ·   meshloom install --dry-run"
)
UNINSTALL_EPILOG = "Examples: meshloom uninstall   ·   meshloom uninstall --dry-run --purge"

_Namespace = Annotated[str, typer.Option("--namespace", "-n", metavar="NAME", help="Where the control plane is.")]


def install(
    namespace: _Namespace = "meshloom-system",
    image: Annotated[str, typer.Option("--image", metavar="IMAGE", help="What runs; else meshloom:VERSION.")] = "",
    replicas: Annotated[int | None, typer.Option("--replicas", min=1, help="How many run; else 2.")] = None,
    values: Annotated[
        list[pathlib.Path] | None,
        typer.Option("--values", "-f", metavar="FILE", help="Values, as those of the Helm chart. Repeatable."),
    ] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="One value, as networkPolicy.enabled=false. Repeatable."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the objects as YAML; ask no cluster.")] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Return when the control plane is ready, and no former replica answers.")
    ] = False,
    timeout: Annotated[float, typer.Option("--timeout", min=1, metavar="SECONDS", help="How long to wait.")] = 300,
    kubeconfig: options.Kubeconfig = "",
    context: options.Context = "",
) -> None:
    """Install the control plane in a Kubernetes cluster, or bring it up to date.

    Applies the namespace, the kinds, permissions, the control plane and last the webhook, as owner of what it applies.
    Doing it again changes nothing; doing it with a newer meshloom is the upgrade.
    """
    from meshloom.commands import install as command
    from watchers import api_server

    said: dict[str, Any] = {"image": image} if image else {}
    if replicas is not None:
        said["replicas"] = replicas
    wanted = command.Wanted(
        namespace, tuple(values or ()), tuple(assignments or ()), said, api_server.Access(kubeconfig, context)
    )
    command.install(wanted, dry_run=dry_run, wait=wait, seconds=timeout)


def uninstall(
    namespace: _Namespace = "meshloom-system",
    purge: Annotated[
        bool,
        typer.Option(
            "--purge", help="Remove all resources of the nine kinds, the kinds, and the namespace with its keys, too."
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before --purge.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be removed.")] = False,
    kubeconfig: options.Kubeconfig = "",
    context: options.Context = "",
) -> None:
    """Remove the control plane from a Kubernetes cluster; proxies go on with what they have.

    The webhook goes first, then the control plane; then its finalizers are taken off the mesh's resources, which stay,
    as the keys do: an installation that follows is known to all proxies.
    """
    from meshloom.commands import install as command
    from watchers import api_server

    if purge and not (yes or dry_run):
        typer.confirm("All resources of the mesh and all its keys will be lost. Go on?", abort=True)
    command.uninstall(namespace, api_server.Access(kubeconfig, context), dry_run=dry_run, purge=purge)
