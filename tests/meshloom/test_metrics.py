"""What is measured, under which names and labels, and that the page of metrics says so."""

import pathlib
import re

import pytest

from mesh import problems
from meshloom import metrics, short_names, worker
from meshloom.gateways import plan
from meshloom.identity.authority.credentials import What
from meshloom.injector import injection
from watchers import kinds, standing
from xds import resource_types

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "reference" / "metrics.md"
REF = problems.Ref("Mesh", "shop", "main")
MESHES, SERVICES = (kind for kind in kinds.FOLLOWED if kind.name in ("Mesh", "Service"))
STANDINGS = (
    standing.Standing(MESHES, "shop", "", True, 2, contact=40.0, lists=1, watches=3, events=7),
    standing.Standing(MESHES, "pets", "", False, 1, fault="403 Forbidden", since=9.0, contact=30.0, events=1, faults=4),
    standing.Standing(SERVICES, "shop", "", True, 5, contact=50.0),
)


@pytest.fixture
def measured() -> metrics.Metrics:
    return metrics.Metrics("1.2.3", lambda: STANDINGS)


def lines(measured: metrics.Metrics) -> dict[str, float]:
    """Return sample -> value of the text."""
    pairs = (line.rpartition(" ") for line in measured.text().decode().splitlines() if not line.startswith("#"))
    return {sample: float(value) for sample, _, value in pairs}


def labels(sample: str) -> dict[str, str]:
    return dict(re.findall(r'(\w+)="([^"]*)"', sample))


def test_streams_are_counted_by_variant(measured):
    measured.streams.opened("delta")
    measured.streams.opened("delta")
    measured.streams.closed("delta")
    found = lines(measured)
    assert found['meshloom_streams{variant="delta"}'] == 1
    assert found['meshloom_streams_opened_total{variant="delta"}'] == 2
    assert found['meshloom_streams{variant="sotw"}'] == 0


def test_refused_streams_are_counted_by_code_and_a_strange_code_is_other(measured):
    measured.streams.refused("sotw", "UNAUTHENTICATED", "revoked")
    measured.streams.refused("sotw", "SOMETHING_NEW", "something new")
    found = lines(measured)
    assert found['meshloom_streams_refused_total{code="UNAUTHENTICATED",variant="sotw"}'] == 1
    assert found['meshloom_streams_refused_total{code="other",variant="sotw"}'] == 1
    assert found['meshloom_proofs_refused_total{reason="revoked"}'] == 1
    assert found['meshloom_proofs_refused_total{reason="other"}'] == 1


def test_pushes_and_answers_are_counted_by_type(measured):
    measured.streams.sent(resource_types.LISTENER, 120)
    measured.streams.sent(resource_types.LISTENER, 80)
    measured.streams.acked(resource_types.LISTENER, 0.02)
    measured.streams.nacked(resource_types.LISTENER, 0.5)
    measured.streams.overdue(resource_types.ROUTES)
    found = lines(measured)
    assert found['meshloom_responses_sent_total{type="LDS"}'] == 2
    assert found['meshloom_response_bytes_total{type="LDS"}'] == 200
    assert found['meshloom_ack_seconds_count{type="LDS"}'] == 1
    assert found['meshloom_ack_seconds_bucket{le="0.025",type="LDS"}'] == 1
    assert found['meshloom_ack_seconds_bucket{le="0.01",type="LDS"}'] == 0
    assert found['meshloom_nacks_total{type="LDS"}'] == 1
    assert found['meshloom_overdue_answers_total{type="RDS"}'] == 1


def test_a_pass_tells_how_long_it_took_and_what_it_came_to(measured):
    said = (problems.error(REF, "", "is wrong", "mend it"), problems.warning(REF, "", "is odd", "look at it"))
    after = worker.Status(3, 7, said, last=worker.LastPass(1000.0, 0.2, 0.3, 5))
    measured.passes.settled(worker.Status(), after)
    found = lines(measured)
    assert found['meshloom_pass_seconds_sum{stage="resolve"}'] == 0.2
    assert found['meshloom_pass_seconds_sum{stage="compile"}'] == 0.3
    assert found['meshloom_passes_total{outcome="succeeded"}'] == 1
    assert found["meshloom_snapshots_published_total"] == 5
    assert found["meshloom_last_pass_timestamp_seconds"] == 1000
    assert (found["meshloom_services"], found["meshloom_proxies"]) == (3, 7)
    assert found['meshloom_problems{severity="error"}'] == found['meshloom_problems{severity="warning"}'] == 1


