"""`meshloom bootstrap`: the file an Envoy of the mesh starts with, or a gRPC program that needs none.

Law: nothing is decided here; the file is that of `meshloom.bootstrap` or `meshloom.grpc_bootstrap`.
"""

import os
import pathlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import typer

from meshloom import addresses, bootstrap, choices, errors, grpc_bootstrap, secure_ads, settings, stats_tags
from meshloom.commands import documents, offline, whereabouts
from meshloom.identity import claim
from translator import proxies


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """Where the control plane is, and by what files it and the proxy prove who they are."""

    ads: str
    root: pathlib.Path | None = None
    token: pathlib.Path | None = None
    certificate: pathlib.Path | None = None
    key: pathlib.Path | None = None
    folder: pathlib.Path | None = None


def run(
    proxy: proxies.Envoy, plane: ControlPlane, admin: str, files: Sequence[str], *, sotw: bool, form: choices.Form
) -> None:
    """Print the bootstrap of a proxy, or write it into a folder; `files` say its names. Raises errors.UserError."""
    own, host = _own(plane), claim.bound(proxy)
    proof = None if own is None else secure_ads.Proof(_folder(plane), _file("--ads-root", plane.root), own)
    place = bootstrap.Place(
        _address(plane, own),
        host,
        whereabouts.address("--admin", admin) if admin else bootstrap.admin_address(host),
        proof,
    )
    variant = bootstrap.Variant.STATE_OF_THE_WORLD if sotw else bootstrap.Variant.DELTA
    text = documents.text(bootstrap.bootstrap(proxy, place, variant, _tags(proxy, files)), form)
    if plane.folder is None:
        _print(text, form)
    else:
        name = f"envoy.{form.value}"
        _write(plane.folder, {name: text, **(proof.files() if proof else {})})
        typer.echo(f"start it with: {' '.join(bootstrap.command_line(str(plane.folder / name)))}")


def _tags(proxy: proxies.Envoy, files: Sequence[str]) -> stats_tags.Tags:
    if not files:
        return ()
    found = offline.read(files, settings.Settings())
    tags = stats_tags.named(proxy, found.resolution.graph, found.reading.resources)
    if not tags:
        raise errors.UserError(f"--file: {claim.owner(proxy)} is not in there; name the files of its mesh")
    return tags


def run_grpc(proxy: proxies.Proxyless, plane: ControlPlane) -> None:
    """Print the bootstrap of a gRPC program, which is always JSON. Raises errors.UserError."""
    own = _own(plane)
    root = "" if own is None else _file("--ads-root", plane.root)
    made = grpc_bootstrap.bootstrap(proxy, _address(plane, own), root, own)
    typer.echo(documents.text(made, choices.Form.JSON), nl=False)


def _own(plane: ControlPlane) -> secure_ads.Token | secure_ads.Certificate | None:
    """Return what the proxy shows of itself, None for ADS in clear."""
    if plane.token is not None and (plane.certificate or plane.key):
        raise errors.UserError("--token is for port 15012, --certificate and --key are for port 15013; give either")
    if plane.token is not None:
        return secure_ads.Token(_file("--token", plane.token))
    if plane.certificate or plane.key:
        return secure_ads.Certificate(_file("--certificate", plane.certificate), _file("--key", plane.key))
    if plane.root is not None:
        raise errors.UserError(
            "--ads-root: what does the proxy show of itself? give --token, or --certificate and --key"
        )
    return None


def _address(plane: ControlPlane, own: object) -> addresses.Dialled:
    try:
        address = addresses.dialled(plane.ads)
    except ValueError as fault:
        raise errors.UserError(f"--ads: {fault}") from None
    if own is None and (isinstance(address, addresses.Name) or not addresses.is_private(address)):
        raise errors.UserError(
            f"--ads: {address} can be reached from other machines, and ADS in clear is served only on a unix socket or "
            "a loopback address; name one of these, or give --ads-root, --token and --output-folder"
        )
    return address


def _file(option: str, path: pathlib.Path | None) -> str:
    """Return the absolute path of a file; it need not be there yet."""
    if path is None:
        raise errors.UserError(f"{option} is missing; name the file")
    return os.path.abspath(path)


def _folder(plane: ControlPlane) -> str:
    if plane.folder is None:
        raise errors.UserError(
            "--output-folder is missing; name the folder for envoy.yaml and the files that tell Envoy of root and token"
        )
    return os.path.abspath(plane.folder)


def _print(text: str, form: choices.Form) -> None:
    if form is choices.Form.YAML:
        typer.echo(f"# start it with: {' '.join(bootstrap.command_line('THIS-FILE.yaml'))}")
    typer.echo(text, nl=False)


def _write(folder: pathlib.Path, files: Mapping[str, str]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            beside = folder / f".{name}.tmp"
            beside.write_text(text)
            beside.replace(folder / name)
    except OSError as fault:
        raise errors.UserError(f"--output-folder: {folder} cannot be written: {fault.strerror}") from None
