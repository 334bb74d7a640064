"""What the program counts and measures, for Prometheus.

Law: a registry of our own; every label has a small, fixed set of values: never a proxy, never a resource. What streams
do is noted on the event loop and must cost next to nothing, so the children of labels are made beforehand, and what
is done thousands of times a second is counted in plain numbers (`response_counts`).
"""

import platform
from collections import Counter as Tally
from collections.abc import Iterator, Mapping
from typing import Final, TypeVar

import prometheus_client
from prometheus_client import metrics as kinds
from prometheus_client import metrics_core, registry

from mesh.problems import Problem, Severity
from meshloom import response_counts, watch_counts, worker
from meshloom.gateways import plan
from meshloom.identity.authority.credentials import What
from meshloom.injector import injection

CONTENT_TYPE: Final = prometheus_client.CONTENT_TYPE_LATEST
OTHER: Final = "other"
"""Stands for a label value that is not in its table."""

VARIANTS: Final = ("sotw", "delta")
CODES: Final = (
    "DEADLINE_EXCEEDED", "INTERNAL", "INVALID_ARGUMENT", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "UNAUTHENTICATED",
    "UNAVAILABLE", OTHER,
)  # fmt: skip
"""Status codes that a stream is refused with."""

REASONS: Final = (
    "absent", "claim", "contradiction", "deployment", "expired", "foreign", "malformed", "plaintext", "revoked",
    "unavailable",
)  # fmt: skip
"""Why a proof of identity is refused."""

OUTCOMES: Final = ("admitted", "warned", "refused", "deferred", "failed")
"""How an admission review ends."""

WRITTEN: Final = ("event", "finalizer", "status")
WRITE_OUTCOMES: Final = ("done", "failed", "refused")

DONE: Final = ("made", "changed", "removed", "left", "refused")
"""What is done about the objects of gateways."""

TURNS: Final = ("evicted", "held", "waiting", "useless", "failed")
"""How the turn of somebody who makes pods to lose one ends."""

PASS_SECONDS: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

K = TypeVar("K")
M = TypeVar("M", bound=kinds.MetricWrapperBase)


class Streams:
    """What happens on ADS streams (`xds.ports.Observer`)."""

    def __init__(self, into: registry.CollectorRegistry) -> None:
        gauge, counter = prometheus_client.Gauge, prometheus_client.Counter
        variants = {variant: variant for variant in VARIANTS}
        self._open = _each(gauge("meshloom_streams", "Open ADS streams.", ["variant"], registry=into), variants)
        accepted = counter("meshloom_streams_opened", "ADS streams accepted.", ["variant"], registry=into)
        self._opened = _each(accepted, variants)
        self._refused = counter("meshloom_streams_refused", "ADS streams refused.", ["variant", "code"], registry=into)
        told = "ADS streams refused or ended for want of proof."
        unproven = counter("meshloom_proofs_refused", told, ["reason"], registry=into)
        self._unproven = _each(unproven, {reason: reason for reason in (*REASONS, OTHER)})
        self._counts = response_counts.ResponseCounts()
        into.register(self._counts)

    def opened(self, variant: str) -> None:
        """Note a stream that was accepted."""
        self._open[variant].inc()
        self._opened[variant].inc()

    def closed(self, variant: str) -> None:
        """Note that it ended."""
        self._open[variant].dec()

    def refused(self, variant: str, code: str, reason: str) -> None:
        """Note a stream that the server ended."""
        self._refused.labels(variant, code if code in CODES else OTHER).inc()
        if reason:
            self._unproven[reason if reason in self._unproven else OTHER].inc()

    def sent(self, type_url: str, size: int) -> None:
        """Note a response of this many bytes."""
        self._counts.sent(type_url, size)

    def acked(self, type_url: str, seconds: float) -> None:
        """Note an ACK this long after the response."""
        self._counts.acked(type_url, seconds)

    def nacked(self, type_url: str, seconds: float) -> None:
        """Note a NACK."""
        self._counts.nacked(type_url)

    def overdue(self, type_url: str) -> None:
        """Note an answer that did not come in time."""
        self._counts.overdue(type_url)


