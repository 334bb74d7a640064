"""`meshloom bootstrap`: the file an Envoy of the mesh starts with.

Law: nothing is decided here; the file is that of `meshloom.bootstrap`.
"""

import typer

from meshloom import addresses, bootstrap, choices, errors
from meshloom.commands import capture, documents
from meshloom.identity import claim
from translator import proxies


def run(proxy: proxies.Proxy, ads: str, admin: str, *, sotw: bool, form: choices.Form) -> None:
    """Print the bootstrap of a proxy. Raises errors.UserError."""
    control_plane = capture.address("--ads", ads)
    if not addresses.is_private(control_plane):
        raise errors.UserError(
            f"--ads: {control_plane} can be reached from other machines, and ADS in clear is served only on a unix "
            "socket or a loopback address; name one of these"
        )
    host = claim.bound(proxy)
    place = bootstrap.Place(
        control_plane, host, capture.address("--admin", admin) if admin else bootstrap.admin_address(host)
    )
    variant = bootstrap.Variant.STATE_OF_THE_WORLD if sotw else bootstrap.Variant.DELTA
    if form is choices.Form.YAML:
        typer.echo(f"# start it with: {' '.join(bootstrap.command_line('THIS-FILE.yaml'))}")
    typer.echo(documents.text(bootstrap.bootstrap(proxy, place, variant), form), nl=False)
