"""The steps of a migration, done one by one, each after what it changes has been saved.

Law: a step that does not hold any more, because somebody else was there, is said and left; the others go on.
"""

import contextlib
import os
import pathlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, TextIO

import yaml

from mesh.problems import Ref
from meshloom import errors
from meshloom.migration import facts, kinds
from meshloom.migration.findings import Finding, Step
from watchers import api_server

_MANAGER: Final = {"fieldManager": api_server.MANAGER}
_CHANGED: Final = (409, 422)
"""What the API server answers where the test of a patch fails, or somebody else is writing."""

Said = Callable[[str], None]


def steps(found: Iterable[Finding]) -> tuple[Step, ...]:
    """Return all that is to be done, in order."""
    return tuple(step for finding in found for step in finding.steps)


async def act(
    api: api_server.ApiServer, of: facts.Facts, todo: tuple[Step, ...], saved: pathlib.Path, said: Said
) -> bool:
    """Save what is to be changed, then change it; return whether all was done. Raises errors.UserError."""
    there = {facts.ref(document): document for document in of.documents}
    save(saved, {step.ref: there[step.ref] for step in todo if step.ref in there})
    if todo:
        said(f"saved what is changed, as it was, in {saved}")
    return all([await _done(api, step, said) for step in todo])


def save(folder: pathlib.Path, documents: Mapping[Ref, Mapping[str, Any]]) -> None:
    """Write each object into a file of its own, which nobody else can read. Raises errors.UserError."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for ref, document in documents.items():
            name = "-".join(part for part in (ref.kind, ref.namespace, ref.name) if part)
            with _private(folder / f"{name}.yaml") as file:
                yaml.safe_dump(dict(document), file, sort_keys=False, width=120, allow_unicode=True)
    except OSError as fault:
        raise errors.UserError(f"--backup: {folder} cannot be written: {fault.strerror}; nothing was changed") from None


@contextlib.contextmanager
def _private(path: pathlib.Path) -> Iterator[TextIO]:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        yield file


async def _done(api: api_server.ApiServer, step: Step, said: Said) -> bool:
    try:
        await _do(api, step)
    except api_server.ApiError as error:
        if error.is_absent:  # it is gone, and with it all that was wrong with it
            return True
        why = "it is not as it was read any more" if error.status in _CHANGED else error.message
        said(f"not done: {step.ref} was not changed, because {why}")
        return False
    said(step.said)
    return True


async def _do(api: api_server.ApiServer, step: Step) -> None:
    """Raises ApiError."""
    at = kinds.place(step.ref, step.subresource)
    if step.patch is None:
        await api.request("DELETE", at)
        return
    await api.request("PATCH", at, _MANAGER, list(step.patch), content_type=api_server.JSON_PATCH)
