"""`meshloom bootstrap`: the file an Envoy of the mesh starts with, or a gRPC program that needs none.

Law: nothing is decided here; the file is that of `meshloom.bootstrap` or `meshloom.grpc_bootstrap`.
"""

import typer

from meshloom import addresses, bootstrap, choices, errors, grpc_bootstrap
from meshloom.commands import capture, documents
from meshloom.identity import claim
from translator import proxies


def run(proxy: proxies.Envoy, ads: str, admin: str, *, sotw: bool, form: choices.Form) -> None:
    """Print the bootstrap of a proxy. Raises errors.UserError."""
    control_plane, host = _control_plane(ads), claim.bound(proxy)
    place = bootstrap.Place(
        control_plane, host, capture.address("--admin", admin) if admin else bootstrap.admin_address(host)
    )
    variant = bootstrap.Variant.STATE_OF_THE_WORLD if sotw else bootstrap.Variant.DELTA
    if form is choices.Form.YAML:
        typer.echo(f"# start it with: {' '.join(bootstrap.command_line('THIS-FILE.yaml'))}")
    typer.echo(documents.text(bootstrap.bootstrap(proxy, place, variant), form), nl=False)


def run_grpc(proxy: proxies.Proxyless, ads: str) -> None:
    """Print the bootstrap of a gRPC program, which is always JSON. Raises errors.UserError."""
    made = grpc_bootstrap.bootstrap(proxy, _control_plane(ads))
    typer.echo(documents.text(made, choices.Form.JSON), nl=False)


def _control_plane(ads: str) -> addresses.Address:
    control_plane = capture.address("--ads", ads)
    if not addresses.is_private(control_plane):
        raise errors.UserError(
            f"--ads: {control_plane} can be reached from other machines, and ADS in clear is served only on a unix "
            "socket or a loopback address; name one of these"
        )
    return control_plane
