"""The command `meshloom migrate`: what people type.

Law: as `meshloom.cli`, to which it belongs.
"""

import pathlib
from typing import Annotated

import typer

from meshloom import choices, options

EPILOG = "Examples: meshloom migrate   ·   meshloom migrate --apply   ·   meshloom migrate -f dump.yaml --write mesh/"


def migrate(
    files: Annotated[
        list[str] | None,
        typer.Option(
            "--file", "-f", metavar="PATH", help="Read files of `kubectl get -o yaml` instead of a cluster. Repeatable."
        ),
    ] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Do what the report says can be done.")] = False,
    backup: Annotated[
        pathlib.Path,
        typer.Option("--backup", metavar="FOLDER", help="Where --apply saves what it changes, as it was."),
    ] = pathlib.Path("meshloom-migrate-backup"),
    write: Annotated[
        pathlib.Path | None,
        typer.Option("--write", metavar="FOLDER", help="Write the nine kinds there, without what the original left."),
    ] = None,
    values: Annotated[
        list[pathlib.Path] | None,
        typer.Option(
            "--values",
            metavar="FILE",
            help="Values that meshloom is to be installed with, as `install` takes them; else those it is. Repeatable.",
        ),
    ] = None,
    output: Annotated[
        choices.Listing, typer.Option("--output", "-o", help="The form of the report.")
    ] = choices.Listing.TABLE,
    kubeconfig: options.Kubeconfig = "",
    context: options.Context = "",
) -> None:
    """Say what the original operator of OCI Service Mesh left, what becomes of it, and what is to be done.

    Without --apply nothing is changed. The exit code is 0 when nothing is left to be done, else 1.
    """
    from meshloom.commands import migrate as command
    from watchers import api_server

    access = api_server.Access(kubeconfig, context)
    wanted = command.Wanted(tuple(files or ()), access, backup, write, output, tuple(values or ()))
    raise typer.Exit(command.run(wanted, is_applied=apply))