def test_a_pass_that_failed_is_counted_and_the_last_good_is_not_counted_again(measured):
    good = worker.Status(3, 7, last=worker.LastPass(1000.0, 0.2, 0.3, 5))
    measured.passes.settled(worker.Status(), good)
    measured.passes.failed(ValueError("broke"))
    measured.passes.settled(good, worker.Status(3, 7, fault="broke", last=good.last))
    found = lines(measured)
    assert found['meshloom_passes_total{outcome="failed"}'] == found['meshloom_passes_total{outcome="succeeded"}'] == 1
    assert found['meshloom_pass_seconds_count{stage="compile"}'] == 1


def test_problems_that_are_mended_are_gone(measured):
    measured.passes.settled(worker.Status(), worker.Status(problems=(problems.error(REF, "", "is wrong", "x"),)))
    measured.passes.settled(worker.Status(), worker.Status())
    assert lines(measured)['meshloom_problems{severity="error"}'] == 0


def test_the_build_says_its_version(measured):
    (build,) = (sample for sample in lines(measured) if sample.startswith("meshloom_build_info"))
    assert labels(build)["version"] == "1.2.3"


def test_two_programs_in_one_process_measure_apart():
    one, other = metrics.Metrics("1"), metrics.Metrics("2")
    one.streams.opened("delta")
    assert lines(other)['meshloom_streams{variant="delta"}'] == 0


def test_every_label_has_few_values(measured):
    allowed = {
        "variant": set(metrics.VARIANTS),
        "code": set(metrics.CODES),
        "reason": {*metrics.REASONS, *injection.REASONS, metrics.OTHER},
        "type": set(short_names.OF.values()),
        "severity": {"error", "warning"},
        "stage": {"resolve", "compile"},
        "outcome": {"succeeded", "failed", *metrics.OUTCOMES, *metrics.WRITE_OUTCOMES, *metrics.DONE, *metrics.TURNS},
        "state": {"due", "kept"},
        "what": set(metrics.WRITTEN),
        "event": {what.name.lower() for what in What},
        "kind": {*plan.KINDS, *(kind.name for kind in (*kinds.FOLLOWED, kinds.SECRET))},
    }
    measured.streams.refused("sotw", "INTERNAL", "")
    for sample in lines(measured):
        if not sample.startswith("meshloom_build_info"):
            assert all(value in allowed[name] for name, value in labels(sample).items() if name != "le"), sample


def test_what_a_stream_can_be_of_is_what_the_protocol_supports():
    assert short_names.OF.keys() == resource_types.SUPPORTED


def test_how_a_kind_is_followed_is_summed_up_over_namespaces(measured):
    found = {sample: value for sample, value in lines(measured).items() if 'kind="Mesh"' in sample}
    assert {sample.partition("{")[0].removeprefix("meshloom_watch_"): value for sample, value in found.items()} == {
        "objects": 3,
        "synced": 0,
        "failing": 1,
        "contact_timestamp_seconds": 30,
        "events_total": 8,
        "lists_total": 1,
        "starts_total": 3,
        "faults_total": 4,
    }


def test_who_follows_no_cluster_measures_nothing_of_one():
    assert "meshloom_watch" not in metrics.Metrics("1").text().decode()


def test_the_page_of_metrics_lists_each_with_its_labels_and_no_other(measured):
    measured.streams.refused("sotw", "INTERNAL", "")
    families = {
        family.name + ("_total" if family.type == "counter" else "_info" if family.type == "info" else ""): family
        for family in measured.collect()
    }
    real = {
        name: {label for sample in family.samples for label in sample.labels if label != "le"}
        for name, family in families.items()
    }
    rows = re.findall(r"^\| `(meshloom_\w+)` \| (\w+) \|([^|]*)\|", PAGE.read_text(), re.MULTILINE)
    assert {name: set(re.findall(r"`(\w+)`", listed)) for name, _, listed in rows} == real
    kinds = {name: family.type.replace("info", "gauge") for name, family in families.items()}
    assert {name: kind for name, kind, _ in rows} == kinds


def test_names_are_ours_and_end_as_is_the_custom(measured):
    for family in measured.collect():
        assert re.fullmatch(r"meshloom_[a-z_]+", family.name)
        assert family.type != "histogram" or family.name.endswith("_seconds")
