"""The command `meshloom inject`: what people type.

Law: as `meshloom.cli`, to which it belongs.
"""

from typing import Annotated

import typer

from meshloom import choices, errors, options

EPILOG = (
    "Examples: meshloom inject -f shop/ | kubectl apply -f -   ·   meshloom inject -f shop/ --explain   ·   "
    "kubectl get namespace,service,deployment,meshes,virtualservices,virtualdeployments,virtualdeploymentbindings "
    "-n shop -o yaml | meshloom inject -f - --explain   ·   meshloom inject --audit"
)


def inject(
    paths: Annotated[
        list[str] | None,
        typer.Option("--file", "-f", metavar="PATH", help="A file or folder of YAML; - is standard input. Repeatable."),
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say what becomes of each pod, and why, instead of printing it.")
    ] = False,
    classic: Annotated[
        bool, typer.Option("--classic", help="For a cluster before Kubernetes 1.29, unless the settings say otherwise.")
    ] = False,
    audit: Annotated[
        bool,
        typer.Option(
            "--audit", help="List the pods of a cluster that should have a proxy and have none, with the reason."
        ),
    ] = False,
    kubeconfig: options.Kubeconfig = "",
    context: options.Context = "",
    namespace: options.Namespaces = None,
    output: options.OutputForm = choices.Form.YAML,
    settings: options.SettingsFile = None,
) -> None:
    """Print pods, and what makes pods, with the proxies that the webhook of a control plane would give them.

    Namespaces, Services and the mesh are taken from the same files, and nothing is asked of a cluster. Problems go to
    standard error; the exit code is 1 if a pod is refused or something cannot be read, else 0. With --audit a cluster
    is read instead of files; the exit code is 1 if a pod lacks its proxy.
    """
    if audit == bool(paths):
        raise errors.UserError("give either --file, to see pods with their proxies, or --audit, to look at a cluster")
    if audit:
        from meshloom.commands import audit as auditing
        from watchers import api_server

        raise typer.Exit(auditing.run(api_server.Access(kubeconfig, context), namespace or (), output, settings))
    from meshloom.commands import inject as command

    raise typer.Exit(command.run(paths or (), output, settings, classic=classic, explain=explain))