class Passes:
    """What the pipeline does (`meshloom.pipeline.Observer`)."""

    def __init__(self, into: registry.CollectorRegistry) -> None:
        gauge, counter, histogram = prometheus_client.Gauge, prometheus_client.Counter, prometheus_client.Histogram
        told = "How long a pass takes: from resources to meaning, and from meaning to configuration."
        seconds = histogram("meshloom_pass_seconds", told, ["stage"], buckets=PASS_SECONDS, registry=into)
        self._resolving, self._compiling = seconds.labels("resolve"), seconds.labels("compile")
        outcomes = counter("meshloom_passes", "Passes, by how they ended.", ["outcome"], registry=into)
        self._succeeded, self._failed = outcomes.labels("succeeded"), outcomes.labels("failed")
        self._published = counter("meshloom_snapshots_published", "Snapshots that changed.", registry=into)
        self._at = gauge("meshloom_last_pass_timestamp_seconds", "When a pass last succeeded.", registry=into)
        self._services = gauge("meshloom_services", "Services in the mesh.", registry=into)
        self._proxies = gauge("meshloom_proxies", "Kinds of proxies that have a configuration.", registry=into)
        problems = gauge("meshloom_problems", "Problems in what was written.", ["severity"], registry=into)
        self._problems = _each(problems, {severity: severity.value for severity in Severity})
        self._told: tuple[Problem, ...] = ()

    def settled(self, before: worker.Status, after: worker.Status) -> None:
        """Note a task that is done."""
        if after.last is not None and after.last is not before.last:
            self._passed(after.last)
        self._services.set(after.services)
        self._proxies.set(after.proxies)
        if after.problems is not self._told:
            self._told = after.problems
            tally = Tally(problem.severity for problem in after.problems)
            for severity, child in self._problems.items():
                child.set(tally[severity])

    def failed(self, error: Exception) -> None:
        """Note a pass that raised."""
        self._failed.inc()

    def _passed(self, last: worker.LastPass) -> None:
        self._succeeded.inc()
        self._resolving.observe(last.resolve_seconds)
        self._compiling.observe(last.compile_seconds)
        self._published.inc(last.published)
        self._at.set(last.at)


class Certificates:
    """What the authorities issue (`meshloom.identity.authorities.Observer`)."""

    def __init__(self, into: registry.CollectorRegistry) -> None:
        gauge, counter = prometheus_client.Gauge, prometheus_client.Counter
        told = "What certificate authorities have done: certificates issued and renewed, steps from root to root."
        events = counter("meshloom_certificate_events", told, ["event"], registry=into)
        self._events = _each(events, {what: what.name.lower() for what in What})
        told = "When the first of all certificates of proxies ends."
        self._soonest = gauge("meshloom_certificates_expire_timestamp_seconds", told, registry=into)

    def issued(self, what: What, count: int) -> None:
        """Note that something was done so many times."""
        self._events[what].inc(count)

    def lasts(self, soonest: float) -> None:
        """Note when the first certificate ends, 0 where there are none."""
        self._soonest.set(soonest)


class Admission:
    """What the webhook answers (`meshloom.admission.judge.Observer`)."""

    def __init__(self, into: registry.CollectorRegistry) -> None:
        counter, histogram = prometheus_client.Counter, prometheus_client.Histogram
        told = "Admission reviews, by how they ended."
        reviews = counter("meshloom_admission_reviews", told, ["outcome"], registry=into)
        self._reviews = _each(reviews, {outcome: outcome for outcome in OUTCOMES})
        told = "How long an admission review takes, from the last byte of the question."
        self._seconds = histogram("meshloom_admission_seconds", told, buckets=PASS_SECONDS, registry=into)

    def reviewed(self, outcome: str, seconds: float) -> None:
        """Note an answer."""
        self._reviews[outcome].inc()
        self._seconds.observe(seconds)


class Injection:
    """What becomes of pods (`meshloom.injector.injection.Observer`)."""

    def __init__(self, into: registry.CollectorRegistry) -> None:
        counter, histogram = prometheus_client.Counter, prometheus_client.Histogram
        told = "Reviews of pods that are created, by what becomes of them."
        reviews = counter("meshloom_injection_reviews", told, ["reason"], registry=into)
        self._reviews = _each(reviews, {reason: reason for reason in injection.REASONS})
        told = "Pods that were created without the proxy that their labels ask for, as the leader counts them."
        self._lacking = prometheus_client.Gauge("meshloom_pods_without_proxy", told, registry=into)
        told = "How long a review of a pod takes, from the last byte of the question."
        self._seconds = histogram("meshloom_injection_seconds", told, buckets=PASS_SECONDS, registry=into)

    def reviewed(self, reason: str, seconds: float) -> None:
        """Note an answer."""
        self._reviews[reason].inc()
        self._seconds.observe(seconds)

    def lacked(self, count: int) -> None:
        """Note how many pods are without."""
        self._lacking.set(count)


