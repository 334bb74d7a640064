"""The command `meshloom inject`: what people type.

Law: as `meshloom.cli`, to which it belongs.
"""

from typing import Annotated

import typer

from meshloom import choices, options

EPILOG = (
    "Examples: meshloom inject -f shop/ | kubectl apply -f -   ·   meshloom inject -f shop/ --explain   ·   "
    "kubectl get namespace,service,deployment,meshes,virtualservices,virtualdeployments,virtualdeploymentbindings "
    "-n shop -o yaml | meshloom inject -f - --explain"
)


def inject(
    paths: options.Paths,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say what becomes of each pod, and why, instead of printing it.")
    ] = False,
    classic: Annotated[
        bool, typer.Option("--classic", help="For a cluster before Kubernetes 1.29, unless the settings say otherwise.")
    ] = False,
    output: options.OutputForm = choices.Form.YAML,
    settings: options.SettingsFile = None,
) -> None:
    """Print pods, and what makes pods, with the proxies that the webhook of a control plane would give them.

    Namespaces, Services and the mesh are taken from the same files, and nothing is asked of a cluster. Problems go to
    standard error; the exit code is 1 if a pod is refused, else 0.
    """
    from meshloom.commands import inject as command

    raise typer.Exit(command.run(paths, output, settings, classic=classic, explain=explain))
