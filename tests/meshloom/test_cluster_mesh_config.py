"""The ConfigMap by which the original let people choose the image of proxies."""

import asyncio
import contextlib

import pytest

from meshloom.cluster import mesh_config
from meshloom.injector.terms import Terms
from watchers import api_server

TERMS = Terms("meshloom-proxy:test", "meshloom.meshloom-system.svc:15012", mds_endpoint="settings.example.com")


class Api:
    """An API server that answers what it is told, one thing after the other."""

    def __init__(self, *answers):
        self.answers = list(answers)

    async def request(self, _method, path):
        assert path == "/api/v1/namespaces/meshloom-system/configmaps/oci-service-operator-servicemesh-config"
        if not self.answers:
            raise asyncio.CancelledError
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def failed(status, reason):
    return api_server.ApiError(status, reason, "words")


async def told(monkeypatch, *answers):
    monkeypatch.setattr(mesh_config, "LOOK_SECONDS", 0)
    following = mesh_config.followed(Api(*answers), "meshloom-system")
    found = []
    with contextlib.suppress(asyncio.CancelledError):
        while True:
            found.append(await anext(following))
    return found


async def test_what_it_says_is_told_when_it_is_something_else(monkeypatch):
    first, second = {"data": {"SIDECAR_IMAGE": "a", "OTHER": "x"}}, {"data": {"SIDECAR_IMAGE": "b"}}
    assert await told(monkeypatch, first, first, second) == [{"SIDECAR_IMAGE": "a"}, {"SIDECAR_IMAGE": "b"}]


async def test_without_it_the_settings_hold(monkeypatch):
    gone = failed(404, "NotFound")
    assert await told(monkeypatch, gone, gone, {"data": {"SIDECAR_IMAGE": "a"}}, gone, {}) == [
        {},
        {"SIDECAR_IMAGE": "a"},
        {},
    ]


async def test_while_it_cannot_be_read_what_was_known_holds(monkeypatch):
    down = failed(0, "Unreachable")
    assert await told(monkeypatch, down, {"data": {"SIDECAR_IMAGE": "a"}}, down, down) == [{"SIDECAR_IMAGE": "a"}]


async def test_who_may_not_read_it_goes_by_the_settings(monkeypatch):
    assert await told(monkeypatch, failed(403, "Forbidden"), failed(403, "Forbidden")) == [{}]


@pytest.mark.parametrize(
    ("data", "image", "endpoint"),
    [
        ({}, TERMS.image, TERMS.mds_endpoint),
        ({"SIDECAR_IMAGE": " proxy:9 "}, "proxy:9", TERMS.mds_endpoint),
        ({"SIDECAR_IMAGE": "", "MDS_ENDPOINT": "mds"}, TERMS.image, "mds"),
    ],
)
def test_it_goes_before_the_settings(data, image, endpoint):
    found = mesh_config.chosen(TERMS, data)
    assert (found.image, found.mds_endpoint, found.ads) == (image, endpoint, TERMS.ads)


@pytest.mark.parametrize(
    ("data", "is_rolled"),
    [
        ({}, True),
        ({"AUTO_UPDATE_PROXY_VERSION": "true"}, True),
        ({"AUTO_UPDATE_PROXY_VERSION": " False "}, False),
        ({"AUTO_UPDATE_PROXY_VERSION": "false", "SIDECAR_IMAGE": "proxy:9"}, True),
    ],
)
def test_running_pods_keep_their_proxies_where_that_is_said_and_no_image_is_named(data, is_rolled):
    assert mesh_config.chosen(TERMS, data).is_rolled is is_rolled
