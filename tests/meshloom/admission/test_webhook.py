"""The door of the webhook: HTTPS, by a certificate that can be replaced, with bounds for whoever comes."""

import asyncio
import contextlib
import io
import itertools
import json
import ssl
import threading
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest

from meshloom import addresses
from meshloom.admission import asked, configuration, judge, webhook
from meshloom.identity.authority import issue, keys
from tests.meshloom.admission import reviews

NAME = "meshloom.meshloom-system.svc"
HERE = addresses.Socket("127.0.0.1", 0)


class Authority:
    """Issues certificates of the webhook."""

    def __init__(self) -> None:
        self.root = issue.root(keys.generated(), "webhook", 86400.0, time.time())

    def shown_on(self, shown: webhook.Shown) -> None:
        leaf = issue.server(self.root, keys.generated(), (NAME,), 3600.0, time.time())
        shown.show(leaf.chain, leaf.key.pem)

    def trusted(self) -> ssl.SSLContext:
        return ssl.create_default_context(cadata=issue.pem(self.root.certificate).decode())


class Counted:
    """Remembers how reviews ended."""

    def __init__(self) -> None:
        self.outcomes: list[str] = []

    def reviewed(self, outcome: str, seconds: float) -> None:
        assert seconds >= 0
        self.outcomes.append(outcome)


class Held:
    """Answers when it is let."""

    def __init__(self) -> None:
        self.let, self.full, self.asked = asyncio.Event(), asyncio.Event(), 0

    async def answer(self, body: bytes, since: float) -> bytes:
        self.asked += 1
        if self.asked == webhook.AT_ONCE:
            self.full.set()
        await self.let.wait()
        return body


@contextlib.asynccontextmanager
async def serving(
    answering: webhook.Answering, authority: Authority, shown: webhook.Shown | None = None
) -> AsyncIterator[str]:
    shown = shown or webhook.Shown()
    authority.shown_on(shown)
    async with webhook.served([webhook.Desk(configuration.PATH, answering, webhook.WAITING)], shown, HERE) as port:
        yield f"https://127.0.0.1:{port}"


async def posted(url: str, authority: Authority, body: bytes | io.BytesIO) -> tuple[int, bytes]:
    async with (
        aiohttp.ClientSession() as session,
        session.post(url + configuration.PATH, data=body, ssl=authority.trusted(), server_hostname=NAME) as answer,
    ):
        return answer.status, await answer.read()


@pytest.fixture
def counted() -> Counted:
    return Counted()


@pytest.fixture
def judging(counted, monkeypatch):
    monkeypatch.setattr(judge, "SETTLE", 0.1)
    made = judge.Judge(counted)
    made.passed(reviews.there(), ())
    yield made
    made.close()


REVIEW = json.dumps(reviews.asking("CREATE", reviews.document(reviews.PARTS[0]))).encode()
REFUSED = json.dumps(
    reviews.asking(
        "CREATE",
        reviews.document("VirtualService: shop/odd\nmesh: {ref: {name: main}}\nmtls: {mode: DISABLED}"),
    )
).encode()


async def test_reviews_are_answered_over_tls_and_counted(judging, counted):
    authority = Authority()
    async with serving(judging, authority) as url:
        status, body = await posted(url, authority, REVIEW)
        assert (status, json.loads(body)["response"]["allowed"]) == (200, True)
        status, body = await posted(url, authority, REFUSED)
        assert (status, json.loads(body)["response"]["allowed"]) == (200, False)
    assert counted.outcomes == ["admitted", "refused"]


async def test_another_certificate_is_shown_to_whoever_comes_later(judging):
    first, second, shown = Authority(), Authority(), webhook.Shown()
    async with serving(judging, first, shown) as url:
        assert (await posted(url, first, REVIEW))[0] == 200
        second.shown_on(shown)
        assert (await posted(url, second, REVIEW))[0] == 200
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await posted(url, first, REVIEW)


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 100_000, b"\xff\xfe", b"{}", b'"' + b"a" * 100_000])
async def test_what_is_no_review_is_refused_in_words(judging, body):
    authority = Authority()
    async with serving(judging, authority) as url:
        status, text = await posted(url, authority, body)
    assert status == 400
    assert b"this is no" in text or b"this AdmissionReview" in text
    assert b"Traceback" not in text


async def test_a_body_that_is_too_large_is_not_read(judging):
    authority = Authority()
    async with serving(judging, authority) as url:
        status, _ = await posted(url, authority, io.BytesIO(b"x" * (webhook.LARGEST + 1)))
    assert status == 413


async def test_too_many_reviews_at_once_are_turned_away_and_the_others_answered(monkeypatch):
    monkeypatch.setattr(webhook, "WAITING", 2)
    authority, held = Authority(), Held()
    async with serving(held, authority) as url, asyncio.TaskGroup() as group:
        inside = [group.create_task(posted(url, authority, b"1")) for _ in range(webhook.AT_ONCE)]
        async with asyncio.timeout(20):
            await held.full.wait()
            waiting = [group.create_task(posted(url, authority, b"2")) for _ in range(12)]
            for first in itertools.islice(asyncio.as_completed(waiting), 10):
                assert (await first)[0] == 503
        assert held.asked == webhook.AT_ONCE
        held.let.set()
    assert {task.result()[0] for task in inside} == {200}
    assert sorted(task.result()[0] for task in waiting) == [200] * 2 + [503] * 10


