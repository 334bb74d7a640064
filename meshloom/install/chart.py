"""The Helm chart, made of the same objects: where a value enters stands an action of Helm's templates.

Law: nothing is written by hand, so that the chart and `meshloom install` cannot disagree.
"""

import importlib.metadata
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

import pydantic.json_schema
import yaml

from meshloom import settings as settings_model
from meshloom.admission import configuration
from meshloom.injector import configuration as injection
from meshloom.install import roles, values, workload
from meshloom.install.values import Values

Document = dict[str, Any]

_HEADER = "{{- /* Made by `make chart`; a change made here is lost. */ -}}\n"
_PLACEHOLDER = re.compile(r"'@(\{\{.*\}\})@'")

CLUSTERS = ">=1.28.0-0"
"""Versions of Kubernetes whose API servers know all that is applied."""


def _action(text: str) -> str:
    """Return what stands in an object in the place of an action of Helm's."""
    return f"@{{{{ {text} }}}}@"


_NAMESPACE = _action("$.Release.Namespace | quote")


def files() -> Mapping[str, str]:
    """Return the files of the chart, beside the definitions, by their names."""
    templates = {f"templates/{name}.yaml": _HEADER + text for name, text in _templates().items()}
    return {
        "Chart.yaml": _plain(_chart()),
        "values.yaml": values_text(),
        "values.schema.json": json.dumps(schema(), indent=2) + "\n",
        "templates/NOTES.txt": _NOTES,
        **templates,
    }


def _chart() -> Document:
    version = importlib.metadata.version("meshloom")
    return {
        "apiVersion": "v2",
        "name": "meshloom",
        "description": "A self-hosted Envoy control plane for the OCI Service Mesh custom resources.",
        "type": "application",
        "version": version,
        "appVersion": version,
        "kubeVersion": CLUSTERS,
    }


# ---------------------------------------------------------------------------- templates


def _templates() -> Mapping[str, str]:
    return {
        "account": _stream([roles.account(_NAMESPACE)]),
        "roles": _stream([*roles.cluster_roles(_NAMESPACE), *roles.home_roles(_NAMESPACE)]),
        "secrets": _bound(roles.READER, "secretNamespaces"),
        "gateways": _bound(roles.MAKER, "gatewayNamespaces"),
        "people": _stream(
            [*roles.operators(_NAMESPACE), *roles.user_roles(_action("$.Values.aggregateRoles | quote"))]
        ),
        "settings": _stream([workload.settings_map(_NAMESPACE, _SETTINGS)]),
        "service": _stream([workload.service(_NAMESPACE)]),
        "disruption-budget": _stream([workload.disruption_budget(_NAMESPACE)]),
        "network-policy": _network_policy(),
        "deployment": _stream([workload.deployment(_NAMESPACE, _chosen(), _DIGEST)]),
        "webhook": _stream([configuration.configuration(_NAMESPACE), injection.configuration(_NAMESPACE)]),
    }


_SETTINGS = _action('printf "%s\\n" (toPrettyJson $.Values.settings) | toJson')
_DIGEST = _action("toJson $.Values.settings | sha256sum | quote")


def _chosen() -> Document:
    """Return the values that stand in the Deployment, each as an action."""
    names = {info.alias or name for name, info in Values.model_fields.items()}
    return {name: _action(f"toJson $.Values.{name}") for name in names}


def _bound(role: str, value: str) -> str:
    everywhere = _stream([roles.everywhere(role, _NAMESPACE)])
    here = _stream([roles.within(_action(". | quote"), role, _NAMESPACE)])
    each = f"{{{{- range $.Values.{value} }}}}\n---\n{here}{{{{- end }}}}\n"
    return f"{_if(f'not $.Values.{value}', everywhere)}{each}"


def _network_policy() -> str:
    policy = workload.network_policy(_NAMESPACE, "@ports@")
    each = "\n    - port: {{ toJson . }}\n      protocol: TCP\n    "
    ports = f"{{{{- range $.Values.networkPolicy.apiServerPorts }}}}{each}{{{{- end }}}}"
    text = _stream([policy]).replace("'@ports@'", ports)
    return _if("$.Values.networkPolicy.enabled", text)


def _if(condition: str, text: str) -> str:
    return f"{{{{- if {condition} }}}}\n{text}{{{{- end }}}}\n"


def _stream(documents: Iterable[Document]) -> str:
    return _PLACEHOLDER.sub(r"\1", "---\n".join(map(_plain, documents)))


def _plain(document: Document) -> str:
    return yaml.safe_dump(document, sort_keys=False, width=10**6, allow_unicode=True)


# ---------------------------------------------------------------------------- values


def values_text() -> str:
    """Return values.yaml: each value with its default and the words about it."""
    found = values.values([]).document()
    parts = [f"# {info.description}\n{_plain({_alias(name): found[_alias(name)]})}" for name, info in _fields()]
    return "# Made by `make chart`; a change made here is lost.\n\n" + "\n".join(parts)


def _fields() -> Iterable[tuple[str, Any]]:
    return Values.model_fields.items()


def _alias(name: str) -> str:
    return Values.model_fields[name].alias or name


def schema() -> Document:
    """Return the schema of the values, with that of the settings inside."""
    models: list[tuple[type[pydantic.BaseModel], pydantic.json_schema.JsonSchemaMode]] = [
        (Values, "validation"),
        (settings_model.Settings, "validation"),
    ]
    found, shared = pydantic.json_schema.models_json_schema(models, by_alias=True)
    defined = dict(shared["$defs"])
    whole = defined.pop(found[models[0]]["$ref"].rpartition("/")[2])
    whole["properties"]["settings"] = {**whole["properties"]["settings"], **found[models[1]]}
    whole["properties"]["global"] = {"type": "object", "description": "What Helm hands to every chart. Not used."}
    return {"$schema": "http://json-schema.org/draft-07/schema#", **whole, "$defs": defined}


_NOTES = """meshloom {{ .Chart.AppVersion }} is in {{ .Release.Namespace }}. See how it gets ready:

  kubectl -n {{ .Release.Namespace }} rollout status deployment/meshloom

Helm does not bring the definitions of the kinds up to date; before an upgrade:

  kubectl apply --server-side --force-conflicts -f crds/
"""
