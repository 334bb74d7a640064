"""A whole CustomResourceDefinition, and the text of the file that it is kept in.

Law: one version, served and stored; whatever else the original's definitions said is said here, and nothing more.
"""

import inspect
from collections.abc import Mapping
from typing import Any

import yaml

from mesh import resources
from mesh.resources import Model, Resource
from mesh.rules import fields
from meshloom.crds import columns, constraints, schema, statuses

Document = dict[str, Any]

LABELS: Mapping[str, str] = {"app.kubernetes.io/name": "meshloom", "app.kubernetes.io/component": "api"}
VERSION = resources.API_VERSION.partition("/")[2]

_HEADER = "# Made of mesh/resources.py by `make crds`; a change made here is lost.\n"

_TYPE: Mapping[str, Document] = {
    "apiVersion": {"description": f"{resources.API_VERSION}.", "type": "string"},
    "kind": {"description": "The kind of the object.", "type": "string"},
    "metadata": {"type": "object"},
}


class _Dumper(yaml.SafeDumper):
    """Parts that occur twice are written twice."""

    def ignore_aliases(self, data: object) -> bool:
        """Return that nothing is referred to."""
        return True


def definitions() -> tuple[Document, ...]:
    """Return the definitions of the nine kinds, in the order of the models."""
    return tuple(definition(model) for model in resources.KINDS.values())


def definition(model: type[Resource]) -> Document:
    """Return the definition of one kind."""
    kind = model.__name__
    names = {"kind": kind, "listKind": f"{kind}List", "plural": model.plural, "singular": kind.lower()}
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": _whole(model)},
        "subresources": {"status": {}},
        "additionalPrinterColumns": columns.columns(kind),
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{model.plural}.{resources.GROUP}", "labels": dict(LABELS)},
        "spec": {"group": resources.GROUP, "names": names, "scope": "Namespaced", "versions": [version]},
    }


def spec_model(kind: type[Resource]) -> type[Model]:
    """Return the model of the spec of one of the nine kinds."""
    found = fields.known_fields(kind)["spec"]
    if found is None:
        raise TypeError(f"{kind.__name__} has no spec")
    return found


def _whole(model: type[Resource]) -> Document:
    spec = spec_model(model)
    within = (*constraints.of_field("spec", spec), *constraints.of_spec(model, spec))
    return {
        "description": inspect.getdoc(model),
        "type": "object",
        "properties": {
            **_TYPE,
            "spec": {"description": inspect.getdoc(spec), **schema.of_model(spec, within)},
            "status": statuses.SCHEMA,
        },
        **schema.validations(constraints.of_object()),
    }


def file_text(document: Document) -> str:
    """Return the file of a definition."""
    return _HEADER + yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)


def file_name(document: Document) -> str:
    """Return the name of that file."""
    return f"{document['spec']['names']['plural']}.yaml"
