"""What probes ask, recorded and asked again."""

import pytest

from meshloom.injector import targets
from meshloom.injector.targets import Target

SOME = [
    (Target("http", "localhost", 8080, "/live?x=$(Y)&z=ä"), 1),
    (Target("grpc", "localhost", 9090, "pets.v1.Pets"), 3),
    (Target("tcp", "127.0.0.1", 5432), 1),
]


def test_what_is_recorded_is_read():
    assert targets.read(targets.written(SOME)) == dict(SOME)
    assert targets.read(targets.written([])) == {}


def test_of_equal_targets_the_one_with_more_time_counts():
    [(target, _), *_] = SOME
    assert targets.read(targets.written([(target, 1), (target, 9), (target, 2)])) == {target: 9}


@pytest.mark.parametrize(("target", "_seconds"), SOME)
def test_the_headers_of_a_probe_say_what_it_asks(target, _seconds):
    assert targets.asked(dict(targets.headers(target))) == target
    assert targets.asked({name.lower(): value for name, value in targets.headers(target)}) == target


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Mesh-User-Scheme": "file", "Mesh-User-Host": "localhost", "Mesh-User-Port": "1"},
        {"Mesh-User-Scheme": "http", "Mesh-User-Host": "localhost", "Mesh-User-Port": "http"},
        {"Mesh-User-Scheme": "http", "Mesh-User-Host": "localhost", "Mesh-User-Port": "9" * 99},
        {"Mesh-User-Scheme": "http", "Mesh-User-Host": "localhost", "Mesh-User-Port": "²"},
    ],
)
def test_what_cannot_be_asked_is_nothing(headers):
    assert targets.asked(headers) is None
