"""What whoever installs may choose: the values of the Helm chart, which `meshloom install` takes too.

Law: an unknown or impossible value is refused before anything is applied, in one line that names it.
"""

import functools
import importlib.metadata
import json
import pathlib
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

import pydantic
import yaml
from pydantic import Field
from pydantic.alias_generators import to_camel

from mesh.resources import ResourceRequirements
from mesh.rules import names
from meshloom import errors
from meshloom import settings as settings_model

NAMESPACE = "meshloom-system"

Document = dict[str, Any]

SERVED: Document = {"operating": {"health": "0.0.0.0:15014"}}
"""Settings of a control plane in a pod: kubelets and monitoring ask from outside."""


def _namespace(text: str) -> str:
    if not names.is_label(text):
        raise ValueError("is not the name of a namespace")
    return text


class _Values(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, hide_input_in_errors=True
    )


class NetworkPolicy(_Values):
    """Who may call the control plane, and whom it may call."""

    enabled: bool = True
    api_server_ports: Annotated[tuple[Annotated[int, Field(ge=1, le=65535)], ...], Field(min_length=1)] = (443, 6443)


class Values(_Values):
    """All of them; each has a default that serves."""

    image: Annotated[str, Field(min_length=1, description="What runs, as Dockerfile of the project makes it.")]
    image_pull_policy: Annotated[
        Literal["Always", "IfNotPresent", "Never"], Field(description="When nodes fetch the image.")
    ] = "IfNotPresent"
    image_pull_secrets: Annotated[
        tuple[Mapping[str, str], ...],
        Field(description="Secrets that nodes fetch the image with, as `- name: registry`."),
    ] = ()
    replicas: Annotated[
        int, Field(ge=1, description="How many control planes serve. They serve the same; one of them writes.")
    ] = 2
    resources: Annotated[Mapping[str, Any], Field(description="Compute resources of each.")] = {
        "requests": {"cpu": "200m", "memory": "256Mi"},
        "limits": {"memory": "1Gi"},
    }
    node_selector: Annotated[Mapping[str, str], Field(description="Labels of the nodes that they run on.")] = {}
    tolerations: Annotated[
        tuple[Mapping[str, Any], ...], Field(description="Taints of nodes that they run on all the same.")
    ] = ()
    network_policy: Annotated[
        NetworkPolicy,
        Field(
            description="Whether a NetworkPolicy shields them, and the ports on which they reach the API server: those "
            "of its Service and of the machines behind it."
        ),
    ] = NetworkPolicy()
    aggregate_roles: Annotated[
        bool,
        Field(description="Whether who may edit or view a namespace may do so with the mesh's resources in it, too."),
    ] = True
    secret_namespaces: Annotated[
        tuple[Annotated[str, pydantic.AfterValidator(_namespace)], ...],
        Field(
            description="Namespaces in which the control plane may read Secrets: those of gateways, and of authorities "
            "that the settings name. Empty: in all."
        ),
    ] = ()
    gateway_namespaces: Annotated[
        tuple[Annotated[str, pydantic.AfterValidator(_namespace)], ...],
        Field(
            description="Namespaces in which the control plane may make pods and Services of gateways. Empty: in all."
        ),
    ] = ()
    settings: Annotated[
        Mapping[str, Any], Field(description="The settings of the program, as docs/reference/cli.md lists them.")
    ] = SERVED

    @pydantic.field_validator("resources")
    @classmethod
    def _are_amounts(cls, value: Mapping[str, Any]) -> Mapping[str, Any]:
        ResourceRequirements.model_validate(value)
        return value

    @pydantic.field_validator("settings")
    @classmethod
    def _are_settings(cls, value: Mapping[str, Any]) -> Mapping[str, Any]:
        settings_model.Settings.model_validate(value)
        return value

    def chosen(self) -> settings_model.Settings:
        """Return the settings of the program."""
        return settings_model.Settings.model_validate(self.settings)

    def document(self) -> Document:
        """Return them as YAML has them."""
        return self.model_dump(mode="json", by_alias=True)


@functools.cache
def default_image() -> str:
    """Return the image of this version."""
    return f"meshloom:{importlib.metadata.version('meshloom')}"


def values(documents: Iterable[Mapping[str, Any]]) -> Values:
    """Return the values that the documents say, the later ones before the earlier, and before the defaults.

    Raises errors.UserError.
    """
    said = functools.reduce(merged, documents, Values(image=default_image()).document())
    try:
        return Values.model_validate(said)
    except pydantic.ValidationError as fault:
        raise errors.UserError(f"values: {'; '.join(_lines(fault))}") from None


def read(paths: Iterable[pathlib.Path], *others: Mapping[str, Any]) -> Values:
    """Return the values that files say, and after them other documents. Raises errors.UserError."""
    return values((*map(_read, paths), *others))


def _read(path: pathlib.Path) -> Document:
    try:
        document = yaml.safe_load(path.read_bytes()) or {}
    except (OSError, yaml.YAMLError) as fault:
        raise errors.UserError(f"--values: {path} cannot be read: {' '.join(str(fault).split())}") from None
    if not isinstance(document, dict):
        raise errors.UserError(f"--values: {path} is not a map of values")
    return document


def _lines(fault: pydantic.ValidationError) -> Iterable[str]:
    for found in fault.errors(include_url=False, include_input=False, include_context=False):
        yield f"{'.'.join(map(str, found['loc'])) or 'all of them'}: {' '.join(found['msg'].split())}"


def merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> Document:
    """Return both documents as one: maps are joined, null removes, everything else is replaced, as Helm does."""
    found = dict(under)
    for key, value in over.items():
        below = found.get(key)
        match below, value:
            case Mapping(), Mapping():
                found[key] = merged(below, value)
            case _, None:
                found.pop(key, None)
            case _:
                found[key] = value
    return found


def named(namespace: str) -> str:
    """Return the name of a namespace that can be meshloom's own. Raises errors.UserError."""
    if not names.is_label(namespace):
        raise errors.UserError(f"--namespace: {namespace} is not the name of a namespace")
    if namespace == "default" or namespace.startswith("kube-"):
        fault = f"{namespace} is the cluster's own, and what is installed would change what its pods may"
        raise errors.UserError(f"--namespace: {fault}; name another, as {NAMESPACE}")
    return namespace


def assignment(text: str) -> Document:
    """Return the document of `network.policy=value`, whose value is YAML. Raises errors.UserError."""
    path, equals, said = text.partition("=")
    steps = path.split(".")
    if not equals or not all(steps):
        raise errors.UserError(
            f"--set: {text} is not of the form key=value, as replicas=3 or networkPolicy.enabled=false"
        )
    try:
        value = yaml.safe_load(said)
    except yaml.YAMLError:
        raise errors.UserError(f"--set: the value of {path} is not YAML") from None
    return functools.reduce(lambda inner, step: {step: inner}, reversed(steps), value)


def canonical(document: object, indent: int | None = None) -> str:
    """Return JSON as Helm's templates write it: keys in order, whole numbers without a fraction, `<>&` escaped."""
    separators = (",", ":") if indent is None else (",", ": ")
    text = json.dumps(_whole(document), sort_keys=True, ensure_ascii=False, indent=indent, separators=separators)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _whole(value: object) -> object:
    match value:
        case float() if value.is_integer():
            return int(value)
        case Mapping():
            return {key: _whole(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_whole(inner) for inner in value]
        case _:
            return value
