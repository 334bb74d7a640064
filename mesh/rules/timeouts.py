"""Rules for timeouts.

Law: a timeout that is accepted is one that a proxy can count.
"""

from collections.abc import Iterator

from mesh import problems, resources
from mesh.problems import Problem, Ref
from mesh.resources import Model
from mesh.rules import fields

LONGEST_MS = 9_223_372_036_000
"""The longest time that Envoy accepts, in milliseconds: its nanoseconds must fit 64 bits."""

_FIELDS = ("request_timeout_in_ms", "idle_timeout_in_ms")
_OWNERS = (resources.Listener, resources.HttpRoute, resources.GatewayHttpRoute)


def countable_ms(written: int) -> int:
    """Return a time in milliseconds that Envoy accepts: the written one, or the longest."""
    return min(written, LONGEST_MS)


def endless_timeouts(subject: Ref, spec: Model) -> Iterator[Problem]:
    """Rule 2.13.7: a timeout is short enough for Envoy, which counts up to 292 years."""
    for owner in _OWNERS:
        for field, value in fields.found(owner, spec):
            for name in _FIELDS:
                if (getattr(value, name, None) or 0) > LONGEST_MS:
                    at = f"{field}.{fields.alias(owner, name)}"
                    yield problems.error(subject, at, "is longer than 292 years", "write 0 for no limit")
