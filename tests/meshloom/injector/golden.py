"""Golden pods: a pod as somebody writes it, and what becomes of it.

Law: a case is a folder with `pod.yaml`, whose first line says what the case shows; adding one needs no code. It may bring
objects of the mesh, in the place of those of `mesh.yaml` beside this file or in addition, and `settings.yaml`, the
settings `kubernetes.injection`. In a case whose name begins with `classic` sidecars are classic.
Of proxies and their volumes, which are long, only what differs from those of the cases `plain` and `classic-plain` is
kept.
"""

import functools
import pathlib
from collections.abc import Iterator
from typing import Any

import yaml

from mesh import documents, inventory, resolve
from meshloom.injector import facts, patch, templates, wishes
from tests.meshloom.injector import json_patches

HERE = pathlib.Path(__file__).parent
FOLDER = HERE / "cases"
PLAIN, CLASSIC = "plain", "classic"
INIT = ("init", "meshloom-init", "meshloom-meshloom-init")
OURS = ("oci-sm-proxy", *INIT)
VERSION = "0.1.0"
SAME = "as in plain"


def cases() -> list[str]:
    """Return the names of all cases."""
    return sorted(path.name for path in FOLDER.iterdir())


def written(case: str) -> list[dict[str, Any]]:
    """Return the documents of a case."""
    return [one for one in yaml.safe_load_all((FOLDER / case / "pod.yaml").read_text()) if one]


@functools.cache
def outcomes(case: str) -> tuple[tuple[dict[str, Any], patch.Outcome], ...]:
    """Return each object of a case that makes pods, and what becomes of its pod."""
    return tuple(_outcomes(case))


def _outcomes(case: str) -> Iterator[tuple[dict[str, Any], patch.Outcome]]:
    own = written(case)
    everything = [*yaml.safe_load_all((HERE / "mesh.yaml").read_text()), *own]
    found = [item for one in everything if (item := documents.parsed(one).resource)]
    known = facts.facts(resolve.resolve(inventory.inventory_of(found)))
    for document in own:
        pod = templates.pod(document)
        if pod is not None:
            yield document, patch.patch(pod, known, terms(case))


def terms(case: str) -> Any:
    """Return the terms of a case."""
    path = FOLDER / case / "settings.yaml"
    chosen = yaml.safe_load(path.read_text()) if path.exists() else {}
    version = (1, 28) if case.startswith(CLASSIC) else (1, 33)
    return wishes.Injection.model_validate({"image": "meshloom-proxy:test", **chosen}).terms(version)


def produced(case: str) -> str:
    """Return the file of a case as the code of today makes it."""
    told = [_told(case, document, outcome) for document, outcome in outcomes(case)]
    return yaml.dump(told[0] if len(told) == 1 else told, Dumper=_Dumper, sort_keys=True, width=120, allow_unicode=True)


def expected(case: str) -> str:
    """Return the file of a case as it is kept."""
    path = FOLDER / case / "expected.yaml"
    return path.read_text() if path.exists() else ""


def rewrite(case: str, text: str) -> None:
    """Keep this for a case."""
    (FOLDER / case / "expected.yaml").write_text(text)


def _told(case: str, document: dict[str, Any], outcome: patch.Outcome) -> dict[str, Any]:
    told: dict[str, Any] = {"outcome": outcome.reason.value}
    if outcome.problem:
        told["problem"] = f"{outcome.problem.severity.value}: {outcome.problem}"
    if outcome.warnings:
        told["warnings"] = [f"{one.severity.value}: {one}" for one in outcome.warnings]
    pod = templates.pod(document)
    assert pod is not None
    if outcome.document is not None:
        made = json_patches.applied(pod.document, outcome.patch)
        told["becomes"] = _short(case, templates.replaced(document, made), made)
    return told


def _short(case: str, document: dict[str, Any], pod: dict[str, Any]) -> Any:
    """Return an object without what its pod has in common with that of the plain case."""
    plain = f"{CLASSIC}-{PLAIN}" if case.startswith(CLASSIC) else PLAIN
    if case == plain:
        return document
    [(_, outcome)] = outcomes(plain)
    assert outcome.document is not None
    of = {**pod, "spec": _without(pod["spec"], outcome.document["spec"])}
    return templates.replaced(document, of)


def _without(spec: dict[str, Any], plain: dict[str, Any]) -> dict[str, Any]:
    known = {one["name"]: one for part in ("initContainers", "containers") for one in plain.get(part, ())}
    known |= dict.fromkeys(INIT, known["init"])
    volumes = {one["name"]: one for one in plain["volumes"]}
    parts = {
        part: [
            _differing(one, known[one["name"]]) if one["name"] in OURS and _is_ours(one) else one for one in spec[part]
        ]
        for part in ("initContainers", "containers")
        if part in spec
    }
    kept = [one for one in spec["volumes"] if one != volumes.get(one["name"])]
    return {**spec, **parts, "volumes": [*kept, SAME]}


def _is_ours(container: dict[str, Any]) -> bool:
    return container["image"].startswith("meshloom-proxy")


def _differing(container: dict[str, Any], plain: dict[str, Any]) -> dict[str, Any]:
    differing = {key: value for key, value in container.items() if plain.get(key) != value}
    gone = [key for key in plain if key not in container]
    if "env" in differing:
        differing["env"] = [one for one in container["env"] if one not in plain["env"]]
    return {"name": container["name"], **differing, "...": SAME, **({"gone": gone} if gone else {})}


class _Dumper(yaml.SafeDumper):
    """Writes shared values out in full, without anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True
