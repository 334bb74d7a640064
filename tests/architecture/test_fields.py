"""The reference of fields names every field of the nine kinds, and none that there is not."""

import re
import typing
from collections.abc import Iterator

import pydantic
import pytest

from mesh import resources

CELL = r" ?(?P<{}>[^|]*?) ?"
ROW = re.compile(
    r"^\| (?P<bold>\*\*)?`(?P<field>[^`]+)`(?:\*\*)? \|"
    + r"\|".join(CELL.format(name) for name in ("type", "default", "meaning"))
    + r"\|$",
    re.MULTILINE,
)
APART = (
    resources.ResourceRef,
    resources.RefOrId,
    resources.TrafficTarget,
    resources.ExternalService,
    resources.VirtualDeploymentDestination,
    resources.VirtualServiceDestination,
    resources.IngressGatewayHostRef,
    resources.ResourceRequirements,
)
"""Parts that have a section of their own, because they stand in several places."""

INHERITED = (resources.TaggedSpec, resources.NamedSpec)


def models(annotation: object) -> Iterator[type[pydantic.BaseModel]]:
    """Yield the models in a type, whatever is around them."""
    if isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel):
        yield annotation
    for inside in typing.get_args(annotation):
        yield from models(inside)


def is_list(annotation: object) -> bool:
    return typing.get_origin(annotation) is tuple


def fields(of: type[pydantic.BaseModel], without: frozenset[str] = frozenset()) -> Iterator[tuple[str, bool]]:
    """Yield the path of each field of a model, as in YAML, and whether it must be given."""
    for name, field in of.model_fields.items():
        if name in without:
            continue
        path = f"{field.alias or name}"
        yield path, field.is_required()
        for inner in models(field.annotation):
            if inner not in APART:
                deeper = f"{path}[]" if is_list(field.annotation) else path
                yield from ((f"{deeper}.{rest}", must) for rest, must in fields(inner))


def sections() -> dict[str, dict[str, bool]]:
    """Return by section the fields that there are, and whether each must be given."""
    inherited = frozenset().union(*(each.model_fields for each in INHERITED))
    specs = {kind: spec_of(model) for kind, model in resources.KINDS.items()}
    own = {kind: dict(fields(spec, inherited_by(spec, inherited))) for kind, spec in specs.items()}
    apart = {part.__name__: dict(fields(part)) for part in APART}
    tagged = dict(fields(resources.TaggedSpec))
    named = {path: must for path, must in fields(resources.NamedSpec) if path not in tagged}
    return {**own, **apart, "TaggedSpec": tagged, "NamedSpec": named}


def inherited_by(spec: type[pydantic.BaseModel], inherited: frozenset[str]) -> frozenset[str]:
    return inherited if issubclass(spec, resources.TaggedSpec) else frozenset()


def spec_of(model: type[resources.Resource]) -> type[pydantic.BaseModel]:
    (found,) = models(model.model_fields["spec"].annotation)
    return found


SECTIONS = sections()


@pytest.fixture(scope="module")
def written(root) -> dict[str, list[re.Match[str]]]:
    """Return the rows of each section of the page."""
    _, *parts = re.split(r"^## ", (root / "docs/reference/fields.md").read_text(), flags=re.MULTILINE)
    return {part.splitlines()[0]: list(ROW.finditer(part)) for part in parts}


def test_every_kind_and_every_part_of_several_has_a_section_and_nothing_else_has(written):
    assert set(written) == set(SECTIONS)


@pytest.mark.parametrize("section", SECTIONS)
def test_every_field_is_there_once_and_no_other(written, section):
    named = [row["field"] for row in written[section]]
    assert sorted(named) == sorted(SECTIONS[section])


@pytest.mark.parametrize("section", SECTIONS)
def test_what_must_be_given_is_bold(written, section):
    assert {row["field"] for row in written[section] if row["bold"]} == {
        path for path, must in SECTIONS[section].items() if must
    }


@pytest.mark.parametrize("section", SECTIONS)
def test_every_row_says_of_what_type_it_is_and_what_becomes_of_it_unless_its_parts_do(written, section):
    for row in written[section]:
        assert row["type"]
        assert row["meaning"] or row["type"] == "object", row["field"]
