"""What a proxy is told by its environment: how many threads it has, and how long it may take to end."""

import pytest

from meshloom.injector import environment


@pytest.mark.parametrize(
    ("limit", "threads"),
    [
        (None, 2),
        ("250m", 1),
        ("1", 1),
        ("1001m", 2),
        ("2000m", 2),
        (1.5, 2),
        (3, 3),
        ("0", 1),
        ("0.5", 1),
        (".5", 1),
        ("5.", 5),
        ("4e0", 4),
        ("3000000u", 3),
        ("1k", 64),
        ("1Ki", 64),
        ("1E", 64),
        ("-3", 1),
        ("many", 1),
    ],
)
def test_envoy_has_as_many_threads_as_the_limit_of_processors_has_begun(limit, threads):
    resources = {} if limit is None else {"limits": {"cpu": limit}}
    assert environment.concurrency(resources) == threads


@pytest.mark.parametrize(("grace", "seconds"), [(30, 27), (120, 117), (3, 1), (0, 1)])
def test_a_proxy_is_done_before_its_pod_has_to_be(grace, seconds):
    assert environment.drain_seconds(grace) == seconds
