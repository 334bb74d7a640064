"""The command `meshloom`: what people type, and what they read when it goes wrong.

Law: a fault of the user's side is one line and exit code 2; no traceback reaches anybody who did not ask for one.
What a command needs is imported when it is given, so that `--help` comes at once.
"""

import importlib.metadata
import os
import pathlib
import sys
import traceback
from typing import Annotated

import typer

from meshloom import (
    choices,
    cli_asking,
    cli_bootstrap,
    cli_capture,
    cli_inject,
    cli_install,
    cli_migrate,
    cli_proxy,
    cli_token,
    errors,
    options,
)

USAGE_ERROR = 2
INTERNAL_ERROR = 70

app = typer.Typer(
    name="meshloom",
    help="A self-hosted Envoy control plane for the OCI Service Mesh custom resources.",
    epilog="Start here: `meshloom demo` shows a whole mesh on this machine; `meshloom check -f DIR` reads your YAML.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def _program(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        _print_version()
        raise typer.Exit


@app.command(
    epilog="Examples: meshloom serve --files mesh/ --state /var/lib/meshloom   ·   "
    "meshloom serve --files mesh/ --ads-plaintext unix:/tmp/meshloom.sock   ·   meshloom serve --kubernetes"
)
def serve(
    files: Annotated[
        pathlib.Path | None,
        typer.Option("--files", metavar="PATH", envvar="MESHLOOM_FILES", help="The folder or file of YAML to follow."),
    ] = None,
    kubernetes: options.InKubernetes = False,
    kubeconfig: options.Kubeconfig = "",
    context: options.Context = "",
    namespace: options.Namespaces = None,
    ads: Annotated[
        str | None,
        typer.Option(
            "--ads",
            metavar="ADDRESS",
            envvar="MESHLOOM_ADS",
            help="Serve ADS over TLS to proxies that show a token: IP:PORT, or off. By default 0.0.0.0:15012, and off "
            "with --ads-plaintext.",
        ),
    ] = None,
    ads_mtls: Annotated[
        str | None,
        typer.Option(
            "--ads-mtls",
            metavar="ADDRESS",
            envvar="MESHLOOM_ADS_MTLS",
            help="Serve ADS over TLS to proxies that show a certificate: IP:PORT, or off. By default 0.0.0.0:15013, "
            "and off with --ads-plaintext.",
        ),
    ] = None,
    ads_plaintext: Annotated[
        str | None,
        typer.Option(
            "--ads-plaintext",
            metavar="ADDRESS",
            envvar="MESHLOOM_ADS_PLAINTEXT",
            help="Serve ADS in clear, without proof of identity: unix:/path, or a loopback address as 127.0.0.1:18000. "
            "Whoever can connect gets the configuration of any proxy it names.",
        ),
    ] = None,
    ads_name: Annotated[
        list[str] | None,
        typer.Option(
            "--ads-name",
            metavar="NAME",
            help="A DNS name or IP address that the control plane's certificate is valid for, for gRPC programs "
            "without a proxy, which check what they dial. Repeatable.",
        ),
    ] = None,
    state: options.State = None,
    health: Annotated[
        str | None,
        typer.Option(
            "--health",
            metavar="ADDRESS",
            envvar="MESHLOOM_HEALTH",
            help="Serve /livez, /readyz and /metrics: IP:PORT, unix:/path, or off. By default 127.0.0.1:15014.",
        ),
    ] = None,
    operator_socket: Annotated[
        str | None,
        typer.Option(
            "--operator-socket",
            metavar="PATH",
            envvar="MESHLOOM_OPERATOR_SOCKET",
            help="Answer `meshloom proxies` and `meshloom config` on this unix socket, which only this user can open; "
            "or off. By default in the user's runtime directory.",
        ),
    ] = None,
    settings: options.SettingsFile = None,
    log_format: Annotated[
        choices.Lines,
        typer.Option("--log-format", envvar="MESHLOOM_LOG_FORMAT", help="auto: console at a terminal, else JSON."),
    ] = choices.Lines.AUTO,
    debug: Annotated[bool, typer.Option("--debug", envvar="MESHLOOM_DEBUG", help="Log more.")] = False,
) -> None:
    """Serve a mesh to its proxies, and follow every change of its files, or of the objects of a Kubernetes cluster.

    Faults in the YAML never stop it: they are logged once when they appear and once when they are resolved, and the
    rest of the mesh is served. SIGTERM or Ctrl-C ends it gracefully, a second one at once; proxies keep the
    configuration they have and return when it does.
    """
    from meshloom.commands import serve as command

    doors = command.Doors(ads, ads_mtls, ads_plaintext, tuple(ads_name or ()), health, operator_socket)
    followed = command.Followed(files, kubernetes, kubeconfig, context, tuple(namespace or ()))
    command.run(followed, state, doors, settings, log_format, debug=debug)


app.command(epilog=cli_asking.PROXIES_EPILOG)(cli_asking.proxies)
app.command(epilog=cli_asking.CONFIG_EPILOG)(cli_asking.config)


@app.command("compile", epilog="Example: meshloom compile -f demo/mesh.yaml --proxy shop/catalogue-v1 -o yaml")
def compile_(
    paths: options.Paths,
    proxy: Annotated[
        str | None, typer.Option("--proxy", metavar="NS/NAME", help="A VirtualDeployment or IngressGateway; else all.")
    ] = None,
    output: options.OutputForm = choices.Form.YAML,
    workload_address: Annotated[
        str, typer.Option(metavar="IP", help="What the proxy binds; else the deployment's hostname, if an address.")
    ] = "",
    application_address: Annotated[
        str, typer.Option(metavar="IP", help="Where the application listens.")
    ] = "127.0.0.1",
    application_port: options.ApplicationPorts = None,
    capture: options.Capture = choices.Capture.EXPLICIT,
    grpc: Annotated[bool, typer.Option("--grpc", help="What gRPC programs without a proxy would get.")] = False,
    settings: options.SettingsFile = None,
) -> None:
    """Print the Envoy resources of one proxy or all, exactly as the server would send them.

    Problems go to standard error; the exit code is 1 if there are errors, and what could be compiled is printed anyway.
    """
    from meshloom.commands import compile as command

    transparent = capture is choices.Capture.TRANSPARENT
    mapped = application_port or ()
    captured = command.captured(workload_address, application_address, mapped, grpc=grpc, transparent=transparent)
    raise typer.Exit(command.run(paths, proxy, output, captured, settings))


@app.command(epilog="Examples: meshloom check -f mesh.yaml   ·   kubectl get … -o yaml | meshloom check -f - -o json")
def check(
    paths: options.Paths,
    output: Annotated[
        choices.Listing, typer.Option("--output", "-o", help="The form of the output.")
    ] = choices.Listing.TABLE,
    settings: options.SettingsFile = None,
) -> None:
    """Say what is wrong with a mesh and what to do about it.

    The exit code is 1 if there are errors, 0 with warnings only.
    """
    from meshloom.commands import check as command

    raise typer.Exit(command.run(paths, output, settings))


app.command(epilog=cli_bootstrap.EPILOG)(cli_bootstrap.bootstrap)
app.command(epilog=cli_inject.EPILOG)(cli_inject.inject)
app.command(epilog=cli_install.INSTALL_EPILOG)(cli_install.install)
app.command(epilog=cli_install.UNINSTALL_EPILOG)(cli_install.uninstall)
app.command(epilog=cli_migrate.EPILOG)(cli_migrate.migrate)
app.command(epilog=cli_proxy.EPILOG)(cli_proxy.proxy)
app.add_typer(cli_token.app, name="token")
app.add_typer(cli_capture.app, name="capture")


@app.command(
    add_help_option=False,  # that of the command itself answers, which is imported only now
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def demo(context: typer.Context) -> None:
    """Run a sample mesh of real Envoys on this machine, measure its traffic split, edit it live."""
    from meshloom.demo import command

    program = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
    program.command(epilog="Examples: meshloom demo   ·   meshloom demo --check")(command.demo)
    program(args=context.args, prog_name="meshloom demo")


@app.command()
def version() -> None:
    """Print the version."""
    _print_version()


def _print_version() -> None:
    typer.echo(f"meshloom {importlib.metadata.version('meshloom')}")


def main() -> None:
    """Run the command line; the entry point of the distribution."""
    try:
        app()
    except errors.UserError as fault:
        _exit(f"meshloom: {fault}", USAGE_ERROR)
    except Exception as fault:
        if _wants_traceback():
            traceback.print_exc()
        said = f"meshloom: {type(fault).__name__}: {fault}\nThis is a fault of meshloom, please report it"
        _exit(f"{said}; MESHLOOM_DEBUG=1 shows where it happened.", INTERNAL_ERROR)


def _wants_traceback() -> bool:
    return "--debug" in sys.argv or os.environ.get("MESHLOOM_DEBUG", "") not in ("", "0")


def _exit(line: str, code: int) -> None:
    typer.echo(line, err=True)
    sys.exit(code)
