"""Defaults that keep traffic alive: one more try where nothing was sent, a break for endpoints that fail, limits so
high that they only stop a runaway.

Law: nothing is sent twice that an application may have seen. What may be switched is a value given to the compiler; the
same for all proxies, so that whatever they share stays shared.
"""

import datetime
import functools
from dataclasses import dataclass

from envoy_data_plane.envoy.config.cluster import v3 as cluster_v3
from envoy_data_plane.envoy.config.core import v3 as core_v3
from envoy_data_plane.envoy.config.route import v3 as route_v3
from envoy_data_plane.envoy.extensions.retry.host.previous_hosts import v3 as previous_v3

from translator import wire

_HIGH = 1_000_000
_UNSENT = "connect-failure,refused-stream,reset-before-request"
"""When a request has not reached anybody: no connection, refused unread, or reset before its head was written."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """Which of them there are. Without `high_limits` Envoy's own hold: 1024 connections and requests a cluster."""

    retries: bool = True
    outlier_detection: bool = True
    high_limits: bool = True


DEFAULT = Traffic()


@functools.cache
def retry_policy(of: Traffic) -> route_v3.RetryPolicy | None:
    """Return when a request is sent once more, to another endpoint if there is one; never because of an answer."""
    if not of.retries:
        return None
    elsewhere = route_v3.RetryPolicyRetryHostPredicate(
        name="envoy.retry_host_predicates.previous_hosts",
        typed_config=wire.packed(previous_v3.PreviousHostsPredicate()),
    )
    return route_v3.RetryPolicy(
        retry_on=_UNSENT, num_retries=1, retry_host_predicate=[elsewhere], host_selection_retry_max_attempts=5
    )


def connect_attempts(of: Traffic) -> int | None:
    """Return how often a TCP connection is tried, None for Envoy's own once."""
    return 2 if of.retries else None


@functools.cache
def outlier_detection(of: Traffic) -> cluster_v3.OutlierDetection | None:
    """Return when an endpoint is left out for a while: after five failures in a row (502, 503, 504, no connection), for
    ten seconds, longer if it goes on failing. Half of the endpoints, and an only one, always stay.
    """
    if not of.outlier_detection:
        return None
    second = datetime.timedelta(seconds=1)
    return cluster_v3.OutlierDetection(
        consecutive_gateway_failure=5,
        enforcing_consecutive_gateway_failure=100,
        enforcing_consecutive_5xx=0,  # an application may say 500
        enforcing_success_rate=0,
        enforcing_failure_percentage=0,
        interval=5 * second,
        base_ejection_time=10 * second,
        max_ejection_time=60 * second,
        max_ejection_percent=50,
    )


@functools.cache
def circuit_breakers(of: Traffic) -> cluster_v3.CircuitBreakers | None:
    """Return limits so high that they only keep a runaway from taking all memory; real ones are a wish to be made."""
    if not of.high_limits:
        return None
    threshold = cluster_v3.CircuitBreakersThresholds(
        priority=core_v3.RoutingPriority.DEFAULT,
        max_connections=_HIGH,
        max_pending_requests=_HIGH,
        max_requests=_HIGH,
        max_retries=_HIGH,
    )
    return cluster_v3.CircuitBreakers(thresholds=[threshold])
