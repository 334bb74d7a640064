"""`meshloom migrate`: what the original operator left, and the steps away from it.

Law: the report comes first; nothing is changed while something in it has to be done before.
"""

import asyncio
import json
import pathlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import typer
import yaml

from mesh import documents
from meshloom import choices, errors
from meshloom import settings as settings_model
from meshloom.install import values
from meshloom.migration import acting, cleaning, facts, reading, report
from meshloom.migration.findings import Finding, Weight
from watchers import api_server


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was said on the command line."""

    files: tuple[str, ...]
    access: api_server.Access
    backup: pathlib.Path
    write: pathlib.Path | None
    listing: choices.Listing
    values: tuple[pathlib.Path, ...] = ()

    @property
    def settings(self) -> settings_model.Settings | None:
        """Those that the files of values say, None without any. Raises errors.UserError."""
        return values.read(self.values).chosen() if self.values else None


def run(wanted: Wanted, *, is_applied: bool) -> int:
    """Print the report, do what it says where that is wanted, and return the exit code. Raises errors.UserError."""
    if wanted.files and is_applied:
        raise errors.UserError("--apply changes a cluster, and --file reads files; give --write FOLDER for new files")
    if wanted.files:
        return _told(wanted, facts.facts(_read(wanted.files), chosen=wanted.settings))
    return asyncio.run(_of_cluster(wanted, is_applied))


async def _of_cluster(wanted: Wanted, is_applied: bool) -> int:
    chosen = wanted.settings
    try:
        async with api_server.connected(wanted.access) as api:
            of = await reading.read(api, chosen)
            return await _applied(wanted, api, of) if is_applied else _told(wanted, of)
    except api_server.ApiError as fault:
        raise errors.UserError(f"the cluster cannot be read: {fault.message}") from None


async def _applied(wanted: Wanted, api: api_server.ApiServer, of: facts.Facts) -> int:
    """Do what can be done, and print what is left. Raises errors.UserError, ApiError."""
    found = report.report(of)
    if blocks := [finding for finding in found if finding.weight is Weight.BLOCKING]:
        raise errors.UserError(f"nothing was changed: {blocks[0]}")
    is_done = await acting.act(api, of, acting.steps(found), wanted.backup, lambda line: typer.echo(line, err=True))
    code = _told(wanted, await reading.read(api, of.settings))
    return code if is_done else 1


def _told(wanted: Wanted, of: facts.Facts) -> int:
    found = report.report(of)
    if wanted.write is not None:
        _write(wanted.write, of)
    typer.echo(_text(found, wanted.listing))
    return 0 if report.is_done(found) else 1


def _text(found: tuple[Finding, ...], listing: choices.Listing) -> str:
    if listing is choices.Listing.JSON:
        return json.dumps(report.as_json(found), indent=2)
    return "\n".join(report.lines(found))


def _read(paths: Sequence[str]) -> Iterator[Any]:
    """Yield the documents of files and folders. Raises errors.UserError."""
    for path in paths:
        for file in _files(pathlib.Path(path)):
            try:
                for document in yaml.load_all(file.read_bytes(), Loader=_Loader):
                    yield from documents.members(document)
            except (OSError, yaml.YAMLError) as fault:
                raise errors.UserError(f"{file} cannot be read: {' '.join(str(fault).split())}") from None


class _Loader(yaml.SafeLoader):
    """Reads times as the text that they are in JSON."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _files(path: pathlib.Path) -> list[pathlib.Path]:
    if not path.exists():
        raise errors.UserError(f"{path} does not exist; name a file or folder that `kubectl get -o yaml` filled")
    found = sorted(each for each in path.rglob("*") if each.suffix in (".yaml", ".yml", ".json"))
    return found if path.is_dir() else [path]


def _write(folder: pathlib.Path, of: facts.Facts) -> None:
    """Write the nine kinds, a file for each namespace. Raises errors.UserError."""
    spaces: dict[str, list[Any]] = {}
    for document in cleaning.cleaned(of):
        spaces.setdefault(str(document["metadata"].get("namespace") or "default"), []).append(document)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for space, found in spaces.items():
            text = yaml.safe_dump_all(found, sort_keys=False, width=120, allow_unicode=True)
            (folder / f"{space}.yaml").write_text(text, encoding="utf-8")
    except OSError as fault:
        raise errors.UserError(f"--write: {folder} cannot be written: {fault.strerror}") from None
    typer.echo(f"wrote {sum(map(len, spaces.values()))} objects into {folder}", err=True)