class Gateways:
    """What is done about the objects of gateways (`meshloom.gateways.operator.Observer`)."""

    def __init__(self, into: registry.CollectorRegistry) -> None:
        told = "What was done about objects of gateways; left is what belongs to somebody else."
        done = prometheus_client.Counter("meshloom_gateway_objects", told, ["kind", "outcome"], registry=into)
        pairs = ((kind, outcome) for kind in (*plan.KINDS, plan.OWNER) for outcome in DONE)
        self._done = {pair: done.labels(*pair) for pair in pairs}

    def did(self, kind: str, what: str) -> None:
        """Note what was done about an object of a kind."""
        self._done[kind, what].inc()


class Evictions:
    """What is done about pods to be made anew (`meshloom.cluster.evictions.Observer`)."""

    def __init__(self, into: registry.CollectorRegistry) -> None:
        told = "Turns of those who make pods to lose one that is to be made anew, by how they ended."
        turns = prometheus_client.Counter("meshloom_evictions", told, ["outcome"], registry=into)
        self._turns = _each(turns, {outcome: outcome for outcome in TURNS})
        told = "Pods that are to be made anew: due are those that meshloom evicts, kept those that others have to."
        pods = prometheus_client.Gauge("meshloom_pods_outdated", told, ["state"], registry=into)
        self._due, self._kept = pods.labels("due"), pods.labels("kept")

    def turned(self, outcome: str) -> None:
        """Note how a turn ended."""
        self._turns[outcome].inc()

    def due(self, count: int, kept: int) -> None:
        """Note how many pods are to be evicted, and how many others have to make anew."""
        self._due.set(count)
        self._kept.set(kept)


class Leading:
    """Whether this replica leads (`meshloom.cluster.leader.Observer`)."""

    def __init__(self, into: registry.CollectorRegistry) -> None:
        told = "Whether this replica is the one that writes to the cluster."
        self._leads = prometheus_client.Gauge("meshloom_leads", told, registry=into)

    def leads(self, is_leading: bool) -> None:
        """Note that leading has begun or ended."""
        self._leads.set(is_leading)


class Writing:
    """What is written to the cluster (`meshloom.cluster.writes.Observer`)."""

    def __init__(self, into: registry.CollectorRegistry) -> None:
        told = "Statuses, events and finalizers written to the cluster, by how that ended."
        writes = prometheus_client.Counter("meshloom_cluster_writes", told, ["what", "outcome"], registry=into)
        sorts = [(what, outcome) for what in WRITTEN for outcome in WRITE_OUTCOMES]
        self._writes = {sort: writes.labels(*sort) for sort in sorts}

    def wrote(self, what: str, outcome: str) -> None:
        """Note a write that ended."""
        self._writes[what, outcome].inc()


class Metrics:
    """All of them, and their text."""

    def __init__(self, version: str, standings: watch_counts.Standings = tuple) -> None:
        self._registry = registry.CollectorRegistry()
        self._registry.register(watch_counts.WatchCounts(standings))
        self.streams, self.passes = Streams(self._registry), Passes(self._registry)
        self.certificates, self.admission = Certificates(self._registry), Admission(self._registry)
        self.leading, self.injection = Leading(self._registry), Injection(self._registry)
        self.writing = Writing(self._registry)
        self.gateways, self.evictions = Gateways(self._registry), Evictions(self._registry)
        prometheus_client.ProcessCollector(namespace="meshloom", registry=self._registry)
        build = prometheus_client.Info("meshloom_build", "What is running.", registry=self._registry)
        build.info({"version": version, "python": platform.python_version()})

    def text(self) -> bytes:
        """Return them in Prometheus' text format."""
        return prometheus_client.generate_latest(self)

    def collect(self) -> Iterator[metrics_core.Metric]:
        """Yield the families without when each child was made, which nobody asks (`prometheus_client.Collector`)."""
        for family in self._registry.collect():
            family.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
            yield family


def _each(family: M, labels: Mapping[K, str]) -> dict[K, M]:
    """Return the children of a family that has one label."""
    return {key: family.labels(label) for key, label in labels.items()}
