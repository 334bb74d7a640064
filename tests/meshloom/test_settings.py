"""The settings file: defaults that serve, and one line for what cannot be."""

import pytest

from mesh import resolve
from meshloom import errors, settings
from translator import traffic


def test_without_a_file_the_defaults_serve():
    assert settings.loaded(None).limits == settings.Limits(request_bytes=4 << 20, names=10_000, streams_per_peer=100)


def test_an_empty_file_is_the_defaults(tmp_path):
    (tmp_path / "settings.yaml").write_text("")
    assert settings.loaded(tmp_path / "settings.yaml") == settings.Settings()


def test_a_file_overrides_what_it_names_and_nothing_else(tmp_path):
    (tmp_path / "settings.yaml").write_text("limits: {names: 20}\nresolving: {paths_by_segment: false}\n")
    found = settings.loaded(tmp_path / "settings.yaml")
    assert (found.limits.names, found.limits.streams_per_peer) == (20, 100)
    assert not found.resolving.settings().paths_by_segment


def test_references_into_other_namespaces_are_permitted_unless_a_file_says_otherwise(tmp_path):
    path = tmp_path / "settings.yaml"
    path.write_text(
        "resolving:\n"
        "  cross_namespace_references: listed\n"
        "  permitted_references:\n"
        "  - {from: '*', to: platform, kinds: [VirtualService, IngressGateway]}\n"
        "  - {from: platform, to: '*'}\n"
    )
    assert settings.loaded(None).resolving.settings().crossings == resolve.Crossings()
    assert settings.loaded(path).resolving.settings().crossings == resolve.Crossings(
        resolve.CrossNamespace.LISTED,
        (
            resolve.Permit("*", "platform", frozenset({"VirtualService", "IngressGateway"})),
            resolve.Permit("platform", "*"),
        ),
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("limit: {}", "limit: Extra inputs are not permitted"),
        ("limits: {names: 0}", "limits.names: Input should be greater than or equal to 1"),
        ("observing: {settle_seconds: soon}", "observing.settle_seconds: Input should be a valid number"),
        ("- a", "the file: Input should be"),
        (
            "resolving: {cross_namespace_references: some}",
            "resolving.cross_namespace_references: Input should be 'allow', 'same' or 'listed'",
        ),
        (
            "resolving: {permitted_references: [{from: a, to: b}]}",
            "resolving: Value error, permitted_references counts only where cross_namespace_references is listed",
        ),
        (
            "resolving: {permitted_references: [{from: A, to: b}]}",
            "resolving.permitted_references.0.from: Value error, is neither the name of a namespace nor *",
        ),
        (
            "resolving: {permitted_references: [{from: a, to: b, kinds: [Policy]}]}",
            "resolving.permitted_references.0.kinds.0: Value error, is not one of Mesh, VirtualService,",
        ),
        ("resolving: {permitted_references: [{from: a}]}", "resolving.permitted_references.0.to: Field required"),
        ("a: [", "cannot be read"),
        ("kubernetes: {operator: '10.0.0.1:15016'}", "kubernetes.operator: Value error, can be reached from elsewhere"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line_that_names_it(tmp_path, text, words):
    path = tmp_path / "settings.yaml"
    path.write_text(text)
    with pytest.raises(errors.UserError) as fault:
        settings.loaded(path)
    assert str(fault.value).startswith(f"settings {path}")
    assert words in str(fault.value)
    assert "\n" not in str(fault.value)


def test_what_keeps_traffic_alive_is_switched_off_one_by_one(tmp_path):
    path = tmp_path / "settings.yaml"
    path.write_text("traffic: {retries: false}")
    assert settings.loaded(path).traffic.kept() == traffic.Traffic(retries=False)
    assert settings.Settings().traffic.kept() == traffic.DEFAULT


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(errors.UserError, match=r"cannot be read: .*No such file"):
        settings.loaded(tmp_path / "settings.yaml")


def test_networks_that_are_never_outside_are_those_known_and_those_named(tmp_path):
    path = tmp_path / "settings.yaml"
    path.write_text("egress: {internal_networks: [10.0.0.0/8], exempt_networks: [127.88.0.0/16]}\n")
    refused = settings.loaded(path).model().refused
    assert "10.0.0.0/8" in refused
    assert "127.0.0.0/8" not in refused
    assert "127.0.0.0/8" in settings.loaded(None).model().refused
    assert settings.loaded(None).model() == resolve.Settings()


@pytest.mark.parametrize("network", ["nowhere", "10.0.0.1/8", "10.0.0.0/33"])
def test_what_is_no_network_is_refused(tmp_path, network):
    path = tmp_path / "settings.yaml"
    path.write_text(f"egress: {{internal_networks: [{network}]}}\n")
    with pytest.raises(errors.UserError, match=r"egress\.internal_networks\.0: .*is not a network"):
        settings.loaded(path)