async def test_who_asks_nothing_and_who_is_slow_does_not_keep_a_connection(judging, monkeypatch):
    monkeypatch.setattr(webhook, "UNHEARD_SECONDS", 0.2)
    monkeypatch.setattr(webhook, "_LOOK_SECONDS", 0.05)
    authority = Authority()
    async with serving(judging, authority) as url:
        port = int(url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=authority.trusted(), server_hostname=NAME)
        writer.write(b"POST /validate HTTP/1.1\r\nHost: a\r\nContent-Le")
        async with asyncio.timeout(20):
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
        writer.close()


async def test_what_takes_too_long_is_given_up(monkeypatch):
    monkeypatch.setattr(webhook, "SECONDS", 0.1)
    authority = Authority()
    async with serving(Held(), authority) as url:
        status, text = await posted(url, authority, REVIEW)
    assert (status, text) == (504, b"this took too long; try again in a moment\n")


async def test_a_fault_of_ours_is_counted_and_nothing_of_it_is_told(judging, counted, monkeypatch):
    monkeypatch.setattr(judge.review, "judged", lambda *_: 1 / 0)
    authority = Authority()
    async with serving(judging, authority) as url:
        status, text = await posted(url, authority, REVIEW)
    assert status == 500
    assert b"Zero" not in text
    assert counted.outcomes == ["failed"]


async def test_judging_does_not_hold_up_the_event_loop(judging):
    threads = set()
    before = judge.review.judged

    def judged(question, now):
        threads.add(threading.current_thread())
        return before(question, now)

    judge.review.judged = judged
    try:
        await judging.answer(REVIEW, time.monotonic())
    finally:
        judge.review.judged = before
    assert threading.main_thread() not in threads


async def test_what_is_no_review_is_said_to_whoever_asks_the_judge(judging):
    with pytest.raises(asked.UnreadableError):
        await judging.answer(b"{}", time.monotonic())


async def test_a_review_that_has_waited_too_long_is_not_judged_and_the_client_told_to_come_again(judging, counted):
    late = time.monotonic() - judge.PATIENCE - 1
    response = json.loads(await judging.answer(REFUSED, late))["response"]
    assert (response["allowed"], response["status"]["code"]) == (False, 429)
    assert response["status"]["details"] == {"retryAfterSeconds": 1}
    assert counted.outcomes == ["deferred"]


def judgements(monkeypatch):
    """Return what waits until so many reviews have been judged."""
    before, done, loop = judge.review.judged, asyncio.Semaphore(0), asyncio.get_running_loop()

    def judged(question, now):
        answer = before(question, now)
        loop.call_soon_threadsafe(done.release)
        return answer

    async def waited(count):
        async with asyncio.timeout(20):
            for _ in range(count):
                await done.acquire()

    monkeypatch.setattr(judge.review, "judged", judged)
    return waited


async def test_a_change_that_others_are_in_the_way_of_waits_for_what_was_applied_before_it(
    judging, counted, monkeypatch
):
    monkeypatch.setattr(judge, "SETTLE", 3600.0)
    judged = judgements(monkeypatch)
    answering = asyncio.create_task(judging.answer(REFUSED, time.monotonic()))
    await judged(1)
    judging.passed(reviews.there(reviews.SHOP + "VirtualService: shop/another\nmesh: {ref: {name: main}}"), ())
    judging.passed(reviews.there(reviews.SHOP.replace("Mesh: shop/main", "Mesh: shop/former")), ())
    async with asyncio.timeout(20):
        assert json.loads(await answering)["response"]["allowed"]
    assert counted.outcomes == ["warned"]


async def test_what_is_wrong_in_itself_waits_for_nobody(judging, monkeypatch):
    monkeypatch.setattr(judge, "SETTLE", 3600.0)
    odd = reviews.document("VirtualService: shop/odd\nmesh: {}\nmtls: {mode: DISABLED}")
    async with asyncio.timeout(20):
        answer = await judging.answer(json.dumps(reviews.asking("CREATE", odd)).encode(), time.monotonic())
    assert not json.loads(answer)["response"]["allowed"]


async def test_of_very_many_that_would_wait_most_are_told_to_come_again(judging, counted, monkeypatch):
    monkeypatch.setattr(judge, "SETTLE", 3600.0)
    coming = [asyncio.create_task(judging.answer(REFUSED, time.monotonic())) for _ in range(judge.WAITING + 3)]
    async with asyncio.timeout(20):
        for each in itertools.islice(asyncio.as_completed(coming), 3):
            assert json.loads(await each)["response"]["status"]["code"] == 429
    assert counted.outcomes == ["deferred"] * 3
    for task in coming:
        task.cancel()
    await asyncio.gather(*coming, return_exceptions=True)
    monkeypatch.setattr(judge, "SETTLE", 0.0)
    assert json.loads(await judging.answer(REFUSED, time.monotonic()))["response"]["status"]["code"] == 403


async def test_whoever_goes_away_in_the_middle_is_no_news(judging, caplog):
    authority = Authority()
    async with serving(judging, authority) as url:
        port = int(url.rpartition(":")[2])
        half = b"POST /validate HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{"
        for sent in (
            half,
            half,
            b"\x16\x03 nonsense\r\n\r\n",
            b"POST /validate HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        ):
            _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=authority.trusted(), server_hostname=NAME)
            writer.write(sent)
            await writer.drain()
            writer.transport.abort()
        assert (await posted(url, authority, REVIEW))[0] == 200
    assert not [record for record in caplog.records if record.name.startswith("aiohttp")]
