"""The command `meshloom proxy`: what people type, though it is containers that do.

Law: as `meshloom.cli`, to which it belongs.
"""

from typing import Annotated

import typer

EPILOG = "Example: MESHLOOM_PROXY=shop/pets-v1 MESHLOOM_ADS=meshloom.meshloom-system.svc:15012 meshloom proxy"


def proxy(
    wait: Annotated[
        float | None,
        typer.Option("--wait", metavar="SECONDS", help="Only wait until the proxy of this pod is ready."),
    ] = None,
    identity_folder: Annotated[
        str, typer.Option(metavar="DIR", envvar="MESHLOOM_IDENTITY_FOLDER", help="Where token and root.pem are.")
    ] = "/var/run/secrets/meshloom",
    run_folder: Annotated[
        str, typer.Option(metavar="DIR", envvar="MESHLOOM_RUN_FOLDER", help="Where what Envoy starts with is written.")
    ] = "/run/proxy",
) -> None:
    """Run the proxy of a pod, as the variables of its environment say: what the image of proxies does.

    It makes the bootstrap, starts Envoy, answers probes of the application that were recorded at injection, drains when
    it is told to end, and ends with Envoy's exit code.
    """
    from meshloom.commands import proxy as command
    from meshloom.container import surroundings

    if wait is not None:
        raise typer.Exit(command.wait(wait))
    command.run(surroundings.Folders(identity_folder, run_folder))
