"""Whose a token is, as the API server says: what is believed, what is kept, and what a flood costs."""

import asyncio

import jwt
import pytest

from meshloom.cluster import access_reviews, permits, token_reviews
from meshloom.identity import proofs
from watchers import api_server

NOW = 1_000_000.0
KEY = "a secret that is long enough for the algorithm"
SHOWN = "meshloom"
USER = {
    "username": "system:serviceaccount:shop:front",
    "uid": "1",
    "groups": ["system:serviceaccounts"],
    "extra": {
        "authentication.kubernetes.io/pod-name": ["front-1"],
        "authentication.kubernetes.io/pod-uid": ["uid-1"],
    },
}


def token(**claims):
    return jwt.encode({"exp": int(NOW) + 600, **claims}, KEY, algorithm="HS256")


class Api:
    """Answers as an API server would."""

    def __init__(self, **status):
        self.status = {"authenticated": True, "audiences": [SHOWN], "user": USER, **status}
        self.asked, self.at_once, self.most = [], 0, 0
        self.let = asyncio.Event()
        self.let.set()
        self.fault = None

    async def request(self, method, path, query=None, body=None, **_):
        self.asked.append((method, path, body))
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await self.let.wait()
        self.at_once -= 1
        if self.fault:
            raise self.fault
        return {"status": self.status}


class Clock:
    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now


def reviews(api, clock=None):
    return token_reviews.TokenReviews(api, lambda: NOW, clock or Clock())


async def test_a_token_is_of_the_pod_that_the_api_server_names_until_it_expires():
    api = Api()
    found = await reviews(api).review(token(), SHOWN)
    assert found == proofs.Reviewed(proofs.Pod("shop", "front-1", "uid-1"), NOW + 600)
    (_, path, body) = api.asked[0]
    assert path == token_reviews.PATH
    assert body["spec"]["audiences"] == [SHOWN]


@pytest.mark.parametrize(
    "status",
    [
        {"authenticated": False},
        {"authenticated": "true"},
        {"audiences": []},
        {"audiences": None},
        {"audiences": ["https://kubernetes.default.svc"]},
        {"user": {}},
        {"user": {**USER, "username": "admin"}},
        {"user": {**USER, "username": "system:serviceaccount:shop:"}},
        {"user": {**USER, "username": "system:serviceaccount:front"}},
        {"user": {**USER, "extra": None}},
        {"user": {**USER, "extra": {**USER["extra"], "authentication.kubernetes.io/pod-uid": ["a", "b"]}}},
        {"user": {**USER, "extra": {**USER["extra"], "authentication.kubernetes.io/pod-name": [""]}}},
    ],
)
async def test_what_is_not_said_in_so_many_words_is_not_believed(status):
    assert await reviews(Api(**status)).review(token(), SHOWN) is None


@pytest.mark.parametrize("claims", [{"exp": None}, {"exp": True}, {"exp": int(NOW) + 10**9}])
async def test_a_proof_lasts_a_day_at_most(claims):
    text = jwt.encode({key: value for key, value in claims.items() if value is not None}, KEY, algorithm="HS256")
    found = await reviews(Api()).review(text, SHOWN)
    assert found.until == NOW + token_reviews.LONGEST_PROOF_SECONDS


async def test_an_answer_is_kept_for_a_while_and_only_for_its_token_and_audience():
    api, clock = Api(audiences=[SHOWN, "other"]), Clock()
    asked = reviews(api, clock)
    for _ in range(3):
        await asked.review(token(), SHOWN)
    assert len(api.asked) == 1
    await asked.review(token(jti="2"), SHOWN)
    await asked.review(token(), "other")
    assert len(api.asked) == 3
    clock.now += token_reviews.KEPT_SECONDS
    api.status["authenticated"] = False
    assert await asked.review(token(), SHOWN) is None


async def test_those_who_show_one_token_at_once_are_one_question():
    api = Api()
    api.let.clear()
    asked = reviews(api)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(asked.review(token(), SHOWN)) for _ in range(20)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        tasks[0].cancel()
        api.let.set()
    assert len(api.asked) == 1
    assert tasks[1].result() is not None


async def test_a_flood_of_tokens_takes_a_part_of_the_api_server_and_the_rest_is_turned_away(monkeypatch):
    monkeypatch.setattr(token_reviews, "WAITING", 10)
    api = Api()
    api.let.clear()
    asked = reviews(api)
    tasks = [asyncio.create_task(asked.review(token(jti=f"{n}"), SHOWN)) for n in range(100)]
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    assert all(isinstance(task.exception(), proofs.ReviewError) for task in done)
    api.let.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(isinstance(outcome, proofs.Reviewed) for outcome in outcomes) == token_reviews.AT_ONCE + 10
    assert api.most == token_reviews.AT_ONCE


async def test_an_outage_is_said_and_not_kept():
    api = Api()
    api.fault = api_server.ApiError(0, api_server.UNREACHABLE, "nobody there")
    asked = reviews(api)
    with pytest.raises(proofs.ReviewError):
        await asked.review(token(), SHOWN)
    api.fault = None
    assert await asked.review(token(), SHOWN) is not None


async def test_no_message_holds_a_token():
    api = Api()
    api.fault = api_server.ApiError(500, "InternalError", "the server failed")
    with pytest.raises(proofs.ReviewError) as refused:
        await reviews(api).review(token(), SHOWN)
    assert token()[:20] not in str(refused.value)


# ---------------------------------------------------------------------------- what somebody may


SOMEBODY = token_reviews.User("jane", "7", ("ops",), {"scopes": ("a", "b")})


class Judge:
    """Answers SubjectAccessReviews."""

    def __init__(self, **status):
        self.status, self.asked = status, []

    async def request(self, method, path, query=None, body=None, **_):
        self.asked.append(body["spec"])
        return {"status": self.status}


async def test_a_user_may_what_the_api_server_says_and_is_described_in_full():
    judge, clock = Judge(allowed=True), Clock()
    access = access_reviews.AccessReviews(judge, clock)
    assert await access.may(SOMEBODY, "get", "/meshloom/proxies")
    assert await access.may(SOMEBODY, "get", "/meshloom/proxies")
    assert judge.asked == [
        {
            "user": "jane",
            "uid": "7",
            "groups": ["ops"],
            "extra": {"scopes": ["a", "b"]},
            "nonResourceAttributes": {"verb": "get", "path": "/meshloom/proxies"},
        }
    ]
    clock.now += access_reviews.KEPT_SECONDS
    judge.status = {"allowed": False}
    assert not await access.may(SOMEBODY, "get", "/meshloom/proxies")


@pytest.mark.parametrize("status", [{}, {"allowed": False}, {"allowed": "true"}, {"allowed": True, "denied": True}])
async def test_what_is_not_allowed_in_so_many_words_nobody_may(status):
    assert not await access_reviews.AccessReviews(Judge(**status)).may(SOMEBODY, "get", "/meshloom/config")


def test_tokens_for_the_operator_api_are_for_nothing_else():
    assert permits.AUDIENCE not in ("meshloom", "https://kubernetes.default.svc")
